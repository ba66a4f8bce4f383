// plugin/allowed_topics.hpp -- the topics that a plugin may use in one way: all that some patterns
// match, and no others.
// Layer: plugin
//
// Model      A topic is allowed when one of the patterns matches it; a pattern, when one of them
//            surely matches all that it does (match/pattern_cover.hpp).
// Threads    Immutable: [any-thread].
// Ownership  Owns its patterns.
// Errors     The constructor throws Error(invalid_pattern).
// Cost       holds(): O(log n) for those that name a topic, then one match a pattern; no allocation
//            but what a regular expression may need.
// Example    tests/plugin/allowed_topics_test.cpp
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "busway/pattern.hpp"

namespace busway::plugin_host_detail {

class AllowedTopics {
 public:
  /// Plain patterns are read as `wildcards` says.
  AllowedTopics(const std::vector<std::string>& patterns, Wildcards wildcards);

  [[nodiscard]] bool holds(std::string_view topic) const;
  [[nodiscard]] bool covers(const Pattern& wanted) const;
  /// The patterns as they were given, the first of them: for messages.
  [[nodiscard]] const std::string& words() const noexcept { return words_; }

 private:
  std::vector<std::string> topics_;  // sorted
  std::vector<Pattern> patterns_;
  std::string words_;
};

}  // namespace busway::plugin_host_detail
