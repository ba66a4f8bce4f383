// busway/memory_store.hpp -- a store that lives as long as its process: the same contract without a
// disk.
// Layer: store
//
// Model      memory: in an address. The log is kept whole unless a Retention says otherwise.
// Threads    As Store; one mutex.
// Ownership  Owns copies of the events.
// Errors     As Store.
// Cost       An append is one copy of the event and one hash insertion. Sizes in stats() and for
//            Retention::max_bytes are estimates: JSON and typed values are not written out. A trim
//            moves what it keeps among the oldest, with the mutex held.
// Example    tests/store/memory_store_test.cpp
#pragma once

#include <memory>

#include "busway/store.hpp"
#include "busway/store_provider.hpp"

namespace busway {

[[nodiscard]] std::shared_ptr<Store> make_memory_store(const StoreOptions& options = {});

}  // namespace busway
