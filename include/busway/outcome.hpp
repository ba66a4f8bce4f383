// busway/outcome.hpp -- what a handler says of the event it was given.
// Layer: delivery
//
// Model      A handler that returns nothing is done when it returns and has failed when it throws.
//            One that returns an Outcome chooses: done, fail, retry later, or give the event up as
//            a dead letter. A synchronous subscription keeps no dead letters: there the delivery
//            has failed, with that reason in the publisher's result, and retry() has a meaning only
//            with a retry policy.
// Threads    A value.
// Ownership  Owns its reason.
// Errors     None.
// Cost       done() allocates nothing.
// Example    tests/docs/guarantees_test.cpp
#pragma once

#include <chrono>
#include <string>
#include <utility>

namespace busway {

class Outcome {
 public:
  enum class Kind : unsigned char { done, fail, retry, dead_letter };

  [[nodiscard]] static Outcome done() noexcept { return Outcome(Kind::done, {}, {}); }
  [[nodiscard]] static Outcome fail(std::string reason) {
    return Outcome(Kind::fail, std::move(reason), {});
  }
  [[nodiscard]] static Outcome retry(std::chrono::nanoseconds after) {
    return Outcome(Kind::retry, {}, after);
  }
  [[nodiscard]] static Outcome dead_letter(std::string reason) {
    return Outcome(Kind::dead_letter, std::move(reason), {});
  }

  [[nodiscard]] Kind kind() const noexcept { return kind_; }
  [[nodiscard]] const std::string& reason() const noexcept { return reason_; }
  [[nodiscard]] std::chrono::nanoseconds after() const noexcept { return after_; }

 private:
  Outcome(Kind kind, std::string reason, std::chrono::nanoseconds after) noexcept
      : kind_(kind), reason_(std::move(reason)), after_(after) {}

  Kind kind_;
  std::string reason_;
  std::chrono::nanoseconds after_;
};

}  // namespace busway
