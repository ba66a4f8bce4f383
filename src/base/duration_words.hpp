// base/duration_words.hpp -- a duration as people write it: 50ms, 1500ms, 30s, 20us.
// Layer: base
//
// Model      In the largest of s, ms, us and ns that needs no fraction.
// Threads    [any-thread]
// Ownership  None.
// Errors     None.
// Cost       One string.
#pragma once

#include <chrono>
#include <string>

namespace busway {

[[nodiscard]] inline std::string duration_words(std::chrono::nanoseconds duration) {
  const auto ns = duration.count();
  if (ns != 0 && ns % 1'000'000'000 == 0) return std::to_string(ns / 1'000'000'000) + 's';
  if (ns % 1'000'000 == 0) return std::to_string(ns / 1'000'000) + "ms";
  if (ns % 1'000 == 0) return std::to_string(ns / 1'000) + "us";
  return std::to_string(ns) + "ns";
}

}  // namespace busway
