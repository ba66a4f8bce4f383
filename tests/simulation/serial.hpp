// simulation/serial.hpp -- the number that each event of a simulation carries, as a typed payload
// or as JSON.
#pragma once

#include <cstdint>
#include <string_view>

#include "busway/event.hpp"
#include "busway/typed_event.hpp"

namespace busway::simulation {

struct Numbered {
  static constexpr std::string_view type_name = "simulation.numbered";
  static constexpr bool in_process = true;
  std::uint64_t serial = 0;
};

/// 0 when it carries none.
[[nodiscard]] inline std::uint64_t serial_of(const Event& event) {
  if (const auto* typed = event.if_same<Numbered>()) return typed->serial;
  return event.is_json() ? event.json().get<std::uint64_t>() : 0;
}

}  // namespace busway::simulation
