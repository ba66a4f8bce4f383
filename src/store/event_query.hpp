// store/event_query.hpp -- whether an event or a letter is what a query asks for; for stores that
// compare one by one.
// Layer: store
//
// Model      The fields of a query but for ranges of sequences, writer and status, which only the
//            store knows.
// Threads    [any-thread]
// Ownership  None.
// Errors     None.
// Cost       One comparison a field given.
#pragma once

#include <span>

#include "busway/stored_event.hpp"
#include "busway/stored_letter.hpp"

namespace busway::store_detail {

[[nodiscard]] bool fits(const StoreQuery& query, const Event& event);
[[nodiscard]] bool fits(const StoredLetterQuery& query, const StoredLetter& letter);

/// Of all deliveries together.
[[nodiscard]] EventStatus status_of(std::span<const StoredDelivery> deliveries) noexcept;

}  // namespace busway::store_detail
