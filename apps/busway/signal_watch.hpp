// apps/busway/signal_watch.hpp -- SIGINT, SIGTERM and SIGHUP as requests that the main thread looks
// at.
//
// Model      Made before any other thread, it blocks the three signals for all threads and reads
//            them on one of its own. The first SIGINT or SIGTERM asks for a stop; the second ends
//            the process at once with 128 and its number.
// Threads    [any-thread], except construction and destruction.
// Errors     The constructor throws std::system_error.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace busway::app {

class SignalWatch {
 public:
  SignalWatch();
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;
  ~SignalWatch();

  /// The signal that asked for a stop, or 0.
  [[nodiscard]] int stop_signal() const;
  /// For poll(): can be read from then on.
  [[nodiscard]] int stop_descriptor() const noexcept { return stop_; }
  /// Whether SIGHUP has come since the last call.
  [[nodiscard]] bool take_reload();
  /// Until one of the two is asked for, or the deadline.
  void wait(std::chrono::steady_clock::time_point deadline);

 private:
  void watch();
  void note(int signal);

  int signals_ = -1;  // signalfd
  int end_ = -1;      // eventfd
  int stop_ = -1;     // eventfd
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  int stop_signal_ = 0;  // guarded by mutex_
  bool reload_ = false;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace busway::app
