// store/memory/query.hpp -- reads a memory store's log.
// Layer: store
//
// Threads    [any-thread]: takes the state's mutex, piece by piece.
// Errors     Error(stopped).
// Cost       Bounded by sequences: that part of the log; each other field: event by event.
#pragma once

#include "busway/stored_event.hpp"
#include "store/memory/state.hpp"

namespace busway::store_detail {

[[nodiscard]] StorePage read_page(MemoryState& state, const StoreQuery& query);

}  // namespace busway::store_detail
