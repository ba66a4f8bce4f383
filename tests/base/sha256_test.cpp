#include "base/sha256.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace busway {
namespace {

std::string sum_of(std::string_view text) { return sha256(std::as_bytes(std::span(text))); }

// The examples of FIPS 180-2 and of the NIST's test vectors.
TEST(Sha256, GivesTheSumsOfTheStandard) {
  EXPECT_EQ(sum_of(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sum_of("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sum_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(sum_of(std::string(1'000'000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, IsOfAllBytesAndOfEachBit) {
  std::string text(4097, '\0');
  const std::string whole = sum_of(text);
  EXPECT_NE(sum_of(text.substr(1)), whole);
  for (const std::size_t at : {std::size_t{0}, std::size_t{2048}, text.size() - 1}) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      std::string other = text;
      other[at] = static_cast<char>(1U << bit);
      EXPECT_NE(sum_of(other), whole) << at << " bit " << bit;
    }
  }
}

}  // namespace
}  // namespace busway
