// store/watch_list.hpp -- who wants to hear that a store has news.
// Layer: store
//
// Model      Store::watch() of any store: add() gives a handle, tell() calls all whose handle
//            lives.
// Threads    [any-thread]. tell() calls on its own thread, with no lock but the watch's own; a
//            handle that goes waits for a running call, unless it goes inside that call.
// Ownership  A handle may outlive the list.
// Errors     A watch must not throw.
// Cost       tell(): one load without watches, else one lock and a copy of a pointer each.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

namespace busway::store_detail {

class WatchList {
 public:
  [[nodiscard]] std::shared_ptr<void> add(std::function<void()> news);
  void tell();

 private:
  struct Watch;

  std::atomic<bool> any_{false};  // becomes true and stays so
  std::mutex mutex_;              // guards watches_; not held while one is called
  std::vector<std::weak_ptr<Watch>> watches_;
};

}  // namespace busway::store_detail
