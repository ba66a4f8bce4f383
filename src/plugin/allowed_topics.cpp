#include "plugin/allowed_topics.hpp"

#include <algorithm>
#include <utility>

#include "base/escape.hpp"
#include "match/pattern_cover.hpp"

namespace busway::plugin_host_detail {
namespace {

std::string words_of(const std::vector<std::string>& patterns) {
  constexpr std::size_t kShownMax = 8;
  if (patterns.empty()) return "nothing";
  std::string words;
  for (std::size_t i = 0; i < std::min(patterns.size(), kShownMax); ++i) {
    words += (i == 0 ? "" : ", ") + quote(patterns[i], 100);
  }
  const std::size_t more = patterns.size() - std::min(patterns.size(), kShownMax);
  return more == 0 ? words : words + " and " + std::to_string(more) + " more";
}

}  // namespace

AllowedTopics::AllowedTopics(const std::vector<std::string>& patterns, Wildcards wildcards)
    : words_(words_of(patterns)) {
  for (const std::string& text : patterns) {
    Pattern pattern = Pattern::parse(text, wildcards);
    if (pattern.kind() == PatternKind::exact) {
      topics_.emplace_back(pattern.text());
    } else {
      patterns_.push_back(std::move(pattern));
    }
  }
  std::sort(topics_.begin(), topics_.end());
}

bool AllowedTopics::holds(std::string_view topic) const {
  return std::binary_search(topics_.begin(), topics_.end(), topic) ||
         std::any_of(patterns_.begin(), patterns_.end(),
                     [&](const Pattern& pattern) { return pattern.matches(topic); });
}

bool AllowedTopics::covers(const Pattern& wanted) const {
  if (wanted.kind() == PatternKind::exact) return holds(wanted.text());
  return std::any_of(patterns_.begin(), patterns_.end(), [&](const Pattern& pattern) {
    return match_detail::surely_covers(pattern, wanted);
  });
}

}  // namespace busway::plugin_host_detail
