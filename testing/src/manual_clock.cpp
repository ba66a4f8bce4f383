#include "busway/testing/manual_clock.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "busway/error.hpp"

namespace busway::testing {

using std::chrono::nanoseconds;

/// One watch. Recursive, so that the watcher may be dropped inside its own call.
struct ManualClock::Watcher {
  explicit Watcher(std::function<void()> call) : moved(std::move(call)) {}

  void tell() {
    const std::scoped_lock lock(mutex);
    if (!ended) moved();
  }
  void end() {
    const std::scoped_lock lock(mutex);
    ended = true;
  }

  std::recursive_mutex mutex;  // held during a call, so that ending waits for it
  bool ended = false;
  std::function<void()> moved;
};

ManualClock::ManualClock(WallTime start, std::uint64_t id_seed) noexcept
    : id_seed_(id_seed),
      wall_ns_(start.time_since_epoch().count()),
      // Not zero: code that takes zero for "no deadline" should not be right by luck.
      steady_ns_(nanoseconds(std::chrono::hours(1)).count()) {}

ManualClock::~ManualClock() = default;

WallTime ManualClock::wall() const noexcept {
  return WallTime(nanoseconds(wall_ns_.load(std::memory_order_seq_cst)));
}

SteadyTime ManualClock::steady() const noexcept {
  return SteadyTime(nanoseconds(steady_ns_.load(std::memory_order_seq_cst)));
}

Clock::Watch ManualClock::watch(std::function<void()> moved) {
  auto watcher = std::make_shared<Watcher>(std::move(moved));
  {
    const std::scoped_lock lock(mutex_);
    std::erase_if(watchers_, [](const auto& weak) { return weak.expired(); });
    watchers_.push_back(watcher);
  }
  // The handle's end is the watch's end, whoever else still holds the watcher at that moment.
  void* address = watcher.get();
  return {address, [kept = std::move(watcher)](void*) { kept->end(); }};
}

void ManualClock::advance(nanoseconds step) {
  if (step < nanoseconds::zero()) {
    throw Error(ErrorCode::invalid_option,
                "ManualClock::advance(" + std::to_string(step.count()) +
                    " ns): steady time cannot go back; set_wall() moves the wall clock");
  }
  steady_ns_.fetch_add(step.count(), std::memory_order_seq_cst);
  wall_ns_.fetch_add(step.count(), std::memory_order_seq_cst);
  tell_watchers();
}

void ManualClock::set_wall(WallTime now) {
  wall_ns_.store(now.time_since_epoch().count(), std::memory_order_seq_cst);
  tell_watchers();
}

void ManualClock::tell_watchers() {
  std::vector<std::shared_ptr<Watcher>> told;
  {
    const std::scoped_lock lock(mutex_);
    for (const auto& weak : watchers_) {
      if (auto watcher = weak.lock()) told.push_back(std::move(watcher));
    }
  }
  for (const auto& watcher : told) watcher->tell();
}

}  // namespace busway::testing
