// config/yaml_tree.hpp -- parses YAML under guard: the only file that knows yaml-cpp.
// Layer: config
//
// Model      Builds Nodes from the parser's events, so that bounds hold while it parses. Refused
//            beside what is no YAML: duplicate keys, keys that are no words, tags but !!str, merge
//            keys, aliases that contain themselves, a second document, tabs as indentation, a quote
//            that is never closed (yaml-cpp 0.7 takes the rest of the file for the value then).
// Threads    [any-thread]
// Errors     Adds to issues; returns null when there is no tree to go on with.
// Cost       O(text); aliases cost nothing, their size is counted.
#pragma once

#include <string>

#include "config/document.hpp"
#include "config/issues.hpp"

namespace busway::config {

/// `text` has passed check_text().
[[nodiscard]] NodePtr parse_yaml(const std::string& text, const Variables& variables,
                                 Issues& issues);

}  // namespace busway::config
