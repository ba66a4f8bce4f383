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

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "bus/dispatch.hpp"
#include "bus/route.hpp"
#include "busway/event.hpp"
#include "event/event_access.hpp"
#include "event/id_generator.hpp"
#include "platform/membarrier.hpp"

namespace busway::detail {

struct Frame {
  explicit Frame(BusCore& core) noexcept : dispatch(core) { dispatch.frame = this; }

  std::atomic<const Route*> route{nullptr};
  std::atomic<std::uint64_t> epoch{0};
  std::atomic<Subscriber*> current{nullptr};
  /// Of a publish along the straight way, whose event stands in the ring; else without an event.
  Dispatch dispatch;
  /// Between attempts of synchronous handlers, begun and ended: odd while one goes on.
  std::atomic<std::uint32_t> waits{0};
};

inline Subscriber* Dispatch::running() const noexcept {
  return frame != nullptr ? frame->current.load(std::memory_order_relaxed) : subscriber;
}

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
  ~ThreadState();

  // One for each level of publishes inside handlers; made for the deepest chain that max_hops
  // allows.
  Frame* top = nullptr;  // the next one to use
  Frame* frames_end = nullptr;

  // Indexed by TopicEntry::index.
  RouteCount* counts = nullptr;
  std::uint32_t counts_size = 0;
  // Publishes left before one goes the long way, to take the time of its handlers.
  std::uint32_t until_sample = 0;

  event_detail::IdGenerator* ids = nullptr;
  std::thread::id thread = std::this_thread::get_id();

  // The last events published by this thread; ring_busy while one is written. On the straight way
  // an event is written here once and the handlers read it here, so what a handler still reads must
  // not be overwritten: ring_stop is the slot before which turn_ring() looks.
  Event* ring = nullptr;
  Event* ring_at = nullptr;    // the next to write, and the oldest once the ring is full
  Event* ring_stop = nullptr;  // the end, or a slot whose event is being handled
  Event* ring_end = nullptr;
  std::size_t ring_shown = 0;  // so many of its last events are history
  bool ring_full = false;
  bool ring_overwrote = false;
  // So many more writes may come to slots that hold something to release.
  std::uint32_t ring_unclean = 0;
  std::atomic<std::uint32_t> ring_busy{0};

  // What did not go the plain way, by outcome.
  std::atomic<std::uint64_t> filtered{0};
  std::atomic<std::uint64_t> refused{0};
  std::atomic<std::uint64_t> passed_over{
      0};  // listed in the route, yet not matched: ended, paused, filtered
  std::atomic<std::uint64_t> queued{0};  // handed to a mailbox, accepted or not: counted there
  std::atomic<std::uint64_t> failed{0};  // those that timed out as well
  std::atomic<std::uint64_t> timed_out{0};
  std::atomic<std::uint64_t> strand_runs{0};  // events of publish_async, which no route counts
  std::atomic<std::uint64_t> counted{0};      // taken out of its counts by recount()

  std::unique_ptr<RouteCount[]> counts_memory;
  std::unique_ptr<std::byte[]> frames_memory;
  Frame* frames = nullptr;
  std::unique_ptr<Event[]> ring_memory;
  // Rings that were left because handlers still read events there.
  std::vector<std::unique_ptr<Event[]>> old_rings;
  std::unique_ptr<event_detail::IdGenerator> own_ids;

