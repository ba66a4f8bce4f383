#include "match/pattern_cover.hpp"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "match/glob.hpp"
#include "match/segments.hpp"

namespace busway::match_detail {
namespace {

using Items = std::vector<GlobItem>;

/// The items of a glob. In a run of stars and question marks the question marks come first and one
/// star is left, which means the same: so that equal languages are written alike.
Items items_of(std::string_view glob) {
  Items items;
  const std::size_t literal_from = glob_literal_from(glob);
  bool star = false;
  for (std::size_t i = 0; i < glob.size();) {
    const GlobItem item = read_glob_item(glob, i, literal_from);
    i += item.size;
    if (item.kind == GlobItemKind::star) {
      star = true;
      continue;
    }
    if (star && item.kind != GlobItemKind::any) {
      items.push_back({.kind = GlobItemKind::star, .size = 1, .set = {}});
      star = false;
    }
    items.push_back(item);
  }
  if (star) items.push_back({.kind = GlobItemKind::star, .size = 1, .set = {}});
  return items;
}

/// Whether what the outer item stands for holds all that the inner one stands for.
bool item_covers(const GlobItem& outer, const GlobItem& inner) {
  if (inner.kind == GlobItemKind::star) return false;  // only a star holds any number
  switch (outer.kind) {
    case GlobItemKind::star:
    case GlobItemKind::any: return true;
    case GlobItemKind::literal:
      return inner.kind == GlobItemKind::literal && inner.code_point == outer.code_point;
    case GlobItemKind::set:
      if (inner.kind == GlobItemKind::set) return inner.set == outer.set;
      return inner.kind == GlobItemKind::literal && glob_set_holds(outer.set, inner.code_point);
  }
  return false;
}

/// As glob_matches(), with the items of the inner glob for the characters of a topic.
bool items_cover(const Items& outer, const Items& inner) {
  constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  std::size_t o = 0;
  std::size_t i = 0;
  std::size_t after_star = kNone;
  std::size_t star_end = 0;
  for (;;) {
    if (o < outer.size() && outer[o].kind == GlobItemKind::star) {
      after_star = ++o;
      star_end = i;
      continue;
    }
    if (o == outer.size() && i == inner.size()) return true;
    if (o < outer.size() && i < inner.size() && item_covers(outer[o], inner[i])) {
      ++o;
      ++i;
      continue;
    }
    if (after_star == kNone || star_end == inner.size()) return false;
    i = ++star_end;
    o = after_star;
  }
}

bool words_cover(std::string_view outer, std::string_view inner) {
  for (;;) {
    const Word out = cut_word(outer);
    const Word in = cut_word(inner);
    if (out.word == "**") return true;  // at its end; the inner one has at least this word
    if (in.word == "**") return false;
    if (out.word != "*" && out.word != in.word) return false;
    if (!out.more || !in.more) return out.more == in.more;
    outer = out.rest;
    inner = in.rest;
  }
}

/// The glob that matches each topic that the segments match, and maybe more.
std::string as_glob(std::string_view segments) {
  std::string glob;
  for (Word at = cut_word(segments);; at = cut_word(at.rest)) {
    glob += at.word.front() == '*' ? std::string_view("?*") : at.word;
    if (!at.more) return glob;
    glob += '.';
  }
}

/// Whether the glob begins with words that fit those before the final **, each with its dot behind
/// it: a topic has at least one word more then.
bool prefix_covers(std::string_view segments, std::string_view glob) {
  const std::string_view literal = glob.substr(0, glob.find_first_of("*?["));
  for (std::string_view rest = literal;;) {
    const Word out = cut_word(segments);
    if (out.word == "**") return true;
    const Word in = cut_word(rest);
    if (!in.more || !out.more || (out.word != "*" && out.word != in.word)) return false;
    segments = out.rest;
    rest = in.rest;
  }
}

}  // namespace

bool matches_every_topic(const Pattern& pattern) noexcept {
  const std::string_view text = pattern.text();
  switch (pattern.kind()) {
    case PatternKind::exact: return false;
    case PatternKind::glob:
    case PatternKind::segments: return text.find_first_not_of('*') == std::string_view::npos;
    case PatternKind::regex:
      return text == ".*" || text == "^.*" || text == ".*$" || text == "^.*$" || text == ".+" ||
             text == "^.+$" || text == "^" || text == "$" || text == ".";
  }
  return false;
}

bool surely_covers(const Pattern& outer, const Pattern& inner) {
  if (outer == inner || matches_every_topic(outer)) return true;
  if (inner.kind() == PatternKind::exact) return outer.matches(inner.text());
  const bool from_segments = inner.kind() == PatternKind::segments;
  if (inner.kind() == PatternKind::regex || matches_every_topic(inner)) return false;
  switch (outer.kind()) {
    case PatternKind::exact:
    case PatternKind::regex: return false;
    case PatternKind::glob: {
      const std::string converted = from_segments ? as_glob(inner.text()) : std::string();
      return items_cover(items_of(outer.text()),
                         items_of(from_segments ? std::string_view(converted) : inner.text()));
    }
    case PatternKind::segments:
      return from_segments ? words_cover(outer.text(), inner.text())
                           : prefix_covers(outer.text(), inner.text());
  }
  return false;
}

}  // namespace busway::match_detail
