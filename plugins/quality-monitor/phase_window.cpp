#include "phase_window.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>

namespace quality_monitor {

using nlohmann::json;

void PhaseWindow::add(WallTime now, Ended how, double duration_ms) {
  advance(now);
  const WallTime begin = now - now.time_since_epoch() % slice_;
  if (slices_.empty() || slices_.back().begin < begin) slices_.push_back(Slice{.begin = begin});
  Slice& slice = slices_.back();
  ++(how == Ended::well ? slice.successes : slice.failures);
  if (duration_ms > 0) (void)slice.durations_ms.add(duration_ms);
}

void PhaseWindow::advance(WallTime now) {
  while (!slices_.empty() && *next() <= now) slices_.pop_front();
}

std::optional<WallTime> PhaseWindow::next() const {
  if (slices_.empty()) return std::nullopt;
  return slices_.front().begin + slice_ * (kSlices + 1);
}

Totals PhaseWindow::totals() const {
  Totals totals = counts();
  for (const Slice& slice : slices_) totals.durations_ms.merge(slice.durations_ms);
  return totals;
}

Totals PhaseWindow::counts() const {
  Totals totals;
  for (const Slice& slice : slices_) {
    totals.successes += slice.successes;
    totals.failures += slice.failures;
  }
  return totals;
}

json PhaseWindow::save() const {
  json out = json::array();
  for (const Slice& slice : slices_) {
    out.push_back({{"begin", slice.begin.time_since_epoch().count()},
                   {"successes", slice.successes},
                   {"failures", slice.failures},
                   {"durations_ms", slice.durations_ms.save()}});
  }
  return out;
}

void PhaseWindow::load(const json& saved) {
  std::deque<Slice> slices;
  for (const json& one : saved) {
    Slice slice;
    slice.begin = WallTime(std::chrono::nanoseconds(one.at("begin").get<std::int64_t>()));
    slice.successes = one.at("successes").get<std::uint64_t>();
    slice.failures = one.at("failures").get<std::uint64_t>();
    slice.durations_ms = shared::QuantileSketch::load(one.at("durations_ms"), kBins);
    if (!slices.empty() && slice.begin <= slices.back().begin) {
      throw std::invalid_argument("the slices of a window are not in their order");
    }
    slices.push_back(std::move(slice));
  }
  slices_ = std::move(slices);
}

}  // namespace quality_monitor
