#include <sigslot/signal.hpp>

#include "peers/callers.hpp"
#include "peers/peers.hpp"

namespace busway::bench {
namespace {

class Sigslot {
 public:
  explicit Sigslot(std::size_t handlers) {
    for (std::size_t i = 0; i < handlers; ++i) {
      signal_.connect([](const OrderPlaced& placed) { handle(placed); });
    }
  }
  void publish(const OrderPlaced& event) { signal_(event); }

 private:
  sigslot::signal<const OrderPlaced&> signal_;  // the thread-safe one
};

}  // namespace

void add_sigslot() {
  add_caller<Sigslot>("call1", "sigslot", 1);
  add_caller<Sigslot>("call64", "sigslot", 64);
  add_threads<Sigslot>("sigslot");
}

}  // namespace busway::bench
