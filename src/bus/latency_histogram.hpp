// bus/latency_histogram.hpp -- handler times in buckets of about 12 percent.
// Layer: bus
//
// Model      Eight buckets a power of two, from 1 ns to about 18 minutes.
// Threads    [any-thread]: counters are atomic and relaxed.
// Errors     None: longer times count in the last bucket.
// Cost       1.3 KB; a record is two additions.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "busway/subscription_info.hpp"

namespace busway::detail {

class LatencyHistogram {
 public:
  void record(std::uint64_t ns) noexcept {
    counts_[bucket(ns)].fetch_add(1, std::memory_order_relaxed);
    std::uint64_t seen = max_.load(std::memory_order_relaxed);
    while (ns > seen && !max_.compare_exchange_weak(seen, ns, std::memory_order_relaxed)) {
    }
  }

  [[nodiscard]] LatencyQuantiles quantiles() const noexcept {
    LatencyQuantiles out;
    for (const auto& count : counts_) out.samples += count.load(std::memory_order_relaxed);
    if (out.samples == 0) return out;
    out.max_ns = max_.load(std::memory_order_relaxed);
    out.p50_ns = std::min(quantile(out.samples, 50), out.max_ns);
    out.p90_ns = std::min(quantile(out.samples, 90), out.max_ns);
    out.p99_ns = std::min(quantile(out.samples, 99), out.max_ns);
    return out;
  }

 private:
  static constexpr std::size_t kBuckets = 8 * 38;

  [[nodiscard]] static std::size_t bucket(std::uint64_t ns) noexcept {
    if (ns < 8) return static_cast<std::size_t>(ns);
    const auto power = static_cast<std::size_t>(std::bit_width(ns)) - 1;
    const auto within = static_cast<std::size_t>((ns >> (power - 3)) & 7U);
    return std::min((power - 2) * 8 + within, kBuckets - 1);
  }
  [[nodiscard]] static std::uint64_t upper_bound(std::size_t bucket) noexcept {
    if (bucket < 8) return bucket;
    const std::size_t power = bucket / 8 + 2;
    return ((std::uint64_t{8} + bucket % 8 + 1) << (power - 3)) - 1;
  }
  [[nodiscard]] std::uint64_t quantile(std::uint64_t samples,
                                       std::uint64_t percent) const noexcept {
    const std::uint64_t wanted = (samples * percent + 99) / 100;
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < kBuckets; ++i) {
      sum += counts_[i].load(std::memory_order_relaxed);
      if (sum >= wanted) return upper_bound(i);
    }
    return upper_bound(kBuckets - 1);
  }

  std::array<std::atomic<std::uint32_t>, kBuckets> counts_{};
  std::atomic<std::uint64_t> max_{0};
};

}  // namespace busway::detail
