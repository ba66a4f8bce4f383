// bus/live_past.hpp -- the past of a live subscription that begins with a replay, page by page.
// Layer: bus
//
// Model      What the store has up to a sequence, oldest first, and what the bus remembers beside
//            it, merged by time. One page is in memory at a time.
// Threads    One thread at a time.
// Ownership  Refers to the bus and the subscriber, to which it belongs.
// Errors     next() throws those of the store.
// Cost       One read of the store a page.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_set>
#include <vector>

#include "busway/event_id.hpp"
#include "busway/pattern.hpp"
#include "busway/replay.hpp"
#include "delivery/mailbox.hpp"

namespace busway::detail {

class BusCore;
struct Subscriber;

class LivePast {
 public:
  /// remembered: oldest first.
  LivePast(BusCore& core, Subscriber& subscriber, const Replay& replay,
           std::vector<Pattern> patterns, std::vector<delivery_detail::PastEvent> remembered,
           std::uint64_t last);

  /// Events that the subscription is to get, maybe none. False: they were the last.
  [[nodiscard]] bool next(std::vector<delivery_detail::PastEvent>& page);

 private:
  [[nodiscard]] bool fits(const Event& event) const;

  BusCore& core_;
  Subscriber& subscriber_;
  const Replay replay_;
  const std::vector<Pattern> patterns_;
  std::vector<delivery_detail::PastEvent> remembered_;
  std::size_t next_remembered_ = 0;
  std::unordered_set<EventId> is_remembered_;
  std::uint32_t publisher_ = 0;  // no two of the store are known to be of one
  std::uint64_t after_ = 0;
  const std::uint64_t last_;  // no sequence beyond it
};

}  // namespace busway::detail
