// apps/busway/progress.hpp -- how far long work has come, on one line of standard error.
//
// Model      A bar with percent where the whole is known, a count and a rate where not. Nothing at
//            all where standard error is no terminal. The line goes before anything else is said
//            there, and at the end.
// Threads    [not-concurrent]
// Errors     None.
// Cost       A look at the clock; ten lines a second at most.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace busway::app {

class Progress {
 public:
  /// `unit`: what is counted, such as "events".
  explicit Progress(std::string unit);
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress() { clear(); }

  [[nodiscard]] bool is_shown() const noexcept { return shown_; }
  /// `count` of the unit are done; `part` of `whole`, in whatever they are measured (0: unknown).
  enum class When : unsigned char { now_and_then, now };
  void show(std::uint64_t count, std::uint64_t part = 0, std::uint64_t whole = 0,
            When when = When::now_and_then);
  void clear();

 private:
  using Moment = std::chrono::steady_clock::time_point;

  const std::string unit_;
  const bool shown_;
  const Moment begun_ = std::chrono::steady_clock::now();
  Moment next_ = begun_;
  bool on_line_ = false;
};

}  // namespace busway::app
