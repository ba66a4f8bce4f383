// platform/random.hpp -- seeds from the kernel, a fast stream from a seed, and word of a fork.
//
// Model      RandomStream is 128 bits of state (a position and an odd step) and a multiplication
//            as mixer: for ids and jitter, never for secrets. A process that forks would continue
//            its parent's streams, so owners compare fork_generation() with the one they seeded at.
// Threads    system_random(), fork_generation(): [any-thread]. A stream: [not-concurrent].
// Errors     system_random() ends the program when the kernel gives no randomness at all.
// Cost       RandomStream::next(): seven instructions. fork_generation(): one load.
#pragma once

#include <atomic>
#include <cstdint>

namespace busway::platform_detail {

/// 64 bits from getrandom().
[[nodiscard]] std::uint64_t system_random() noexcept;

namespace fork_detail {
[[gnu::visibility("hidden")]] extern std::atomic<std::uint32_t> generation;
}  // namespace fork_detail

/// Grows by one in each child of fork(). Never 0.
[[nodiscard]] inline std::uint32_t fork_generation() noexcept {
  return fork_detail::generation.load(std::memory_order_relaxed);
}

/// 64 x 64 bits to 128, both halves folded together: the mixer of RandomStream.
[[nodiscard]] inline std::uint64_t fold_multiply(std::uint64_t a, std::uint64_t b) noexcept {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64U);
}

class RandomStream {
 public:
  constexpr RandomStream() noexcept = default;
  constexpr RandomStream(std::uint64_t position, std::uint64_t step) noexcept
      : position_(position), step_(step | 1U) {}

  /// A stream that no other thread or process has.
  [[nodiscard]] static RandomStream from_system() noexcept {
    return {system_random(), system_random()};
  }

  [[nodiscard]] std::uint64_t next() noexcept {
    position_ += step_;
    return fold_multiply(position_, position_ ^ 0x9E3779B97F4A7C15ULL);
  }

 private:
  std::uint64_t position_ = 0;
  std::uint64_t step_ = 1;
};

}  // namespace busway::platform_detail
