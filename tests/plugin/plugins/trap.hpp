// Where handlers of the plugin "hanging" hang until its test lets them go. The test's, and known to
// the plugin by its address in the configuration: both are of one build and one process.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>

struct Trap {
  void enter() {
    ++inside;
    while (!open) std::this_thread::yield();
    --inside;
    ++left;
  }
  [[nodiscard]] std::uint64_t address() const { return reinterpret_cast<std::uintptr_t>(this); }
  [[nodiscard]] static Trap& at(std::uint64_t address) {
    return *reinterpret_cast<Trap*>(static_cast<std::uintptr_t>(address));
  }

  /// Tells of the end of the thread whose it is.
  struct ThreadsEnd {
    ThreadsEnd() = default;
    ThreadsEnd(const ThreadsEnd&) = delete;
    ThreadsEnd& operator=(const ThreadsEnd&) = delete;
    ~ThreadsEnd() {
      if (trap != nullptr) ++trap->threads_ended;
    }
    Trap* trap = nullptr;
  };

  std::atomic<int> threads_ended{0};
  std::atomic<int> inside{0};
  std::atomic<int> left{0};
  std::atomic<bool> open{false};
  // What the plugin's calls into its host came to after it was let go.
  std::atomic<int> done{0};
  std::atomic<int> refused{0};
};
