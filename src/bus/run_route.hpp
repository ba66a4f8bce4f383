// bus/run_route.hpp -- the loop of every publish: calls the subscribers of a route one by one.
// Layer: bus
//
// Model      A call that throws is noted as failed and the loop goes on behind it.
// Threads    On the publisher's thread.
// Ownership  The dispatch's frame stands on the route, which keeps its subscribers.
// Errors     None but a thread's cancellation, which passes.
// Cost       Eight instructions a subscriber, beside its handler.
#pragma once

#include <cxxabi.h>

#include "bus/bus_core.hpp"
#include "platform/membarrier.hpp"

namespace busway::detail {

/// kLight: the kernel is the barrier, see membarrier.hpp.
template <bool kLight>
[[gnu::always_inline]] inline void run_route(Route& route, std::uint32_t size, Frame& frame,
                                             const Event& event, Dispatch& dispatch) {
  std::atomic<Subscriber*>* at = route.subscribers();
  std::atomic<Subscriber*>* const end = at + size;
  while (at != end) {
    try {
      do {
        Subscriber* const subscriber = at->load(std::memory_order_acquire);
        ++at;
        if constexpr (kLight) {
          frame.current.store(subscriber, std::memory_order_relaxed);
          platform_detail::light_barrier();
        } else {
          platform_detail::publish_slot(frame.current, subscriber);
        }
        subscriber->invoke.load(std::memory_order_acquire)(subscriber, event, dispatch);
      } while (at != end);
    } catch (const abi::__forced_unwind&) {
      throw;
    } catch (...) {
      dispatch.record_exception();
    }
  }
}

}  // namespace busway::detail
