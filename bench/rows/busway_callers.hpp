// rows/busway_callers.hpp -- busway as a system with n handlers, for peers/callers.hpp.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "busway/busway.hpp"
#include "busway/typed.hpp"
#include "order.hpp"
#include "peers/callers.hpp"

namespace busway::bench {

/// By name, as written in most programs.
template <const std::string_view& kName>
class ByName {
 public:
  explicit ByName(std::size_t handlers) {
    for (std::size_t i = 0; i < handlers; ++i) {
      subscriptions_.push_back(
          bus_.subscribe(kName, [](const OrderPlaced& placed) { handle(placed); }));
    }
  }
  void publish(const OrderPlaced& event) { benchmark::DoNotOptimize(bus_.publish(kName, event)); }
  [[nodiscard]] Bus& bus() noexcept { return bus_; }
  void keep(Subscription subscription) { subscriptions_.push_back(std::move(subscription)); }

 private:
  Bus bus_;
  std::vector<Subscription> subscriptions_;
};

/// Through a Topic handle.
class ByHandle {
 public:
  explicit ByHandle(std::size_t handlers) : by_name_(handlers) {}
  void publish(const OrderPlaced& event) const { benchmark::DoNotOptimize(topic_.publish(event)); }

 private:
  ByName<kName12> by_name_;
  Topic topic_ = by_name_.bus().topic(kName12);
};

/// One hundred globs, of which one is the handler's and the others are for other topics.
class AmongGlobs {
 public:
  explicit AmongGlobs(std::size_t handlers) : by_name_(0) {
    for (std::size_t i = 0; i < handlers; ++i) {
      by_name_.keep(by_name_.bus().subscribe("glob:order.*",
                                             [](const OrderPlaced& placed) { handle(placed); }));
    }
    for (std::size_t i = handlers; i < 100; ++i) {
      by_name_.keep(by_name_.bus().subscribe("glob:service" + std::to_string(i) + ".*",
                                             [](const OrderPlaced& placed) { handle(placed); }));
    }
  }
  void publish(const OrderPlaced& event) { by_name_.publish(event); }

 private:
  ByName<kName12> by_name_;
};

}  // namespace busway::bench
