// A store that refuses some events for a while, as one whose disk is full.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include "../store/forwarding_store.hpp"
#include "busway/memory_store.hpp"

namespace busway {

class RefusingStore : public testing::ForwardingStore {
 public:
  static constexpr int kAlways = 1'000'000;

  /// Of topics that begin so the first `times` are refused.
  RefusingStore(std::string prefix, int times)
      : ForwardingStore(make_memory_store()), prefix_(std::move(prefix)), left_(times) {}

  using Store::append;
  void append(AppendRequest& request) noexcept override {
    if (!request.events().front().topic().starts_with(prefix_) || left_.load() == 0) {
      ForwardingStore::append(request);
      return;
    }
    --left_;
    for (AppendResult& one : request.results()) {
      one.answer = Appended::not_stored;
      one.error = "the disk is full";
    }
    request.done();
  }

 private:
  const std::string prefix_;
  std::atomic<int> left_;
};

}  // namespace busway
