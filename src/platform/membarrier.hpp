// platform/membarrier.hpp -- a barrier whose cost the rare side pays, so that readers announce
// themselves with a plain store.
//
// Model      A reader writes what it stands on into its own slot, then reads the shared pointer
//            again. A writer replaces the pointer, calls heavy_barrier(), then reads all slots.
//            Either the reader sees the new pointer or the writer sees the slot.
//
//              reader                                    writer
//              p = shared.load(seq_cst)                  shared.store(next, seq_cst)
//              publish_slot(slot, p)                     heavy_barrier()
//              if (shared.load(seq_cst) != p) again      slot.load(seq_cst) != p: nobody is there
//              ... use *p ...
//              slot.store(previous, release)
//
//            Where the kernel has no membarrier, and under ThreadSanitizer (which does not know
//            it), publish_slot() is a seq_cst exchange and heavy_barrier() does nothing. The
//            seq_cst loads above are plain moves on x86 and are what makes that second form
//            correct.
// Threads    All functions are [any-thread], also while the library's statics are being set up:
//            until the kernel has answered, readers use the exchange, which is always correct.
// Errors     A kernel that grants membarrier and refuses it later (a sandbox closed meanwhile) ends
//            the program with a message: going on would free what a reader stands on. Set
//            BUSWAY_MEMBARRIER=off in the environment, or call refuse_membarrier() before threads
//            use the bus, to do without from the start.
// Cost       publish_slot(): a load, a compare, a store; 20 cycles more with the exchange.
//            heavy_barrier(): 0.5 us alone, about 15 us beside a running thread.
#pragma once

#include <atomic>

#include "platform/sanitizer.hpp"

namespace busway::platform_detail {

/// True once the kernel has agreed to be the readers' barrier. Never turns false by itself.
[[gnu::visibility("hidden")]] extern std::atomic<bool> light_slots;

/// Stops the compiler, and only it, from moving memory accesses across.
inline void light_barrier() noexcept { std::atomic_signal_fence(std::memory_order_seq_cst); }

/// Whether heavy_barrier() reaches into other threads. Asks the kernel at the first call.
[[nodiscard]] bool heavy_barrier_available() noexcept;

/// When it returns, each thread of the process has passed a full barrier since the call began, if
/// heavy_barrier_available(); else readers pass one themselves in publish_slot().
void heavy_barrier() noexcept;

/// From now on readers use the exchange. Only while no other thread uses a slot; tests call it.
void refuse_membarrier() noexcept;

/// Writes a reader's slot so that a writer's heavy_barrier() orders it before what the reader
/// loads next.
template <class T>
inline void publish_slot(std::atomic<T>& slot, T value) noexcept {
  if constexpr (!kThreadSanitizer) {
    if (light_slots.load(std::memory_order_relaxed)) [[likely]] {
      slot.store(value, std::memory_order_relaxed);
      light_barrier();
      return;
    }
  }
  (void)slot.exchange(value, std::memory_order_seq_cst);
}

}  // namespace busway::platform_detail
