// bus/payload_size.hpp -- how large a payload is on the wire, for max_payload.
// Layer: bus
//
// Model      Bytes count as they are, JSON as its text would; a typed value counts nothing until
//            someone asks for its JSON.
// Threads    [any-thread]
// Errors     None.
// Cost       Bytes: one comparison. JSON: a walk that ends at the limit.
#pragma once

#include <cstddef>

#include "busway/detail/payload_block.hpp"

namespace busway::detail {

[[nodiscard]] bool payload_exceeds(const PayloadBlock& block, std::size_t limit);
[[nodiscard]] std::size_t payload_bytes(const PayloadBlock& block);

}  // namespace busway::detail
