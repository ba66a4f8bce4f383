#include "match/condition.hpp"

#include <algorithm>

#include "match/glob.hpp"
#include "match/segments.hpp"

namespace busway::match_detail {
namespace {

constexpr std::size_t kSetMembersMax = 4;

std::string folded(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = fold(c);
  return out;
}

// A small set of ASCII characters as texts; any other set is one character of which nothing is
// known.
Literals literals_of_set(std::string_view set) {
  Strings members;
  if (set.find('-') != std::string_view::npos || set.size() > kSetMembersMax ||
      set.front() == '!') {
    return Literals::anything();
  }
  for (const char c : set) {
    if (static_cast<unsigned char>(c) >= 0x80) return Literals::anything();
    members.emplace_back(1, fold(c));
  }
  return Literals::one_of(std::move(members));
}

Literals literals_of_glob(std::string_view glob) {
  const std::size_t literal_from = glob_literal_from(glob);
  std::string run(1, kTextBegin);
  Literals all = Literals::text("");
  for (std::size_t i = 0; i < glob.size();) {
    const GlobItem item = read_glob_item(glob, i, literal_from);
    if (item.kind == GlobItemKind::literal) {
      run += folded(glob.substr(i, item.size));
    } else {
      all.append(Literals::text(run));
      run.clear();
      all.append(item.kind == GlobItemKind::set ? literals_of_set(item.set) : Literals::anything());
    }
    i += item.size;
  }
  run += kTextEnd;
  all.append(Literals::text(run));
  return all;
}

Literals literals_of_segments(std::string_view pattern) {
  if (pattern == "*") return Literals::anything();
  std::string run(1, kTextBegin);
  Literals all = Literals::text("");
  for (Word at = cut_word(pattern);; at = cut_word(at.rest)) {
    if (at.word.front() == '*') {
      all.append(Literals::text(run));
      run.clear();
      all.append(Literals::anything());
    } else {
      run += folded(at.word);
    }
    if (!at.more) break;
    run += fold('.');
  }
  run += kTextEnd;
  all.append(Literals::text(run));
  return all;
}

Literals literals_of(const Pattern& pattern) {
  switch (pattern.kind()) {
    case PatternKind::exact: return Literals::text(mark_topic(pattern.text()));
    case PatternKind::glob: return literals_of_glob(pattern.text());
    case PatternKind::segments: return literals_of_segments(pattern.text());
    case PatternKind::regex: return literals_of_regex(pattern.text());
  }
  return Literals::anything();
}

}  // namespace

Clauses condition_of(const Pattern& pattern) { return literals_of(pattern).into_clauses(); }

std::string mark_topic(std::string_view topic) {
  std::string out(topic.size() + 2, kTextBegin);
  static_cast<void>(mark_topic(topic, out.data()));
  return out;
}

std::string_view mark_topic(std::string_view topic, char* buffer) noexcept {
  buffer[0] = kTextBegin;
  for (std::size_t i = 0; i < topic.size(); ++i) buffer[i + 1] = fold(topic[i]);
  buffer[topic.size() + 1] = kTextEnd;
  return {buffer, topic.size() + 2};
}

bool meets(const Clauses& clauses, std::string_view marked_topic) noexcept {
  return std::all_of(clauses.begin(), clauses.end(), [&](const Strings& clause) {
    return std::any_of(clause.begin(), clause.end(), [&](const std::string& string) {
      return marked_topic.find(string) != std::string_view::npos;
    });
  });
}

}  // namespace busway::match_detail
