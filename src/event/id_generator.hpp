// event/id_generator.hpp -- makes the ids of events: UUIDs of version 7, increasing within a
// thread.
// Layer: event
//
// Model      One generator a thread. The millisecond is the clock's unless that would not increase:
//            a clock that steps back, or more than 4096 ids in one millisecond, and the generator
//            runs ahead of the clock until the clock has caught up. The 62 random bits come from a
//            stream seeded by the kernel at the first id and again in the child of a fork.
// Threads    [not-concurrent]; constant-initialised, so a thread_local one needs no guard.
// Ownership  None.
// Errors     None. Times before 1970 count as 1970.
// Cost       next(): about 18 instructions, no system call, no division.
#pragma once

#include <cstdint>
#include <limits>

#include "busway/event_id.hpp"
#include "platform/random.hpp"

namespace busway::event_detail {

class IdGenerator {
 public:
  constexpr IdGenerator() noexcept = default;

  /// Repeatable ids: the same seed, stream and times give the same ids, also in the child of a
  /// fork. `stream` tells threads (or buses) of one seed apart.
  explicit IdGenerator(std::uint64_t seed, std::uint64_t stream = 0) noexcept;

  [[nodiscard]] EventId next(std::int64_t wall_ns) noexcept {
    // In the millisecond of the last id, or before it, and a count left: the usual case.
    if (wall_ns < next_ms_ns_ && last_high_ != full_high_ &&
        seeded_at_ == platform_detail::fork_generation()) [[likely]] {
      ++last_high_;
    } else {
      advance(wall_ns);
    }
    return {last_high_, kVariant | (random_.next() >> 2U)};
  }

  /// A word of the same random stream, for other ids that must be unique.
  [[nodiscard]] std::uint64_t random() noexcept {
    seed_if_due();
    return random_.next();
  }

 private:
  static constexpr std::uint64_t kCounterMask = 0xFFF;
  static constexpr std::uint64_t kVersion = 0x7000;
  static constexpr std::uint64_t kVariant = 0x8000'0000'0000'0000ULL;

  void seed_if_due() noexcept;
  /// Seeds when that is due, then moves last_high_ on.
  void advance(std::int64_t wall_ns) noexcept;

  std::uint64_t last_high_ = 0;
  std::uint64_t full_high_ = kCounterMask;  // the last one of its millisecond
  /// Where the millisecond after that of last_high_ begins; no id has been made yet: before all
  /// time.
  std::int64_t next_ms_ns_ = std::numeric_limits<std::int64_t>::min();
  std::uint32_t seeded_at_ = 0;  // the fork generation
  bool repeatable_ = false;
  platform_detail::RandomStream random_;
};

}  // namespace busway::event_detail
