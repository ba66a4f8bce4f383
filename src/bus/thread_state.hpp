// bus/thread_state.hpp -- what one thread keeps for one bus: where it stands, its counters, its
// history.
// Layer: bus
//
// Model      A publish pushes a Frame: first "searching", then the route it stands on, then the
//            subscriber whose handler runs. Whoever unlinks something raises the epoch, passes the
//            barrier and looks at all frames: what a frame of an older epoch may still see is kept.
//            The counters of deliveries are kept by route: a record counts publishes along one
//            route at one size, and is folded into the subscriptions when either changes.
// Threads    Written by its thread alone; frames and counters are read by others.
// Ownership  Belongs to the bus; freed when its thread ends or the bus does.
// Errors     None.
// Cost       A few hundred bytes, 16 bytes a topic published, and the history ring.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "bus/route.hpp"
#include "busway/event.hpp"
#include "event/id_generator.hpp"
#include "platform/membarrier.hpp"

namespace busway::detail {

struct Frame {
  std::atomic<const Route*> route{nullptr};
  std::atomic<std::uint64_t> epoch{0};
  std::atomic<Subscriber*> current{nullptr};
};

/// In Frame::route while a publish looks for its route: everything of its epoch is in use.
inline const Route* const kSearching = reinterpret_cast<const Route*>(std::uintptr_t{8});

/// Publishes counted along one route at one size.
struct RouteCount {
  std::atomic<std::uint64_t> key{0};  // route serial << 32 | size; 0: none
  std::atomic<std::uint64_t> count{0};
};

/// Adds without a locked instruction: for counters that one thread writes and others read.
inline void bump(std::atomic<std::uint64_t>& counter, std::uint64_t by = 1) noexcept {
  counter.store(counter.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
}

struct ThreadState {
  ThreadState() noexcept = default;
  ThreadState(const ThreadState&) = delete;
  ThreadState& operator=(const ThreadState&) = delete;
  ~ThreadState() = default;

  // One for each level of publishes inside handlers; made for the deepest chain that max_hops
  // allows.
  Frame* top = nullptr;  // the next one to use
  Frame* frames_end = nullptr;

  // Indexed by TopicEntry::index.
  RouteCount* counts = nullptr;
  std::uint32_t counts_size = 0;
  std::uint32_t until_sample = 1;
  // Publishes that may take the straight way before one goes the long way, to be sampled; none
  // while the ring holds something to release.
  std::uint32_t straight_left = 0;

  event_detail::IdGenerator* ids = nullptr;

  // The last events published by this thread; ring_busy while one is written.
  Event* ring = nullptr;
  Event* ring_at = nullptr;  // the next to write, and the oldest once the ring is full
  Event* ring_end = nullptr;
  bool ring_full = false;
  std::uint64_t ring_wraps = 0;
  std::uint32_t ring_counted = 0;  // slots that hold something to release
  std::atomic<std::uint32_t> ring_busy{0};

  // What did not go the plain way, by outcome.
  std::atomic<std::uint64_t> filtered{0};
  std::atomic<std::uint64_t> refused{0};
  std::atomic<std::uint64_t> passed_over{
      0};  // listed in the route, yet not matched: ended, paused, filtered
  std::atomic<std::uint64_t> queued{0};  // handed to a mailbox, accepted or not: counted there
  std::atomic<std::uint64_t> failed{0};

  std::unique_ptr<RouteCount[]> counts_memory;
  std::unique_ptr<Frame[]> frames_memory;
  std::unique_ptr<Event[]> ring_memory;
  std::unique_ptr<event_detail::IdGenerator> own_ids;

  void wrap_ring() noexcept {
    ring_at = ring;
    ++ring_wraps;
    ring_full = true;
  }
  /// Whether an event has been overwritten.
  [[nodiscard]] bool ring_lost() const noexcept {
    return ring_wraps > 1 || (ring_wraps == 1 && ring_at != ring);
  }
  /// The events in the ring, oldest first. The ring must not be written meanwhile.
  template <class F>
  void for_each_event(F&& visit) {
    if (ring_full) {
      for (Event* event = ring_at; event != ring_end; ++event) visit(*event);
    }
    for (Event* event = ring; event != ring_at; ++event) visit(*event);
  }

  template <class F>
  void for_each_frame(F&& visit) const {
    // Those above the top are empty; the top itself belongs to the thread.
    for (const Frame* frame = frames_memory.get(); frame != frames_end; ++frame) visit(*frame);
  }
};

struct Dispatch;

/// Per thread of the process: the states last used, and the delivery that runs here.
struct ThreadLocals {
  struct Known {
    std::uint64_t bus = 0;  // serial; 0: none
    ThreadState* state = nullptr;
  };
  static constexpr std::size_t kKnown = 4;
  std::array<Known, kKnown> known;
  Dispatch* current = nullptr;
};

extern constinit thread_local ThreadLocals thread_locals
#if defined(__GNUC__)
    __attribute__((tls_model("initial-exec")))
#endif
    ;

}  // namespace busway::detail
