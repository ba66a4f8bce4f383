// busway/append_request.hpp -- events on their way into a store, and the three answers to each.
// Layer: store
//
// Model      The caller owns the request, its events and its results until done() is called, once.
//            unknown: the store may hold the event (a lost connection, a failed sync); appending it
//            again with the same id is harmless and tells.
// Threads    done() runs on any thread of the store, or inside append(); it must neither block nor
//            call the store.
// Ownership  Refers to events and results of the caller.
// Errors     As results; an append never throws.
// Cost       None of its own.
// Example    tests/store/memory_store_test.cpp
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "busway/event.hpp"

namespace busway {

enum class Appended : unsigned char {
  unknown,  ///< it may be stored
  stored,
  duplicate,  ///< an event of this id was stored before; sequence is that one's
  not_stored
};
[[nodiscard]] std::string_view to_string(Appended appended) noexcept;

struct AppendResult {
  Appended answer = Appended::unknown;
  std::uint64_t sequence = 0;  ///< of stored and duplicate
  std::string error;           ///< of not_stored and unknown: why
  bool is_of_event = false;    ///< of not_stored: for what the event is; others may be stored

  /// The store holds the event.
  [[nodiscard]] bool ok() const noexcept {
    return answer == Appended::stored || answer == Appended::duplicate;
  }
};

class AppendRequest {
 public:
  /// results.size() == events.size(). Each event has its id and its time.
  AppendRequest(std::span<const Event> events, std::span<AppendResult> results) noexcept
      : events_(events), results_(results) {}
  AppendRequest(const AppendRequest&) = delete;
  AppendRequest& operator=(const AppendRequest&) = delete;

  [[nodiscard]] std::span<const Event> events() const noexcept { return events_; }
  [[nodiscard]] std::span<AppendResult> results() const noexcept { return results_; }

  /// All results are set. The store touches the request no more.
  virtual void done() noexcept = 0;

  /// For the store: requests that wait for the same commit.
  AppendRequest* next = nullptr;

 protected:
  ~AppendRequest() = default;

 private:
  std::span<const Event> events_;
  std::span<AppendResult> results_;
};

}  // namespace busway
