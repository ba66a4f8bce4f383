#include <sigc++/sigc++.h>

#include "peers/callers.hpp"
#include "peers/peers.hpp"

namespace busway::bench {
namespace {

/// Not safe between threads, so it has no part in those benchmarks.
class SigCpp {
 public:
  explicit SigCpp(std::size_t handlers) {
    for (std::size_t i = 0; i < handlers; ++i) {
      signal_.connect([](const OrderPlaced& placed) { handle(placed); });
    }
  }
  void publish(const OrderPlaced& event) const { signal_.emit(event); }

 private:
  sigc::signal<void(const OrderPlaced&)> signal_;
};

}  // namespace

void add_sigcpp() {
  add_caller<SigCpp>("call1", "sigc++", 1);
  add_caller<SigCpp>("call64", "sigc++", 64);
}

}  // namespace busway::bench
