#include <functional>
#include <vector>

#include "peers/callers.hpp"
#include "peers/peers.hpp"

namespace busway::bench {
namespace {

class Floor {
 public:
  explicit Floor(std::size_t handlers) {
    for (std::size_t i = 0; i < handlers; ++i) {
      handlers_.emplace_back([](const OrderPlaced& placed) { handle(placed); });
    }
  }
  void publish(const OrderPlaced& event) const {
    for (const auto& handler : handlers_) handler(event);
  }

 private:
  std::vector<std::function<void(const OrderPlaced&)>> handlers_;
};

}  // namespace

void add_floor() {
  add_caller<Floor>("call1", "floor", 1);
  add_caller<Floor>("call64", "floor", 64);
  add_threads<Floor>("floor");
}

}  // namespace busway::bench