  /// Never falls while there is the route, and rises with each publish of this thread along it.
  /// [own thread, or under the bus's lock]
  [[nodiscard]] std::uint64_t publishes_along(std::uint32_t route_index) const noexcept {
    const std::uint64_t count =
        route_index < counts_size ? counts[route_index].count.load(std::memory_order_relaxed) : 0;
    return count + counted.load(std::memory_order_relaxed) +
           strand_runs.load(std::memory_order_relaxed);
  }
  [[nodiscard]] bool owns(const Frame* frame) const noexcept {
    return frame >= frames && frame < frames_end;
  }
  /// Something that counts references was written into a slot.
  void note_unclean() noexcept { ring_unclean = static_cast<std::uint32_t>(ring_end - ring); }
  void make_frames(BusCore& core, std::uint32_t count);
  void make_ring(std::size_t shown);
  /// The place for the next event, with nothing in it to release.
  [[nodiscard]] Event& next_slot() {
    Event& slot = *ring_at;
    if (ring_unclean != 0 || event_holds_json(slot)) [[unlikely]]
      clean(slot);
    return slot;
  }
  /// The next event stands in its place.
  void advance_ring() {
    if (++ring_at == ring_stop) [[unlikely]]
      turn_ring();
  }
  /// Whether an event that was published is no longer here.
  [[nodiscard]] bool ring_lost() const noexcept {
    return ring_overwrote || (ring_full && ring_at != ring) ||
           static_cast<std::size_t>((ring_full ? ring_end : ring_at) - ring) > ring_shown;
  }
  /// The last events, oldest first. The ring must not be written meanwhile.
  template <class F>
  void for_each_event(F&& visit) {
    const auto size = static_cast<std::size_t>((ring_full ? ring_end : ring_at) - ring);
    std::size_t hidden = size - std::min(size, ring_shown);
    const auto show = [&](Event* from, Event* to) {
      for (; from != to; ++from) {
        if (hidden != 0) {
          --hidden;
        } else {
          visit(*from);
        }
      }
    };
    if (ring_full) show(ring_at, ring_end);
    show(ring, ring_at);
  }

  /// The frames that were in use at the barrier and still are; maybe later ones as well.
  template <class F>
  void for_each_frame(F&& visit) const {
    // A stack: a frame that is free was so at some time since the barrier, and with it all above
    // it; what has been entered since then sees what was published before.
    for (const Frame* frame = frames; frame != frames_end; ++frame) {
      if (frame->route.load(std::memory_order_seq_cst) == nullptr) return;
      visit(*frame);
    }
  }

 private:
  [[nodiscard]] static bool event_holds_json(const Event& event) noexcept {
    return EventAccess::has_cache(event);
  }
  [[gnu::noinline]] void clean(Event& slot);
  [[gnu::noinline]] void turn_ring();
};

/// References that go with the scope.
struct HeldSubscribers {
  HeldSubscribers() = default;
  HeldSubscribers(const HeldSubscribers&) = delete;
  HeldSubscribers& operator=(const HeldSubscribers&) = delete;
  ~HeldSubscribers();
  std::vector<Subscriber*> list;
};

/// Where the event of a request was queued.
struct QueuedInto {
  explicit QueuedInto(const EventId& of) noexcept : id(of) {}
  const EventId id;
  HeldSubscribers subscribers;
};

/// Per thread of the process: the states last used, and the delivery that runs here.
struct ThreadLocals {
  struct Known {
    std::uint64_t bus = 0;  // serial; 0: none
    ThreadState* state = nullptr;
  };
  static constexpr std::size_t kKnown = 4;
  std::array<Known, kKnown> known;
  Dispatch* current = nullptr;
  bool never_block = false;           // this thread keeps deadlines
  QueuedInto* queued_into = nullptr;  // of the request that this thread publishes
  unsigned callbacks = 0;             // of receipts, that run here
};

extern constinit thread_local ThreadLocals thread_locals
#if defined(__GNUC__)
    __attribute__((tls_model("initial-exec")))
#endif
    ;

/// What this thread publishes within the scope waits for no mailbox.
struct NeverBlock {
  NeverBlock() noexcept : before(thread_locals.never_block) { thread_locals.never_block = true; }
  NeverBlock(const NeverBlock&) = delete;
  NeverBlock& operator=(const NeverBlock&) = delete;
  ~NeverBlock() { thread_locals.never_block = before; }
  const bool before;
};

}  // namespace busway::detail
