#include "busway/topic_name.hpp"

#include <array>
#include <cstdio>

#include "base/escape.hpp"
#include "base/utf8.hpp"
#include "busway/error.hpp"

namespace busway {
namespace {

enum class ByteClass : unsigned char { plain, dot, bad, beyond_ascii };

constexpr std::string_view kPatternCharacters = "*>?[](){}|^$\\+";

constexpr bool is_bad_ascii(std::uint32_t c) noexcept {
  return c <= 0x20 || c == 0x7F ||
         kPatternCharacters.find(static_cast<char>(c)) != std::string_view::npos;
}

constexpr std::array<ByteClass, 256> make_classes() noexcept {
  std::array<ByteClass, 256> classes{};
  for (std::uint32_t c = 0; c < classes.size(); ++c) {
    if (c >= 0x80) {
      classes[c] = ByteClass::beyond_ascii;
    } else if (is_bad_ascii(c)) {
      classes[c] = ByteClass::bad;
    } else {
      classes[c] = c == '.' ? ByteClass::dot : ByteClass::plain;
    }
  }
  return classes;
}

constexpr std::array<ByteClass, 256> kClasses = make_classes();

enum class Flaw : unsigned char {
  none,
  empty,
  too_long,
  bad_character,
  not_utf8,
  leading_dot,
  trailing_dot,
  double_dot,
  pattern_prefix
};

struct Finding {
  Flaw flaw = Flaw::none;
  std::size_t offset = 0;
};

// The first flaw from the left. Reads at most kTopicBytesMax bytes, however long the text is.
Finding find_flaw(std::string_view topic) noexcept {
  if (topic.empty()) return {Flaw::empty, 0};
  ByteClass previous = ByteClass::dot;  // so that a leading dot looks like a doubled one
  for (std::size_t i = 0; i < topic.size();) {
    if (i >= kTopicBytesMax) return {Flaw::too_long, kTopicBytesMax};
    const ByteClass here = kClasses[static_cast<unsigned char>(topic[i])];
    if (here == ByteClass::bad) return {Flaw::bad_character, i};
    if (here == ByteClass::beyond_ascii) {
      const Utf8Char character = decode_utf8(topic.substr(i));
      if (character.size == 0) return {Flaw::not_utf8, i};
      if (!is_topic_character(character.code_point)) return {Flaw::bad_character, i};
      i += character.size;
    } else {
      if (here == ByteClass::dot && previous == ByteClass::dot) {
        return {i == 0 ? Flaw::leading_dot : Flaw::double_dot, i};
      }
      ++i;
    }
    previous = here;
  }
  if (previous == ByteClass::dot) return {Flaw::trailing_dot, topic.size() - 1};
  if (topic.size() > kTopicBytesMax) return {Flaw::too_long, kTopicBytesMax};  // a cut character
  if (!pattern_prefix_of(topic).empty()) return {Flaw::pattern_prefix, 0};
  return {};
}

constexpr bool is_blank(std::uint32_t c) noexcept { return c == 0x20 || c == 0xA0; }
constexpr bool is_control(std::uint32_t c) noexcept { return c < 0x20 || (c >= 0x7F && c < 0xA0); }

std::string byte_in_words(unsigned char byte) {
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "0x%02X", byte);
  return text.data();
}

std::string describe(std::string_view topic, Finding finding) {
  const std::string at = " at offset " + std::to_string(finding.offset);
  switch (finding.flaw) {
    case Flaw::none: break;
    case Flaw::empty:
      return "it is empty; a topic has 1 to " + std::to_string(kTopicBytesMax) + " bytes";
    case Flaw::too_long:
      return "it has " + std::to_string(topic.size()) + " bytes; at most " +
             std::to_string(kTopicBytesMax) + " are allowed, so byte " +
             byte_in_words(static_cast<unsigned char>(topic[finding.offset])) + at +
             " is one too many";
    case Flaw::not_utf8:
      return "byte " + byte_in_words(static_cast<unsigned char>(topic[finding.offset])) + at +
             " is not valid UTF-8";
    case Flaw::leading_dot: return "byte 0x2E" + at + " is a leading dot; begin with a word";
    case Flaw::trailing_dot: return "byte 0x2E" + at + " is a trailing dot; end with a word";
    case Flaw::double_dot: return "byte 0x2E" + at + " doubles a dot; put a word between two dots";
    case Flaw::pattern_prefix:
      return "byte " + byte_in_words(static_cast<unsigned char>(topic.front())) + at +
             " begins with \"" + std::string(pattern_prefix_of(topic)) +
             "\", which marks a pattern";
    case Flaw::bad_character: {
      const Utf8Char character = decode_utf8(topic.substr(finding.offset));
      const std::string byte =
          "byte " + byte_in_words(static_cast<unsigned char>(topic[finding.offset]));
      if (is_blank(character.code_point)) {
        return byte + at + ": a blank is not allowed in a topic; use . or _";
      }
      const bool for_patterns =
          character.size == 1 &&
          kPatternCharacters.find(topic[finding.offset]) != std::string_view::npos;
      return byte + " (" + quote(topic.substr(finding.offset, character.size)) + ")" + at +
             (for_patterns                       ? " is reserved for patterns"
              : is_control(character.code_point) ? ": a control character is not allowed in a topic"
                                                 : ": an invisible character is not allowed in a "
                                                   "topic");
    }
  }
  return {};
}

}  // namespace

bool is_topic_character(std::uint32_t c) noexcept {
  if (c < 0x80) return kClasses[c] != ByteClass::bad;
  if (c <= 0xA0) return false;                   // C1 controls, no-break space
  if (c >= 0x2028 && c <= 0x202E) return false;  // line separators, directional embedding
  if (c >= 0x2066 && c <= 0x2069) return false;  // directional isolates
  if (c == 0xFEFF) return false;                 // byte order mark
  return c <= 0x10FFFF && (c < 0xD800 || c > 0xDFFF);
}

std::string_view pattern_prefix_of(std::string_view text) noexcept {
  for (const std::string_view prefix : {"exact:", "glob:", "seg:", "re:"}) {
    if (text.substr(0, prefix.size()) == prefix) return text.substr(0, prefix.size());
  }
  return {};
}

bool is_topic(std::string_view topic) noexcept { return find_flaw(topic).flaw == Flaw::none; }

std::optional<std::string> check_topic(std::string_view topic) {
  const Finding finding = find_flaw(topic);
  if (finding.flaw == Flaw::none) return std::nullopt;
  return "the topic " + quote(topic) + " is not legal: " + describe(topic, finding);
}

void require_topic(std::string_view topic) {
  if (const auto message = check_topic(topic)) throw Error(ErrorCode::invalid_topic, *message);
}

}  // namespace busway
