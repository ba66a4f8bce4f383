#pragma once
#include <atomic>
#include <memory>
#include <string>
#include "../store/forwarding_store.hpp"
#include "busway/memory_store.hpp"
namespace busway {
/// Takes no event of such topics so many times, as one whose disk is full.
class Refusing : public testing::ForwardingStore {
 public:
  Refusing(std::string prefix, int count)
      : ForwardingStore(make_memory_store()), prefix_(std::move(prefix)), left_(count) {}
  using Store::append;
  void append(AppendRequest& request) noexcept override {
    if (request.events().front().topic().starts_with(prefix_) && left_.load() > 0) {
      --left_;
      for (AppendResult& one : request.results()) {
        one.answer = Appended::not_stored;
        one.error = "the disk is full";
      }
      request.done();
      return;
    }
    ForwardingStore::append(request);
  }
 private:
  std::string prefix_;
  std::atomic<int> left_;
};
}  // namespace busway
