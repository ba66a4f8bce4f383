// simulation/invariants.hpp -- compares a bus with the model.
#pragma once

#include <vector>

#include "model.hpp"

namespace busway::simulation {

/// A receipt that is not settled yet, as far as was seen.
struct OpenReceipt {
  EventRecord* event = nullptr;
  Receipt receipt;
};

/// Between two steps, when no handler runs: all numbers are exact.
void check_counters(Model& model, const Bus& bus);
void check_letters(Model& model, const Bus& bus);
void check_history(Model& model, const Bus& bus);
/// Takes out those that are settled.
void check_receipts(Model& model, std::vector<OpenReceipt>& receipts);
/// Inside a handler: what holds at every moment.
void check_inside(Model& model, const Bus& bus);
/// After all that is ready has run.
void check_nothing_is_ready(Model& model);
/// At the end: what is not settled stands behind a call that never ends, or is its own.
void check_settled(Model& model, const Bus& bus, const std::vector<OpenReceipt>& receipts);
/// Tells the model of deliveries that ended with no handler there to see it: breakers have refused
/// them, or their calls were given up.
void find_settled(Model& model, const Bus& bus);

}  // namespace busway::simulation
