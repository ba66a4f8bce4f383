// simulation/random.hpp -- the one source of chance of a simulation: the same numbers on every
// machine, which the distributions of the standard library do not promise.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace busway::simulation {

class Random {
 public:
  explicit Random(std::uint64_t seed) noexcept : state_(seed * 0x9e3779b97f4a7c15U + 1) {}

  /// splitmix64
  std::uint64_t next() noexcept {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15U);
    z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31U);
  }
  /// 0 to n - 1.
  std::size_t below(std::size_t n) noexcept { return static_cast<std::size_t>(next() % n); }
  std::size_t between(std::size_t low, std::size_t high) noexcept {
    return low + below(high - low + 1);
  }
  bool one_in(std::size_t n) noexcept { return below(n) == 0; }
  template <class Range>
  auto& pick(Range&& from) noexcept {
    return from[below(from.size())];
  }
  /// An index, each as often as its weight says.
  template <std::size_t N>
  std::size_t weighted(const std::array<unsigned, N>& weights) noexcept {
    std::size_t sum = 0;
    for (const unsigned weight : weights) sum += weight;
    std::size_t at = below(sum);
    for (std::size_t i = 0; i < N; ++i) {
      if (at < weights[i]) return i;
      at -= weights[i];
    }
    return N - 1;
  }

 private:
  std::uint64_t state_;
};

}  // namespace busway::simulation
