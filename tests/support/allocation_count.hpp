// allocation_count.hpp -- how often this thread has allocated.
#pragma once

#include <cstddef>

namespace busway {

/// Calls of operator new on this thread since it began.
[[nodiscard]] std::size_t allocation_count() noexcept;

}  // namespace busway
