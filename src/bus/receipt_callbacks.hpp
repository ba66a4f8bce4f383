// bus/receipt_callbacks.hpp -- calls what waited for receipts to settle, on the bus's executor.
// Layer: bus
//
// Model      What is to be called waits in a list; a task posted to the executor takes one entry
//            from it by number. So whoever comes first runs it, and what an executor keeps for long
//            keeps nothing of the bus. Invariants:
//              1. Each entry is run exactly once: by its task, at once where the executor refuses
//              the task, or by finish().
//              2. After finish() nothing waits and what comes later runs at once.
// Threads    All [any-thread]. No lock is held during a call.
// Ownership  Tasks share the list; an entry's receipt keeps the bus behind it.
// Errors     What a callback throws is logged.
// Cost       One post and two small allocations a receipt with callbacks.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "busway/receipt.hpp"

namespace busway::detail {

class BusCore;

using SettledCallback = std::function<void(const Receipt&)>;

class ReceiptCallbacks final {
 public:
  ReceiptCallbacks() : shared_(std::make_shared<Shared>()) {}
  ReceiptCallbacks(const ReceiptCallbacks&) = delete;
  ReceiptCallbacks& operator=(const ReceiptCallbacks&) = delete;

  /// The receipt has settled.
  void call_later(BusCore& core, Receipt receipt, std::vector<SettledCallback> callbacks);

  [[nodiscard]] std::size_t waiting() const;
  [[nodiscard]] std::size_t running() const;
  [[nodiscard]] bool idle() const { return waiting() + running() == 0; }
  /// Until none waits or runs; false at the deadline.
  bool wait_idle(std::chrono::steady_clock::time_point deadline) const;

  /// The bus is being destroyed: runs here what still waits, and waits for what runs elsewhere
  /// unless this thread is inside a callback.
  void finish();

 private:
  struct Entry {
    BusCore& core;
    Receipt receipt;
    std::vector<SettledCallback> callbacks;
  };
  struct Shared {
    std::mutex mutex;
    std::condition_variable changed;
    // Guarded by mutex.
    std::map<std::uint64_t, Entry> waiting;
    std::uint64_t next = 1;
    std::size_t running = 0;
    bool finished = false;
  };

  static void run(Shared& shared, std::uint64_t number);

  const std::shared_ptr<Shared> shared_;
};

}  // namespace busway::detail
