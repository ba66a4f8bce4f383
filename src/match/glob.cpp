#include "match/glob.hpp"

#include "base/escape.hpp"
#include "base/utf8.hpp"
#include "busway/topic_name.hpp"

namespace busway::match_detail {
namespace {

constexpr std::uint32_t kNotUtf8 = 0xFFFFFFFF;  // above every code point a glob can name

struct Character {
  std::uint32_t code_point;
  std::size_t size;
};

Character character_at(std::string_view text, std::size_t offset) noexcept {
  const auto byte = static_cast<unsigned char>(text[offset]);
  if (byte < 0x80) return {byte, 1};
  const Utf8Char decoded = decode_utf8(text.substr(offset));
  if (decoded.size == 0) return {kNotUtf8, 1};
  return {decoded.code_point, decoded.size};
}

// Where the ] stands that closes the set opened at `open`, or npos. A ] that comes first is a
// member.
std::size_t find_set_end(std::string_view glob, std::size_t open) noexcept {
  std::size_t from = open + 1;
  if (from < glob.size() && glob[from] == '!') ++from;
  if (from < glob.size() && glob[from] == ']') ++from;
  return glob.find(']', from);
}

struct SetMember {
  std::uint32_t first;
  std::uint32_t last;
  std::size_t size;
};

// A member of a set: one character, or a range such as a-z (a hyphen at either end is itself).
SetMember read_set_member(std::string_view set, std::size_t offset) noexcept {
  const Character first = character_at(set, offset);
  const std::size_t hyphen = offset + first.size;
  if (hyphen + 1 >= set.size() || set[hyphen] != '-') {
    return {first.code_point, first.code_point, first.size};
  }
  const Character last = character_at(set, hyphen + 1);
  return {first.code_point, last.code_point, first.size + 1 + last.size};
}

bool is_negated(std::string_view set) noexcept { return !set.empty() && set.front() == '!'; }

bool item_holds(const GlobItem& item, std::uint32_t code_point) noexcept {
  switch (item.kind) {
    case GlobItemKind::literal: return item.code_point == code_point;
    case GlobItemKind::set: return glob_set_holds(item.set, code_point);
    case GlobItemKind::any:
    case GlobItemKind::star: break;
  }
  return true;
}

// Whether a set holds a character other than the dot (that may stand in a topic).
bool set_holds_a_word_character(std::string_view set, GlobAlphabet alphabet) noexcept {
  constexpr std::uint32_t kTried =
      0x800;  // more than the longest run of characters no topic may hold
  if (is_negated(set)) {
    for (std::uint32_t c = 0x21; c < kTried; ++c) {
      if (c != '.' && is_topic_character(c) && glob_set_holds(set, c)) return true;
    }
    return glob_set_holds(set, 0x10FFFF);
  }
  for (std::size_t i = 0; i < set.size();) {
    const SetMember member = read_set_member(set, i);
    i += member.size;
    for (std::uint32_t c = member.first; c <= member.last && c - member.first < kTried; ++c) {
      if (c != '.' && (alphabet == GlobAlphabet::any_character || is_topic_character(c)))
        return true;
    }
  }
  return false;
}

// What the text before an item can have ended with.
struct Endings {
  bool dot = true;    // a dot, or the start of the text
  bool word = false;  // any other character
};

}  // namespace

std::size_t glob_literal_from(std::string_view glob) noexcept {
  std::size_t i = 0;
  while (i < glob.size()) {
    if (glob[i] != '[') {
      ++i;
      continue;
    }
    const std::size_t end = find_set_end(glob, i);
    if (end == std::string_view::npos) return i;
    i = end + 1;
  }
  return glob.size();
}

GlobItem read_glob_item(std::string_view glob, std::size_t offset,
                        std::size_t literal_from) noexcept {
  const char c = glob[offset];
  if (c == '*') return {.kind = GlobItemKind::star, .size = 1, .set = {}};
  if (c == '?') return {.kind = GlobItemKind::any, .size = 1, .set = {}};
  if (c == '[' && offset < literal_from) {
    const std::size_t end = find_set_end(glob, offset);
    return {.kind = GlobItemKind::set,
            .size = end + 1 - offset,
            .set = glob.substr(offset + 1, end - offset - 1)};
  }
  const Character character = character_at(glob, offset);
  return {.kind = GlobItemKind::literal,
          .size = character.size,
          .code_point = character.code_point,
          .set = {}};
}

bool glob_set_holds(std::string_view set, std::uint32_t code_point) noexcept {
  const bool negated = is_negated(set);
  for (std::size_t i = negated ? 1 : 0; i < set.size();) {
    const SetMember member = read_set_member(set, i);
    if (member.first <= code_point && code_point <= member.last) return !negated;
    i += member.size;
  }
  return negated;
}

// Greedy with one way back: when an item does not fit, the last star takes one character more. An
// earlier star never needs to change, because what stands between two stars was matched as far left
// as possible.
bool glob_matches(std::string_view glob, std::size_t literal_from,
                  std::string_view topic) noexcept {
  std::size_t g = 0;
  std::size_t t = 0;
  std::size_t after_star = std::string_view::npos;  // in the glob
  std::size_t star_end = 0;                         // in the topic: how far the last star reaches
  for (;;) {
    if (g < glob.size()) {
      const GlobItem item = read_glob_item(glob, g, literal_from);
      if (item.kind == GlobItemKind::star) {
        g += 1;
        if (g == glob.size()) return true;
        after_star = g;
        star_end = t;
        continue;
      }
      if (t < topic.size()) {
        const Character character = character_at(topic, t);
        if (item_holds(item, character.code_point)) {
          g += item.size;
          t += character.size;
          continue;
        }
      }
    } else if (t == topic.size()) {
      return true;
    }
    if (after_star == std::string_view::npos || star_end >= topic.size()) return false;
    star_end += character_at(topic, star_end).size;
    t = star_end;
    g = after_star;
  }
}

std::optional<std::string> glob_flaw(std::string_view glob, std::size_t literal_from,
                                     GlobAlphabet alphabet) {
  if (const std::string_view prefix = pattern_prefix_of(glob); !prefix.empty()) {
    return "no topic begins with \"" + std::string(prefix) + "\"";
  }
  Endings endings;
  std::size_t bytes_min = 0;
  for (std::size_t i = 0; i < glob.size();) {
    const GlobItem item = read_glob_item(glob, i, literal_from);
    const auto at = [i] { return " at offset " + std::to_string(i); };
    if (item.kind == GlobItemKind::star) {
      endings = {.dot = true, .word = true};
    } else {
      bytes_min += item.kind == GlobItemKind::literal ? item.size : 1;
      const bool dot = item_holds(item, '.');
      bool word = true;
      if (item.kind == GlobItemKind::literal) {
        word = !dot &&
               (alphabet == GlobAlphabet::any_character || is_topic_character(item.code_point));
        if (!word && !dot) {
          return "no topic holds the character " + quote(glob.substr(i, item.size)) + at();
        }
      } else if (item.kind == GlobItemKind::set) {
        word = set_holds_a_word_character(item.set, alphabet);
        if (!word && !dot) {
          return "no topic holds a character of the set " + quote(glob.substr(i, item.size)) + at();
        }
      }
      if (!word && !endings.word) {
        return i == 0 ? std::string("no topic begins with a dot")
                      : "no topic has an empty word, as before the dot" + at();
      }
      endings = {.dot = dot && endings.word, .word = word};
    }
    i += item.size;
  }
  if (!endings.word) return "no topic ends with a dot";
  if (bytes_min > kTopicBytesMax) {
    return "it needs at least " + std::to_string(bytes_min) + " bytes, and a topic has at most " +
           std::to_string(kTopicBytesMax);
  }
  return std::nullopt;
}

}  // namespace busway::match_detail
