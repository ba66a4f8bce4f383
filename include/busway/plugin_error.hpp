// busway/plugin_error.hpp -- what a plugin's call into its host throws when the host refuses it.
// Layer: plugin
//
// Model      A status of plugin.h and the host's words for it. A plugin may throw it, or anything
//            else, out of any callback: the host gets the words, and no exception leaves the
//            library.
// Threads    A value.
// Ownership  Owns its text.
// Errors     None.
// Cost       Allocates its text.
// Example    tests/plugin/plugins/everything.cpp
#pragma once

#include <stdexcept>
#include <string>

#include "busway/plugin.h"

namespace busway {

class PluginError : public std::runtime_error {
 public:
  PluginError(busway_status status, const std::string& message)
      : std::runtime_error(message), status_(status) {}

  /// BUSWAY_INVALID_TOPIC and the like.
  [[nodiscard]] busway_status status() const noexcept { return status_; }

 private:
  busway_status status_;
};

}  // namespace busway
