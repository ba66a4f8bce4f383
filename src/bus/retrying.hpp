// bus/retrying.hpp -- what asynchronous and synchronous retries share.
// Layer: bus
//
// Model      Words and values around delivery/retry_schedule.hpp.
// Threads    [any-thread]
// Ownership  None.
// Errors     None.
// Cost       None.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

#include "busway/outcome.hpp"
#include "delivery/retry_schedule.hpp"

namespace busway::detail {

/// What is added to the reason of a failure after which there is no further attempt; "" where the
/// number of attempts says it.
[[nodiscard]] std::string_view why_no_retry(delivery_detail::RetryVerdict verdict) noexcept;

/// The delay a handler asked for, if it did.
[[nodiscard]] std::optional<std::chrono::nanoseconds> asked_again(const Outcome& outcome) noexcept;

}  // namespace busway::detail
