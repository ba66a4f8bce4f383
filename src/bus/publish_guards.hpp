// bus/publish_guards.hpp -- what a publish holds while it is under way.
// Layer: bus
//
// Model      A frame of its thread, a place in the chain of dispatches, a payload's block: taken in
//            that order, given back in the other.
// Threads    Belong to their thread.
// Ownership  Refer to the bus and to their thread's state.
// Errors     FrameGuard throws Error(internal) when publishes are nested too deeply.
// Cost       Some plain stores.
#pragma once

#include "bus/bus_core.hpp"
#include "platform/membarrier.hpp"

namespace busway::detail {

/// A publish's place among the frames of its thread; from here on nothing it may see is freed.
struct FrameGuard {
  FrameGuard(BusCore& core, ThreadState& owner) : state(owner), frame(owner.top) {
    // The hop limit ends chains long before the frames do.
    if (frame == state.frames_end)
      throw Error(ErrorCode::internal, "publishes are nested too deeply");
    state.top = frame + 1;
    frame->dispatch.set_event(nullptr);
    frame->epoch.store(core.epoch_.load(std::memory_order_relaxed), std::memory_order_relaxed);
    platform_detail::publish_slot(frame->route, kSearching);
  }
  FrameGuard(const FrameGuard&) = delete;
  FrameGuard& operator=(const FrameGuard&) = delete;
  ~FrameGuard() {
    frame->current.store(nullptr, std::memory_order_release);
    state.top = frame;  // before the bus may take the state away
    frame->route.store(nullptr, std::memory_order_release);
  }

  ThreadState& state;
  Frame* const frame;
};

/// Tells the durable subscriptions of a frame's route that its event is in the store, or is not.
struct KeptGuard {
  /// sequence: in the store; 0: it is not there.
  KeptGuard(Frame& owner, std::uint64_t sequence) noexcept : frame(owner) {
    frame.dispatch.kept_as = sequence;
  }
  KeptGuard(const KeptGuard&) = delete;
  KeptGuard& operator=(const KeptGuard&) = delete;
  ~KeptGuard() { frame.dispatch.kept_as = 0; }

  Frame& frame;
};

/// Links a Dispatch into this thread's chain for as long as its handlers run.
struct DispatchGuard {
  explicit DispatchGuard(Dispatch& dispatch) noexcept : mine(dispatch) {
    dispatch.outer = thread_locals.current;
    thread_locals.current = &dispatch;
  }
  DispatchGuard(const DispatchGuard&) = delete;
  DispatchGuard& operator=(const DispatchGuard&) = delete;
  ~DispatchGuard() { thread_locals.current = mine.outer; }
  Dispatch& mine;
};

struct BlockGuard {
  explicit BlockGuard(PayloadBlock* block) noexcept : mine(block) {}
  BlockGuard(const BlockGuard&) = delete;
  BlockGuard& operator=(const BlockGuard&) = delete;
  ~BlockGuard() {
    if (mine != nullptr) release(mine);
  }
  PayloadBlock* mine;
};

}  // namespace busway::detail
