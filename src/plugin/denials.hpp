// plugin/denials.hpp -- what a plugin was denied: told now and then, counted always.
// Layer: plugin
//
// Model      At most one denial a second is told, with the number of those since the last that were
//            not: a plugin that tries in a loop fills no log.
// Threads    [any-thread]
// Ownership  None.
// Errors     None.
// Cost       One lock a denial.
// Example    tests/plugin/denials_test.cpp
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <utility>

#include "busway/wall_time.hpp"

namespace busway::plugin_host_detail {

class Denials {
 public:
  /// One more. A value: tell it, and that so many before it were not; none: it has been counted.
  [[nodiscard]] std::optional<std::uint64_t> note(SteadyTime now) {
    constexpr std::chrono::seconds kApart(1);
    const std::lock_guard lock(mutex_);
    if (told_ && now - *told_ < kApart) {
      ++untold_;
      return std::nullopt;
    }
    told_ = now;
    return std::exchange(untold_, 0);
  }

 private:
  std::mutex mutex_;
  // Guarded by mutex_.
  std::optional<SteadyTime> told_;
  std::uint64_t untold_ = 0;
};

}  // namespace busway::plugin_host_detail
