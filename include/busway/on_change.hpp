// busway/on_change.hpp -- what opening a durable name does when it was made with other patterns or
// another order.
// Layer: event
//
// Model      {.durable = "mailer", .on_change = OnChange::replace}
// Threads    A value.
// Ownership  None.
// Errors     refuse: Error(durable_mismatch) that names both.
// Cost       None.
// Example    tests/bus/durable_test.cpp
#pragma once

namespace busway {

/// replace: takes the new patterns for all events after the cursor.
enum class OnChange : unsigned char { refuse, replace };

}  // namespace busway
