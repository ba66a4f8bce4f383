// busway/testing/manual_clock.hpp -- a clock that stands still until a test moves it.
// Layer: testing
//
// Model      Starts at 2024-01-01 00:00 UTC, steady time at one hour. advance() moves both clocks;
//            set_wall() lets the wall clock alone jump, also back, as an administrator would. Ids
//            of events are repeatable.
// Threads    All functions are [any-thread]. advance() and set_wall() call the watches on the
//            caller's thread, after the time has moved, with no lock held but each watch's own.
// Ownership  Made with std::make_shared; the bus and the test share it.
// Errors     advance() by less than nothing throws Error(invalid_option).
// Cost       A reading is one load.
// Example    tests/testing/manual_clock_test.cpp
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "busway/clock.hpp"

namespace busway::testing {

class ManualClock final : public Clock {
 public:
  /// The wall time of a new clock.
  static constexpr WallTime kStart{std::chrono::sys_days{std::chrono::year{2024} / 1 / 1}};

  explicit ManualClock(WallTime start = kStart, std::uint64_t id_seed = 1) noexcept;
  ~ManualClock() override;

  [[nodiscard]] WallTime wall() const noexcept override;
  [[nodiscard]] SteadyTime steady() const noexcept override;
  [[nodiscard]] std::optional<std::uint64_t> id_seed() const noexcept override { return id_seed_; }
  [[nodiscard]] bool is_manual() const noexcept override { return true; }
  [[nodiscard]] Watch watch(std::function<void()> moved) override;

  /// Both clocks go forward by `step`, in one step, and everyone who watches is told.
  void advance(std::chrono::nanoseconds step);

  /// The wall clock jumps; steady time stays, and everyone who watches is told.
  void set_wall(WallTime now);

 private:
  struct Watcher;

  void tell_watchers();

  const std::uint64_t id_seed_;
  std::atomic<std::int64_t> wall_ns_;
  std::atomic<std::int64_t> steady_ns_;

  std::mutex mutex_;  // guards watchers_; not held while one is called
  std::vector<std::weak_ptr<Watcher>> watchers_;
};

}  // namespace busway::testing
