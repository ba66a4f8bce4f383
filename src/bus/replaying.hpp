// bus/replaying.hpp -- one replay: pages of the past, published again or handed to one
// subscription.
// Layer: bus
//
// Model      Reads a page, replays it, and only then reads the next. The bound of the past is taken
//            before the first page.
// Threads    Belongs to the thread of its call.
// Ownership  Refers to the bus and the request; holds a reference on the subscriber it feeds.
// Errors     The constructor throws what Bus::replay() does; run() throws nothing of the store.
// Cost       One page in memory, and of a bus that does not store everything its history.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "busway/pattern.hpp"
#include "busway/replay_request.hpp"
#include "busway/stored_event.hpp"

namespace busway::detail {

class BusCore;
struct Subscriber;

class Replaying {
 public:
  Replaying(BusCore& core, const ReplayRequest& request, std::vector<Pattern> patterns);
  Replaying(const Replaying&) = delete;
  Replaying& operator=(const Replaying&) = delete;
  ~Replaying();

  [[nodiscard]] ReplayResult run();

 private:
  using End = ReplayResult::End;
  using SteadyTime = std::chrono::steady_clock::time_point;
  using Part = std::span<const StoredEvent>;

  void check() const;
  void find_target();
  void find_durable(const std::string& name);
  void find_range();
  [[nodiscard]] std::uint64_t sequence_of(const EventId& id) const;
  void remember();
  [[nodiscard]] std::vector<StoredEvent> next_page();
  void merge_remembered(std::vector<StoredEvent>& page, bool is_last);

  [[nodiscard]] std::optional<End> replay(Part page);
  [[nodiscard]] std::optional<End> publish(Part part);
  [[nodiscard]] std::optional<End> hand_over(Part part);
  [[nodiscard]] std::optional<End> give_to_durable(Part part);
  [[nodiscard]] std::optional<Event> again(const Event& original);
  [[nodiscard]] bool listens_to(std::string_view topic) const;
  /// How many may go now; waits for room and for the rate. 0: it ends, and why.
  [[nodiscard]] std::size_t room_for(Part part, std::optional<End>& end);
  [[nodiscard]] std::size_t room_of_listeners(Part part) const;
  [[nodiscard]] std::optional<End> wait_for_rate();
  [[nodiscard]] std::optional<End> wait_for_listeners(Part part);
  [[nodiscard]] std::optional<End> wait_a_little();
  [[nodiscard]] std::optional<End> asked_to_end() const;
  void refuse(ErrorCode code, const std::string& reason);
  void dealt_with(const StoredEvent& one);
  [[nodiscard]] bool only_counts() const noexcept {
    return request_.act == ReplayRequest::Act::count;
  }

  BusCore& core_;
  const ReplayRequest& request_;
  const std::vector<Pattern> patterns_;
  Subscriber* subscriber_ = nullptr;     // a reference; a subscription that is not durable
  std::string durable_;                  // a name of the store
  std::vector<Pattern> listens_;         // of the target
  StoreQuery query_;                     // of the store's next page
  std::uint64_t last_ = 0;               // no sequence beyond it
  bool is_stored_ = false;               // a store is asked
  std::vector<StoredEvent> remembered_;  // oldest first, and not in the store
  std::size_t next_remembered_ = 0;
  bool more_ = true;
  SteadyTime begun_{};
  ReplayResult result_;
};

}  // namespace busway::detail
