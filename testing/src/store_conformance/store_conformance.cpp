#include "busway/testing/store_conformance.hpp"

#include <vector>

#include "support.hpp"

namespace busway::testing {

void StoreHarness::kill_holder(const DurableSpec& spec, std::size_t /*count*/) {
  throw Error(ErrorCode::not_offered,
              "harness " + std::string(name()) + " cannot kill who holds events of " + spec.name);
}

std::span<const ConformanceCase> store_conformance() {
  static const std::vector<ConformanceCase> all = [] {
    std::vector<ConformanceCase> cases;
    for (const conformance::Cases part :
         {conformance::publishing_cases(), conformance::subscribing_cases(),
          conformance::names_cases(), conformance::settling_cases(), conformance::lease_cases(),
          conformance::letter_cases(), conformance::replay_cases(), conformance::reading_cases(),
          conformance::keeping_cases(), conformance::standing_cases(), conformance::death_cases(),
          conformance::thread_cases(), conformance::traffic_cases()}) {
      cases.insert(cases.end(), part.begin(), part.end());
    }
    return cases;
  }();
  return all;
}

std::string run_case(const ConformanceCase& one, StoreHarness& harness) {
  if (one.needs_manual_clock && !harness.clock()) {
    return "left out: it moves the clock, and " + std::string(harness.name()) + " has its own";
  }
  if (one.needs_kill && !harness.can_kill()) {
    return "left out: it kills a process, and " + std::string(harness.name()) + " has none to kill";
  }
  if (one.needs != nullptr) {
    harness.fresh();
    if (!(harness.open()->features().*one.needs)) {
      return "left out: " + std::string(harness.name()) + " does not offer " +
             std::string(one.needs_name);
    }
  }
  conformance::set_patience(harness.patience());
  one.run(harness);
  return {};
}

}  // namespace busway::testing
