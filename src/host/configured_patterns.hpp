// host/configured_patterns.hpp -- the patterns and topics that plugins' configurations name.
// Layer: host
//
// Model      Walks plugins[].config: pattern, patterns, topic, topics at any depth; see
//            check_config.hpp.
// Threads    [any-thread]
// Errors     Added to the issues, with their lines.
// Cost       O(nodes).
#pragma once

#include <vector>

#include "busway/check_config.hpp"
#include "config/document.hpp"
#include "config/issues.hpp"

namespace busway::host_detail {

[[nodiscard]] std::vector<PatternReading> read_configured_patterns(const config::Document& document,
                                                                   Wildcards wildcards,
                                                                   config::Issues& issues);

}  // namespace busway::host_detail
