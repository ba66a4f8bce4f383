#include "event/id_generator.hpp"

#include <algorithm>

namespace busway::event_detail {
namespace {

constexpr std::int64_t kNsPerMs = 1'000'000;

}  // namespace

IdGenerator::IdGenerator(std::uint64_t seed, std::uint64_t stream) noexcept
    : repeatable_(true),
      random_(platform_detail::fold_multiply(seed + 1, 0xD6E8FEB86659FD93ULL) ^ seed,
              platform_detail::fold_multiply(stream + 1, 0xA0761D6478BD642FULL) + seed) {}

void IdGenerator::seed_if_due() noexcept {
  const std::uint32_t generation = platform_detail::fork_generation();
  if (seeded_at_ == generation) return;
  seeded_at_ = generation;
  if (!repeatable_) random_ = platform_detail::RandomStream::from_system();
}

void IdGenerator::advance(std::int64_t wall_ns) noexcept {
  seed_if_due();
  wall_ns = std::max<std::int64_t>(wall_ns, 0);
  if (wall_ns >= next_ms_ns_) {
    const std::int64_t ms = wall_ns / kNsPerMs;
    last_high_ = static_cast<std::uint64_t>(ms) << 16U | kVersion;
    next_ms_ns_ = (ms + 1) * kNsPerMs;
  } else if ((last_high_ & kCounterMask) != kCounterMask) {
    ++last_high_;  // only the seed was due
  } else {
    last_high_ = ((last_high_ >> 16U) + 1) << 16U | kVersion;
    next_ms_ns_ += kNsPerMs;
  }
  full_high_ = last_high_ | kCounterMask;
}

}  // namespace busway::event_detail
