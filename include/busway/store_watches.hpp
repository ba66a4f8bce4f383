// busway/store_watches.hpp -- those who want to know that a store has news; for stores.
// Layer: store
//
// Model      A store holds one of these, gives Store::watch() to add(), and calls tell() after each
//            commit.
// Threads    [any-thread]; calls of one watch may overlap. A watch that ends waits for its calls
//            that run on other threads.
// Ownership  Owns the functions; a watch may outlive it.
// Errors     None: what a function throws ends the program, as Store::watch() forbids it.
// Cost       tell(): one lock, and one a watch.
// Example    tests/store/store_watches_test.cpp
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "busway/store_news.hpp"

namespace busway {

class StoreWatches {
 public:
  /// Ends when the last copy goes; inside its own function that does not wait.
  [[nodiscard]] std::shared_ptr<void> add(std::function<void(StoreNews)> news);
  void tell(StoreNews news = StoreNews::in_passing) noexcept;

 private:
  struct One;
  struct All {
    std::mutex mutex;
    std::vector<std::shared_ptr<One>> list;
  };
  std::shared_ptr<All> all_ = std::make_shared<All>();
};

}  // namespace busway
