// shared/sha256.hpp -- the SHA-256 of some bytes.
//
// Model      64 digits in lower case, as sha256sum writes them. Whoever includes it links
//            OpenSSL::Crypto.
// Threads    [any-thread]
// Ownership  None.
// Errors     std::runtime_error when the machine's OpenSSL offers no SHA-256.
// Cost       About 1 GB a second where the processor knows SHA, a third of that elsewhere.
#pragma once

#include <openssl/evp.h>

#include <array>
#include <stdexcept>
#include <string>
#include <string_view>

namespace shared {

inline constexpr std::size_t kSha256Digits = 64;

[[nodiscard]] inline std::string sha256(std::string_view bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> sum{};
  unsigned size = 0;
  if (::EVP_Digest(bytes.data(), bytes.size(), sum.data(), &size, ::EVP_sha256(), nullptr) != 1) {
    throw std::runtime_error("this machine's OpenSSL offers no SHA-256");
  }
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(kSha256Digits);
  for (unsigned i = 0; i < size; ++i) {
    text += kDigits[sum.at(i) >> 4U];
    text += kDigits[sum.at(i) & 15U];
  }
  return text;
}

}  // namespace shared
