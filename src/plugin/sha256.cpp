#include "plugin/sha256.hpp"

#include <openssl/evp.h>

#include <array>
#include <string_view>

namespace busway::plugin_host_detail {

std::string sha256(std::span<const std::byte> bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> sum{};
  unsigned size = 0;
  if (::EVP_Digest(bytes.data(), bytes.size(), sum.data(), &size, ::EVP_sha256(), nullptr) != 1) {
    return {};
  }
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(std::size_t{2} * size);
  for (unsigned i = 0; i < size; ++i) {
    text += kDigits[sum.at(i) >> 4U];
    text += kDigits[sum.at(i) & 15U];
  }
  return text;
}

}  // namespace busway::plugin_host_detail
