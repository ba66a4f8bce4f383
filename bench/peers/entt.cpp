#include <entt/signal/dispatcher.hpp>

#include <deque>

#include "peers/callers.hpp"
#include "peers/peers.hpp"

namespace busway::bench {
namespace {

struct Listener {
  // Not static: it is connected as an object and its member function.
  void on_order(const OrderPlaced& placed) {
    benchmark::DoNotOptimize(this);
    handle(placed);
  }
};

/// Not safe between threads, so it has no part in those benchmarks.
class Entt {
 public:
  explicit Entt(std::size_t handlers) : listeners_(handlers) {
    for (Listener& listener : listeners_) {
      dispatcher_.sink<OrderPlaced>().connect<&Listener::on_order>(listener);
    }
  }
  void publish(const OrderPlaced& event) { dispatcher_.trigger(OrderPlaced(event)); }

 private:
  std::deque<Listener> listeners_;
  entt::dispatcher dispatcher_;
};

}  // namespace

void add_entt() {
  add_caller<Entt>("call1", "entt", 1);
  add_caller<Entt>("call64", "entt", 64);
}

}  // namespace busway::bench
