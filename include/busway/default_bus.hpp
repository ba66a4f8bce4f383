// busway/default_bus.hpp -- the one bus of a program that wants only one.
// Layer: bus
//
// Model      default_bus() makes a Bus with default options at the first call, unless
//            set_default_bus() has given one before: initialize() of host.hpp does. What BUSWAY_ON
//            (on.hpp) has declared is subscribed then.
// Threads    Both functions are [any-thread].
// Ownership  The bus is shared for the rest of the process and never destroyed, so that destructors
//            of static objects may use it; after its stop() it answers stopped.
// Errors     set_default_bus: Error(already_exists) when the program already uses another one;
//            Error(invalid_argument) for none. Both pass on what a handler of BUSWAY_ON was
//            declared with: Error(invalid_pattern, invalid_option) naming the handler and its line;
//            then no bus is set and the next call tries again.
// Cost       default_bus(): one atomic load after the first call.
// Example    tests/bus/default_bus_test.cpp
#pragma once

#include <memory>

#include "busway/bus.hpp"

namespace busway {

[[nodiscard]] Bus& default_bus();

void set_default_bus(std::shared_ptr<Bus> bus);

namespace detail {
/// The bus has stopped: should it be the default one, it remains so until another is set, which now
/// may be. Handlers of BUSWAY_ON then move to that one.
void retire_default_bus(const Bus& bus) noexcept;
}  // namespace detail

}  // namespace busway
