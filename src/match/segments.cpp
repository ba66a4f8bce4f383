#include "match/segments.hpp"

#include "base/escape.hpp"
#include "base/utf8.hpp"
#include "busway/topic_name.hpp"

namespace busway::match_detail {
namespace {

bool has_empty_word(std::string_view topic) noexcept {
  return topic.empty() || topic.front() == '.' || topic.back() == '.' ||
         topic.find("..") != std::string_view::npos;
}

std::optional<std::string> word_flaw(std::string_view word, std::size_t offset) {
  for (std::size_t i = 0; i < word.size();) {
    const auto byte = static_cast<unsigned char>(word[i]);
    if (byte < 0x80 && is_topic_character(byte)) {
      ++i;
      continue;
    }
    const Utf8Char character = decode_utf8(word.substr(i));
    const std::string at = " at offset " + std::to_string(offset + i);
    if (word[i] == '*') {
      return "the *" + at + " is only a part of its segment " + quote(word) +
             "; in a segments pattern * is a whole segment, so use a glob (glob:...)";
    }
    if (word[i] == '?' || word[i] == '[') {
      return std::string("a segments pattern knows no ") + word[i] + " (here" + at +
             "); use a glob (glob:...)";
    }
    if (!is_topic_character(character.code_point)) {
      return "no topic holds the character " + quote(word.substr(i, character.size)) + at;
    }
    i += character.size;
  }
  return std::nullopt;
}

}  // namespace

bool segments_match(std::string_view pattern, std::string_view topic) noexcept {
  if (pattern == "*") return true;
  return !has_empty_word(topic) && words_match(pattern, topic);
}

// Walks both texts at once. A star stands alone in its word, so seeing one tells all of the word.
bool words_match(std::string_view pattern, std::string_view topic) noexcept {
  std::size_t p = 0;
  std::size_t t = 0;
  for (;;) {
    if (pattern[p] == '*') {
      if (++p < pattern.size() && pattern[p] == '*') return true;  // at least this word is there
      while (t < topic.size() && topic[t] != '.') ++t;
    } else {
      while (p < pattern.size() && pattern[p] != '.') {
        if (t == topic.size() || pattern[p] != topic[t]) return false;
        ++p;
        ++t;
      }
    }
    const bool pattern_ends = p == pattern.size();
    if (pattern_ends || t == topic.size()) return pattern_ends && t == topic.size();
    if (topic[t] != '.') return false;
    ++p;
    ++t;
  }
}

std::optional<std::string> segments_flaw(std::string_view pattern) {
  if (const std::string_view prefix = pattern_prefix_of(pattern); !prefix.empty()) {
    return "no topic begins with \"" + std::string(prefix) + "\"";
  }
  std::size_t bytes_min = 0;
  std::size_t offset = 0;
  for (Word at = cut_word(pattern);; at = cut_word(at.rest)) {
    const auto where = [offset] { return " at offset " + std::to_string(offset); };
    if (at.word.empty()) {
      return "the segment" + where() + " is empty; write a word, * or, at the end, **";
    }
    if (at.word == "**") {
      if (at.more) return "the **" + where() + " does not stand at the end";
    } else if (at.word != "*") {
      if (auto flaw = word_flaw(at.word, offset)) return flaw;
    }
    const bool wildcard = at.word.front() == '*';
    bytes_min += wildcard ? 1 : at.word.size();
    if (!at.more) break;
    bytes_min += 1;
    offset += at.word.size() + 1;
  }
  if (bytes_min > kTopicBytesMax) {
    return "it needs at least " + std::to_string(bytes_min) + " bytes, and a topic has at most " +
           std::to_string(kTopicBytesMax);
  }
  return std::nullopt;
}

}  // namespace busway::match_detail
