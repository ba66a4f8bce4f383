// match/hashing.hpp -- fast hashes of short texts.
// Layer: match
//
// Model      Multiply and fold, eight bytes at a time. Not for use across processes: the seed
//            differs.
// Threads    [any-thread].
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace busway::match_detail {

__extension__ using Uint128 = unsigned __int128;

/// Both halves of the product, folded: each bit depends on all bits of both factors.
[[nodiscard]] inline std::uint64_t mix(std::uint64_t a, std::uint64_t b) noexcept {
  const Uint128 product = static_cast<Uint128>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64U);
}

/// Up to eight bytes as a number.
[[nodiscard]] inline std::uint64_t load_bytes(const char* from, std::size_t count) noexcept {
  std::uint64_t value = 0;
  std::memcpy(&value, from, count);
  return value;
}

[[nodiscard]] inline std::uint64_t load_word(const char* from) noexcept {
  std::uint64_t value = 0;
  std::memcpy(&value, from, 8);
  return value;
}

/// The last one to eight bytes of a text without a call: overlapping loads.
[[nodiscard]] inline std::uint64_t load_tail(const char* from, std::size_t count) noexcept {
  if (count >= 8) return load_word(from);
  if (count >= 4) {
    std::uint32_t low = 0;
    std::uint32_t high = 0;
    std::memcpy(&low, from, 4);
    std::memcpy(&high, from + count - 4, 4);
    return low | (static_cast<std::uint64_t>(high) << 32U);
  }
  if (count == 0) return 0;
  const auto byte = [from](std::size_t i) {
    return static_cast<std::uint64_t>(static_cast<unsigned char>(from[i]));
  };
  return byte(0) | (byte(count / 2) << 8U) | (byte(count - 1) << 16U);
}

[[nodiscard]] inline std::uint64_t hash_text(std::string_view text, std::uint64_t seed) noexcept {
  constexpr std::uint64_t kOdd1 = 0x9E3779B97F4A7C15;
  constexpr std::uint64_t kOdd2 = 0xD1B54A32D192ED03;
  std::uint64_t hash = seed ^ (text.size() * kOdd2);
  const char* at = text.data();
  std::size_t left = text.size();
  for (; left > 8; left -= 8, at += 8) hash = mix(hash ^ load_word(at), kOdd1);
  return mix(hash ^ load_tail(at, left), kOdd1);
}

/// The seed of this process, so that nobody can choose names that collide.
[[nodiscard]] std::uint64_t process_seed();

}  // namespace busway::match_detail
