// peers/peers.hpp -- the systems beside which busway is measured; each registers its benchmarks.
//
// A peer's benchmarks are named work/peer. Which work there is:
//
//   call1/PEER      one event to 1 handler          threads1/PEER  the same from one thread ...
//   call64/PEER     one event to 64 handlers        threads2/PEER  ... and from two at once
//   queue/PEER      an event from one thread to a handler on another
#pragma once

namespace busway::bench {

void add_floor();     // a loop over std::vector<std::function>: what handlers cost without a system
void add_signals2();  // Boost.Signals2
void add_spsc();      // boost::lockfree::spsc_queue
#if BUSWAY_BENCH_SIGCPP
void add_sigcpp();  // libsigc++
#endif
#if BUSWAY_BENCH_POCO
void add_poco();  // Poco NotificationCenter
#endif
#if BUSWAY_BENCH_EVENTPP
void add_eventpp();
#endif
#if BUSWAY_BENCH_SIGSLOT
void add_sigslot();
#endif
#if BUSWAY_BENCH_ENTT
void add_entt();
#endif

/// All of them that this program was built with.
void add_peers();

}  // namespace busway::bench
