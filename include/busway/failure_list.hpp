// busway/failure_list.hpp -- what went wrong with one publish: empty nearly always, so one pointer.
// Layer: delivery
//
// Model      A vector of DeliveryFailure behind a pointer that is null while the list is empty.
// Threads    A value. [not-concurrent] unless const.
// Ownership  Owns its entries; copying copies them.
// Errors     at() throws std::out_of_range.
// Cost       8 bytes; an empty list never allocates.
// Example    tests/docs/guarantees_test.cpp
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "busway/error.hpp"

namespace busway {

/// Names one subscription of a bus; never used again after it ended.
using SubscriptionId = std::uint64_t;

/// One thing that went wrong. subscription is 0 when the whole event was refused.
struct DeliveryFailure {
  SubscriptionId subscription = 0;
  std::string name;  ///< the subscription's name or pattern, or the filter's name
  ErrorCode code = ErrorCode::ok;
  std::string reason;
};

class FailureList {
 public:
  FailureList() noexcept = default;
  FailureList(const FailureList& other);
  FailureList(FailureList&& other) noexcept : entries_(std::exchange(other.entries_, nullptr)) {}
  FailureList& operator=(FailureList other) noexcept {
    std::swap(entries_, other.entries_);
    return *this;
  }
  ~FailureList() {
    if (entries_ != nullptr) [[unlikely]]
      destroy();
  }

  [[nodiscard]] bool empty() const noexcept { return entries_ == nullptr; }
  [[nodiscard]] std::size_t size() const noexcept;
  [[nodiscard]] const DeliveryFailure* begin() const noexcept;
  [[nodiscard]] const DeliveryFailure* end() const noexcept { return begin() + size(); }
  [[nodiscard]] const DeliveryFailure& operator[](std::size_t i) const noexcept {
    return begin()[i];
  }
  [[nodiscard]] const DeliveryFailure& at(std::size_t i) const;
  [[nodiscard]] const DeliveryFailure& front() const noexcept { return *begin(); }
  [[nodiscard]] const DeliveryFailure& back() const noexcept { return *(end() - 1); }

  void push_back(DeliveryFailure failure);

 private:
  struct Entries;
  void destroy() noexcept;

  Entries* entries_ = nullptr;  // never empty
};

}  // namespace busway
