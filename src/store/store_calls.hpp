// store/store_calls.hpp -- what the stores say and do alike in replay() and census().
// Layer: store
//
// Model      Checks and an order.
// Threads    [any-thread]
// Ownership  None.
// Errors     As named.
// Cost       None of their own.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "busway/store_census.hpp"

namespace busway::store_detail {

/// Throws Error(invalid_argument) for more than limits::kFetchMax.
void check_replay(std::span<const std::uint64_t> sequences);
/// Throws Error(not_found).
[[noreturn]] void no_such_durable(std::string_view name);
/// Those with most events first, then by name.
void sort_topics(std::vector<TopicCount>& topics);

}  // namespace busway::store_detail
