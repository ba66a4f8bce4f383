// phase_window.hpp -- how often a phase has ended well of late, and how long it took.
//
// Model      The window is cut into kSlices slices, and what ended within a slice is counted
//            together: so memory does not grow with the number of executions. An execution counts
//            for `length` and leaves at most a slice later.
// Threads    [not-concurrent]
// Errors     load() throws what nlohmann-json throws, or std::invalid_argument, for what save() has
//            not written.
// Cost       At most kSlices + 1 slices of kBins bins of 16 bytes; totals() merges them.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <nlohmann/json_fwd.hpp>
#include <optional>

#include "shared/quantile_sketch.hpp"
#include "shared/rfc3339.hpp"

namespace quality_monitor {

using shared::WallTime;

enum class Ended { well, badly };

struct Totals {
  static constexpr std::size_t kBins = 512;

  std::uint64_t successes = 0;
  std::uint64_t failures = 0;
  shared::QuantileSketch durations_ms{kBins};

  [[nodiscard]] std::uint64_t samples() const noexcept { return successes + failures; }
  /// 1 when nothing has ended.
  [[nodiscard]] double success_rate() const noexcept {
    return samples() == 0 ? 1 : static_cast<double>(successes) / static_cast<double>(samples());
  }
  /// 0 when nothing has ended. Not 1 - success_rate(), which rounds: 3 of 10 are 0.3 here.
  [[nodiscard]] double failure_rate() const noexcept {
    return samples() == 0 ? 0 : static_cast<double>(failures) / static_cast<double>(samples());
  }
};

class PhaseWindow {
 public:
  static constexpr int kSlices = 30;
  static constexpr std::size_t kBins = 128;

  explicit PhaseWindow(std::chrono::nanoseconds length) : slice_(length / kSlices) {}

  /// A duration that is not above zero is not known, and not counted.
  void add(WallTime now, Ended how, double duration_ms);
  /// Lets go of what is too old.
  void advance(WallTime now);

  [[nodiscard]] Totals totals() const;
  /// Without the durations.
  [[nodiscard]] Totals counts() const;
  [[nodiscard]] bool empty() const noexcept { return slices_.empty(); }
  /// When the oldest slice leaves, if there is one.
  [[nodiscard]] std::optional<WallTime> next() const;

  [[nodiscard]] nlohmann::json save() const;
  /// Slices of a window of another length are taken as of the times that they were.
  void load(const nlohmann::json& saved);

 private:
  struct Slice {
    WallTime begin{};
    std::uint64_t successes = 0;
    std::uint64_t failures = 0;
    shared::QuantileSketch durations_ms{kBins};
  };

  std::chrono::nanoseconds slice_;
  std::deque<Slice> slices_;  // by begin
};

}  // namespace quality_monitor
