#include "listening.hpp"

#include <array>

namespace busway::simulation {
namespace {

constexpr std::array<std::string_view, 10> kTopics{
    "a", "a.b", "a.b.c", "b", "b.a", "order.new", "order.paid", "order.new.eu", "x:y", "user_1"};

constexpr auto kGlob = PatternKind::glob;
constexpr auto kSegments = PatternKind::segments;
constexpr auto kRegex = PatternKind::regex;

constexpr std::array kListenings{
    Listening{PatternKind::exact, "a"},
    Listening{PatternKind::exact, "a.b"},
    Listening{PatternKind::exact, "b"},
    Listening{PatternKind::exact, "order.new"},
    Listening{PatternKind::exact, "user_1"},
    Listening{PatternKind::exact, "never.published"},
    Listening{kGlob, "*"},
    Listening{kGlob, "a*"},
    Listening{kGlob, "*.b*"},
    Listening{kGlob, "order.*"},
    Listening{kGlob, "?"},
    Listening{kGlob, "[ab].*"},
    Listening{kGlob, "[!ab]*[du1y]"},
    Listening{kSegments, "*"},
    Listening{kSegments, "a.*"},
    Listening{kSegments, "*.b"},
    Listening{kSegments, "order.**"},
    Listening{kSegments, "*.*.*"},
    Listening{kRegex, "^a", [](std::string_view t) { return t.front() == 'a'; }},
    Listening{kRegex, "new$", [](std::string_view t) { return t.ends_with("new"); }},
    Listening{kRegex, "^order\\.(new|paid)$",
              [](std::string_view t) { return t == "order.new" || t == "order.paid"; }},
    Listening{kRegex, "[_:]", [](std::string_view t) { return t.find_first_of("_:") != t.npos; }},
};

bool glob(std::string_view pattern, std::string_view text) {
  if (pattern.empty()) return text.empty();
  if (pattern.front() == '*') {
    for (std::size_t i = 0; i <= text.size(); ++i) {
      if (glob(pattern.substr(1), text.substr(i))) return true;
    }
    return false;
  }
  if (text.empty()) return false;
  if (pattern.front() != '[') {
    if (pattern.front() != '?' && pattern.front() != text.front()) return false;
    return glob(pattern.substr(1), text.substr(1));
  }
  const std::size_t end = pattern.find(']');
  std::string_view set = pattern.substr(1, end - 1);
  const bool other = set.front() == '!';
  if (other) set.remove_prefix(1);
  if ((set.find(text.front()) != set.npos) == other) return false;
  return glob(pattern.substr(end + 1), text.substr(1));
}

bool segments(std::string_view pattern, std::string_view text) {
  const std::size_t mine = pattern.find('.');
  const std::size_t theirs = text.find('.');
  const std::string_view first = pattern.substr(0, mine);
  if (first == "**") return true;  // at the end, and there is a segment left
  if (first != "*" && first != text.substr(0, theirs)) return false;
  if (mine == pattern.npos || theirs == text.npos) return mine == theirs;
  return segments(pattern.substr(mine + 1), text.substr(theirs + 1));
}

}  // namespace

std::span<const std::string_view> all_topics() { return kTopics; }
std::span<const Listening> all_listenings() { return kListenings; }

Pattern Listening::pattern() const {
  switch (kind) {
    case PatternKind::exact: return Pattern::exact(text);
    case PatternKind::glob: return Pattern::glob(text);
    case PatternKind::segments: return Pattern::segments(text);
    case PatternKind::regex: break;
  }
  return Pattern::regex(text);
}

bool Listening::matches(std::string_view topic) const {
  switch (kind) {
    case PatternKind::exact: return topic == text;
    case PatternKind::glob: return glob(text, topic);
    case PatternKind::segments: return text == "*" || segments(text, topic);
    case PatternKind::regex: break;
  }
  return regex(topic);
}

}  // namespace busway::simulation
