#include <boost/signals2.hpp>

#include "peers/callers.hpp"
#include "peers/peers.hpp"

namespace busway::bench {
namespace {

class Signals2 {
 public:
  explicit Signals2(std::size_t handlers) {
    for (std::size_t i = 0; i < handlers; ++i) {
      signal_.connect([](const OrderPlaced& placed) { handle(placed); });
    }
  }
  void publish(const OrderPlaced& event) const { signal_(event); }

 private:
  boost::signals2::signal<void(const OrderPlaced&)> signal_;
};

}  // namespace

void add_signals2() {
  add_caller<Signals2>("call1", "signals2", 1);
  add_caller<Signals2>("call64", "signals2", 64);
  add_threads<Signals2>("signals2");
}

}  // namespace busway::bench
