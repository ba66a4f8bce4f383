// plugin/load_order.hpp -- in which order plugins start, from what each requires.
// Layer: plugin
//
// Model      A plugin comes after all it requires; those that are free to choose keep the order
//            given.
// Threads    [any-thread]
// Ownership  None.
// Errors     Throws Error(plugin_requires), which names the edge: the plugin and what it requires,
//            or the whole circle.
// Cost       Linear in plugins and requirements, apart from look-ups.
#pragma once

#include <string>
#include <vector>

namespace busway::plugin_host_detail {

struct Requirement {
  std::string id;
  std::vector<std::string> required;
};

[[nodiscard]] std::vector<std::string> load_order(const std::vector<Requirement>& plugins);

}  // namespace busway::plugin_host_detail
