// simulation/handlers.hpp -- the kinds of handlers: what each does, and how its calls end.
//
// A new kind is a row of the table in handlers.cpp. One that does something new adds an Action,
// done in World::act(); one whose call ends in a new way adds an Ending (records.hpp): World::end()
// gives it to the bus, and Model::end_call() says what must become of the delivery.
#pragma once

#include <array>
#include <span>

#include "records.hpp"

namespace busway::simulation {

enum class Action : unsigned char {
  nothing,
  takes_long,  // moves the clock
  looks,       // at the counters
  publishes,
  publishes_same,  // the topic it handles: until the hop limit
  publishes_and_waits,
  subscribes,
  unsubscribes_self,
  unsubscribes_other,
  pauses_self,
  pauses_other,
  resumes_other,
  redrives,
  stops
};
inline constexpr std::size_t kActions = 14;
inline constexpr std::size_t kEndings = 6;  // that a handler may choose

struct Profile {
  const char* name;
  std::array<unsigned, kEndings> endings;  // how often each, in the order of Ending
  std::array<unsigned, kActions> actions;  // in the order of Action
};

[[nodiscard]] std::span<const Profile> all_profiles();

}  // namespace busway::simulation
