// delivery/wait_graph.hpp -- who waits for whom, so that no circle of waits stands still.
// Layer: delivery
//
// Model      Each blocking wait within handlers is entered before it is made: for room in a
//            mailbox, for a call on another thread, for a reply, for a receipt. A wait leads to the
//            threads that could end it: a mailbox to those that run its calls, once all its pumps
//            are in one; a thread that waits itself to what it waits for. One that leads back to
//            the thread that would make it closes a circle and is not made. Since each wait is
//            looked at when it is entered, the last one of a circle is the one refused. While a
//            worker waits, another takes its place. One graph a process: events go from bus to bus.
// Threads    [any-thread]
// Ownership  Keeps addresses only: what is waited for outlives the wait.
// Errors     None.
// Cost       One lock, and steps as many as the chain is long; only where a thread blocks anyway.
#pragma once

#include <atomic>
#include <thread>
#include <unordered_map>
#include <vector>

#include "delivery/worker_pool.hpp"

namespace busway {
class Event;
}

namespace busway::delivery_detail {

class Mailbox;

/// One thing that a wait is for.
class WaitFor {
 public:
  [[nodiscard]] static WaitFor thread(std::thread::id one) noexcept {
    WaitFor made;
    made.thread_ = one;
    return made;
  }
  /// The thread that makes a call; no thread yet: one will be found for it.
  [[nodiscard]] static WaitFor call(const std::atomic<std::thread::id>& by) noexcept {
    WaitFor made;
    made.call_ = &by;
    return made;
  }
  /// A call of the mailbox: any (null), or those that must end before this event is handled.
  [[nodiscard]] static WaitFor mailbox(const Mailbox& one, const Event* event = nullptr) noexcept {
    WaitFor made;
    made.mailbox_ = &one;
    made.event_ = event;
    return made;
  }

 private:
  friend class WaitEdge;
  WaitFor() = default;
  std::thread::id thread_;
  const std::atomic<std::thread::id>* call_ = nullptr;
  const Mailbox* mailbox_ = nullptr;
  const Event* event_ = nullptr;
};

/// all: the wait ends when each of them has; any: when one has.
enum class Needs : unsigned char { all, any };

/// This thread waits, for as long as the edge lives.
class WaitEdge {
 public:
  explicit WaitEdge(std::vector<WaitFor> what, Needs needs = Needs::all);
  WaitEdge(const WaitEdge&) = delete;
  WaitEdge& operator=(const WaitEdge&) = delete;
  ~WaitEdge();

  /// False: waiting would close a circle.
  [[nodiscard]] bool entered() const noexcept { return entered_; }

 private:
  struct Graph;
  /// Threads that were looked at, and whether they lead back; true while they are being looked at.
  using Found = std::unordered_map<std::thread::id, bool>;
  [[nodiscard]] static Graph& graph();
  [[nodiscard]] static bool leads_to(const Graph& all, const std::vector<WaitFor>& what,
                                     Needs needs, std::thread::id back, Found& found);

  const std::vector<WaitFor> what_;
  const Needs needs_;
  const WorkerPool::Blocked blocked_;  // what ends the wait may need a worker
  WaitEdge* outer_ = nullptr;          // an earlier wait of this thread, which pumps within it
  bool entered_ = false;
};

}  // namespace busway::delivery_detail
