// busway/store_news.hpp -- on which thread a store tells that it has news.
// Layer: store
//
// Model      What Store::watch() passes on. A store with a thread that listens tells there what
//            others did, and whoever is told need not wake a thread of its own.
// Threads    Plain values.
// Ownership  None.
// Errors     None.
// Cost       None.
// Example    tests/store/store_watches_test.cpp
#pragma once

namespace busway {

enum class StoreNews : unsigned char {
  in_passing,  ///< one with other things to do, such as a writer: the call must not block
  /// One of the store that does nothing else: the call may use the store. Store::close() there only
  /// begins to close it, and the store must not be destroyed there.
  on_own_thread
};

}  // namespace busway
