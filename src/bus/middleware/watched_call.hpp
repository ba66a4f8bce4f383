// bus/middleware/watched_call.hpp -- a call whose end is told, however it ends.
// Layer: bus
//
// Threads    [any-thread]
// Errors     What the call throws passes on, after it was told as a failure.
// Cost       A call; a throw costs another one.
#pragma once

#include <cxxabi.h>

#include <chrono>
#include <exception>

#include "busway/clock.hpp"
#include "busway/middleware.hpp"

namespace busway::detail {

/// told(outcome, took) must not throw.
template <class Told>
Outcome watched_call(Context& context, const Next& next, const Told& told) {
  const Clock& clock = context.clock();
  const SteadyTime begin = clock.steady();
  const auto tell = [&](const Outcome& outcome) { told(outcome, clock.steady() - begin); };
  try {
    Outcome outcome = next();
    tell(outcome);
    return outcome;
  } catch (const abi::__forced_unwind&) {
    throw;  // the thread is being cancelled
  } catch (const std::exception& error) {
    tell(Outcome::fail(error.what()));
    throw;
  } catch (...) {
    tell(Outcome::fail("what was thrown is no std::exception"));
    throw;
  }
}

/// Calls what is not allowed to harm the delivery it watches.
template <class Call>
void call_harmlessly(const Call& call) {
  try {
    call();
  } catch (const abi::__forced_unwind&) {
    throw;
  } catch (...) {
    // Who watches a delivery must not make it fail.
  }
}

}  // namespace busway::detail
