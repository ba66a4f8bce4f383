#include "base/escape.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

#include "base/utf8.hpp"

namespace busway {
namespace {

struct Range {
  std::uint32_t first;
  std::uint32_t last;
};

// Characters that show as nothing, as a plain space, or that change how their neighbours show.
constexpr std::array kHidden{
    Range{0x0000, 0x001F},    // C0 controls
    Range{0x007F, 0x00A0},    // delete, C1 controls, no-break space
    Range{0x00AD, 0x00AD},    // soft hyphen
    Range{0x034F, 0x034F},    // combining grapheme joiner
    Range{0x061C, 0x061C},    // Arabic letter mark
    Range{0x115F, 0x1160},    // Hangul fillers
    Range{0x1680, 0x1680},    // Ogham space
    Range{0x17B4, 0x17B5},    // Khmer inherent vowels
    Range{0x180B, 0x180F},    // Mongolian selectors and separator
    Range{0x2000, 0x200F},    // spaces, zero-width characters, direction marks
    Range{0x2028, 0x202F},    // line and paragraph separators, direction embeddings
    Range{0x205F, 0x206F},    // spaces, invisible operators, direction isolates
    Range{0x3000, 0x3000},    // ideographic space
    Range{0x3164, 0x3164},    // Hangul filler
    Range{0xFDD0, 0xFDEF},    // noncharacters
    Range{0xFE00, 0xFE0F},    // variation selectors
    Range{0xFEFF, 0xFEFF},    // byte order mark
    Range{0xFFA0, 0xFFA0},    // half-width Hangul filler
    Range{0xFFF0, 0xFFFB},    // unassigned specials and annotation marks
    Range{0xFFFE, 0xFFFF},    // noncharacters
    Range{0x1D173, 0x1D17A},  // musical format characters
    Range{0xE0000, 0xE0FFF},  // tags and more variation selectors
};

bool is_hidden(std::uint32_t code_point) noexcept {
  const auto* const range = std::partition_point(kHidden.begin(), kHidden.end(),
                                                 [&](Range r) { return r.last < code_point; });
  return range != kHidden.end() && range->first <= code_point;
}

constexpr std::string_view kHexDigits = "0123456789abcdef";

void append_byte(std::string& out, char byte) {
  const auto value = static_cast<unsigned char>(byte);
  out += "\\x";
  out += kHexDigits[value >> 4U];
  out += kHexDigits[value & 0xFU];
}

void append_code_point(std::string& out, std::uint32_t code_point) {
  std::uint32_t shift = 4;
  while (shift < 24 && (code_point >> shift) != 0) shift += 4;
  out += "\\u{";
  while (shift > 0) {
    shift -= 4;
    out += kHexDigits[(code_point >> shift) & 0xFU];
  }
  out += '}';
}

void append_character(std::string& out, Utf8Char character, std::string_view bytes) {
  switch (character.code_point) {
    case '\n': out += "\\n"; return;
    case '\r': out += "\\r"; return;
    case '\t': out += "\\t"; return;
    case '\\': out += "\\\\"; return;
    default: break;
  }
  if (!is_hidden(character.code_point)) {
    out += bytes;
  } else if (character.size == 1) {
    append_byte(out, bytes.front());
  } else {
    append_code_point(out, character.code_point);
  }
}

enum class Quotes : unsigned char { none, around };

std::string show(std::string_view text, std::size_t max_bytes, Quotes quotes) {
  std::string out;
  out.reserve(std::min(text.size(), max_bytes) + 2);
  if (quotes == Quotes::around) out += '"';

  std::size_t at = 0;
  while (at < text.size()) {
    const Utf8Char character = decode_utf8(text.substr(at));
    const std::size_t size = std::max<std::size_t>(character.size, 1);
    if (size > max_bytes - at) break;
    if (character.size == 0) {
      append_byte(out, text[at]);
    } else if (quotes == Quotes::around && character.code_point == '"') {
      out += "\\\"";
    } else {
      append_character(out, character, text.substr(at, size));
    }
    at += size;
  }

  if (quotes == Quotes::around) out += '"';
  if (at < text.size()) {
    const std::size_t hidden = text.size() - at;
    out += "... (" + std::to_string(hidden) + (hidden == 1 ? " more byte)" : " more bytes)");
  }
  return out;
}

}  // namespace

std::string escape(std::string_view text, std::size_t max_bytes) {
  return show(text, max_bytes, Quotes::none);
}

std::string quote(std::string_view text, std::size_t max_bytes) {
  return show(text, max_bytes, Quotes::around);
}

}  // namespace busway
