// phase/chain_past.hpp -- what is known of a chain that was begun before.
// Layer: phase
//
// Model      Read from the events of its session: in the store, where the bus keeps them, else in
//            the history.
// Threads    [any-thread]
// Ownership  A value.
// Errors     What the store throws.
// Cost       One question to the store.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "busway/json.hpp"

namespace busway {
class Bus;
}

namespace busway::phase_detail {

struct ChainPast {
  /// Of the first phase that started.
  std::string request{};
  Json data{};
  Json metadata = Json::object();
  bool started = false;
  bool completed = false;  ///< the chain has
  /// Phases with the data they gave, in the order in which they completed.
  std::vector<std::pair<std::string, Json>> outputs{};

  [[nodiscard]] bool is_unknown() const noexcept { return !started && outputs.empty(); }
};

[[nodiscard]] ChainPast chain_past(const Bus& bus, const std::string& session_id);

}  // namespace busway::phase_detail
