// order.hpp -- the event that every system in the benchmarks carries: 24 bytes, and its names.
#pragma once

#include <cstdint>
#include <string_view>

namespace busway::bench {

inline constexpr std::string_view kName12 = "order.placed";
inline constexpr std::string_view kName25 = "warehouse.order.delivered";
static_assert(kName12.size() == 12 && kName25.size() == 25);

struct OrderPlaced {
  static constexpr std::string_view topic = kName12;
  static constexpr bool in_process = true;

  std::int64_t order = 1;
  double amount = 9.5;
  std::int32_t items = 2;
};

/// What each handler does: too little to hide what the system costs, too much to be optimised away.
struct Tally {
  std::int64_t orders = 0;

  void add(const OrderPlaced& placed) noexcept { orders += placed.order; }
};

}  // namespace busway::bench
