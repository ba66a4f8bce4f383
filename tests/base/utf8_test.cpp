#include "base/utf8.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace busway {
namespace {

constexpr std::size_t kValid = std::string_view::npos;

// Encodes any number below 2^21 in as many bytes as asked for, legal or not.
std::string encode(std::uint32_t value, std::size_t size) {
  const auto low = [&](std::uint32_t shift) {
    return static_cast<char>(0x80U | ((value >> shift) & 0x3FU));
  };
  switch (size) {
    case 1: return {static_cast<char>(value)};
    case 2: return {static_cast<char>(0xC0U | (value >> 6U)), low(0)};
    case 3: return {static_cast<char>(0xE0U | (value >> 12U)), low(6), low(0)};
    default: return {static_cast<char>(0xF0U | (value >> 18U)), low(12), low(6), low(0)};
  }
}

std::size_t shortest(std::uint32_t value) {
  return value < 0x80 ? 1U : value < 0x800 ? 2U : value < 0x10000 ? 3U : 4U;
}

// The rule itself, stated apart from the table in utf8.cpp.
bool is_legal(std::uint32_t value, std::size_t size) {
  const bool surrogate = value >= 0xD800 && value <= 0xDFFF;
  return value <= 0x10FFFF && !surrogate && size == shortest(value);
}

TEST(Utf8, DecodesExactlyTheLegalFormOfEveryNumberIn21Bits) {
  std::size_t wrong = 0;
  for (std::uint32_t value = 0; value < 0x200000; ++value) {
    for (std::size_t size = shortest(value); size <= 4; ++size) {
      const std::string bytes = encode(value, size);
      const Utf8Char got = decode_utf8(bytes);
      const bool legal = is_legal(value, size);
      if (got.size != (legal ? size : 0) || got.code_point != (legal ? value : 0)) ++wrong;
    }
  }
  EXPECT_EQ(wrong, 0U);
}

TEST(Utf8, OfAllTwoByteTextsOnlyTheLegalOnesPass) {
  for (unsigned first = 0; first < 256; ++first) {
    for (unsigned second = 0; second < 256; ++second) {
      const std::string text{static_cast<char>(first), static_cast<char>(second)};
      const bool both_ascii = first < 0x80 && second < 0x80;
      const bool one_character = first >= 0xC2 && first <= 0xDF && second >= 0x80 && second <= 0xBF;
      EXPECT_EQ(find_invalid_utf8(text) == kValid, both_ascii || one_character)
          << std::hex << first << ' ' << second;
    }
  }
}

TEST(Utf8, EmptyTextIsValid) { EXPECT_EQ(find_invalid_utf8(""), kValid); }

TEST(Utf8, AZeroByteIsACharacter) {
  const Utf8Char got = decode_utf8(std::string_view("\0", 1));
  EXPECT_EQ(got.size, 1U);
  EXPECT_EQ(got.code_point, 0U);
}

TEST(Utf8, ACharacterCutAtTheEndIsFoundWhereItBegins) {
  const std::string whole = "ab\xF0\x9F\x9A\x8C";  // a bus
  ASSERT_EQ(find_invalid_utf8(whole), kValid);
  for (std::size_t length = 3; length < whole.size(); ++length) {
    EXPECT_EQ(find_invalid_utf8(std::string_view(whole).substr(0, length)), 2U) << length;
  }
}

TEST(Utf8, FindsTheFirstOfSeveralBadBytes) {
  EXPECT_EQ(find_invalid_utf8("ok\xFFok\xFE"), 2U);
  EXPECT_EQ(find_invalid_utf8("\x80"), 0U);
  EXPECT_EQ(find_invalid_utf8("\xC3\xA9\xC3"), 2U);
}

TEST(Utf8, NeverReadsBehindTheView) {
  // The bytes behind the view would complete the character.
  const std::string bus = "\xF0\x9F\x9A\x8C";
  EXPECT_EQ(decode_utf8(std::string_view(bus).substr(0, 3)).size, 0U);
}

TEST(Utf8, DecodesOnlyTheFirstCharacter) {
  const Utf8Char got = decode_utf8("\xC3\xA9tude");
  EXPECT_EQ(got.code_point, 0xE9U);
  EXPECT_EQ(got.size, 2U);
}

}  // namespace
}  // namespace busway
