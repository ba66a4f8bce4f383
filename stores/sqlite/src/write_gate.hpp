// write_gate.hpp -- lets one process at a time write: a lock on a file beside the database.
// Layer: store
//
// Model      Held over each writing transaction and each checkpoint. It is a file of its own:
//            closing any descriptor of the database's file would give up SQLite's own locks. Who
//            finds it taken waits in line in the kernel, on a thread of its own, so that the wait
//            can end at its deadline.
// Threads    lock() and unlock() on the writer's thread.
// Ownership  Owns the descriptor and the thread. A child of fork() has neither, and never gets it.
// Errors     std::system_error from the constructor.
// Cost       Two system calls; a thread the first time it has to wait.
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "own_descriptor.hpp"

namespace busway::sqlite {

class WriteGate {
 public:
  explicit WriteGate(const std::string& path);
  WriteGate(const WriteGate&) = delete;
  WriteGate& operator=(const WriteGate&) = delete;
  ~WriteGate();

  /// This is the process that opened it, and no child of it.
  [[nodiscard]] bool is_ours() const noexcept { return state_->descriptor.get() >= 0; }
  /// False at the deadline.
  [[nodiscard]] bool lock(std::chrono::nanoseconds timeout);
  void unlock() noexcept;

 private:
  enum class Wait : unsigned char { none, asked, waiting, got };
  /// Outlives the gate where the wait in line does.
  struct State {
    explicit State(int file) : descriptor(file) {}
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State() = default;

    const OwnDescriptor descriptor;
    std::mutex mutex;
    std::condition_variable changed;
    // Guarded by mutex.
    Wait wait = Wait::none;
    bool wanted = false;  // lock() is waiting for it
    bool ending = false;
  };
  static void wait_in_line(State& state);
  [[nodiscard]] bool look_again(std::chrono::nanoseconds timeout) const;

  std::shared_ptr<State> state_;
  std::thread waiter_;
};

}  // namespace busway::sqlite
