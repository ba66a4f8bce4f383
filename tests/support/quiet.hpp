// quiet.hpp -- options of a bus that says nothing on standard error.
#pragma once

#include <span>
#include <string_view>
#include <utility>

#include "busway/bus_options.hpp"

namespace busway {

inline BusOptions quiet(BusOptions options = {}) {
  if (!options.log) options.log = [](LogLevel, std::string_view, std::span<const LogField>) {};
  return options;
}

}  // namespace busway
