#include "peers/peers.hpp"

namespace busway::bench {

void add_peers() {
  add_floor();
  add_signals2();
  add_spsc();
#if BUSWAY_BENCH_SIGCPP
  add_sigcpp();
#endif
#if BUSWAY_BENCH_POCO
  add_poco();
#endif
#if BUSWAY_BENCH_EVENTPP
  add_eventpp();
#endif
#if BUSWAY_BENCH_SIGSLOT
  add_sigslot();
#endif
#if BUSWAY_BENCH_ENTT
  add_entt();
#endif
}

}  // namespace busway::bench
