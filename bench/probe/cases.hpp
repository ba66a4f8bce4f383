// probe/cases.hpp -- the publishes whose instructions and allocations are counted.
//
// Model      for_each_case(measure) sets each case up, calls measure(name, work) with one publish
//            as the work, and takes it down. Templates: nothing stands between counter and work.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "busway/busway.hpp"
#include "busway/typed.hpp"
#include "order.hpp"

namespace busway::bench {

/// A bus with this many handlers on one topic.
class Audience {
 public:
  Audience(std::string_view topic, std::size_t handlers) {
    for (std::size_t i = 0; i < handlers; ++i) {
      subscriptions_.push_back(
          bus_.subscribe(topic, [this](const OrderPlaced& placed) { tally_.add(placed); }));
    }
  }
  [[nodiscard]] Bus& bus() noexcept { return bus_; }

 private:
  Tally tally_;
  Bus bus_;
  std::vector<Subscription> subscriptions_;
};

template <class Measure>
void for_each_case(Measure&& measure) {
  const OrderPlaced event;
  {
    Audience audience(kName12, 1);
    measure("name12", [&] { (void)audience.bus().publish(kName12, event); });
  }
  {
    Audience audience(kName25, 1);
    measure("name25", [&] { (void)audience.bus().publish(kName25, event); });
  }
  for (const std::size_t handlers : {std::size_t{1}, std::size_t{2}, std::size_t{65}}) {
    Audience audience(kName12, handlers);
    const Topic topic = audience.bus().topic(kName12);
    measure("handle" + std::to_string(handlers), [&] { (void)topic.publish(event); });
  }
  {
    Audience audience("another.topic", 1);
    measure("nobody", [&] { (void)audience.bus().publish(kName12, event); });
  }
}

}  // namespace busway::bench
