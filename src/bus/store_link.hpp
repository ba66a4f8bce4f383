// bus/store_link.hpp -- the bus's side of its store: which topics are kept, how a publish waits for
// its commit, what others have appended.
// Layer: bus
//
// Model      A kept event is appended first, and goes along its route when the store has it. Events
//            of other openings of the store are read behind them and go along their routes here.
//            Several buses of the process may share one opening, whose events then all have its
//            name: each tells its own by what it has appended.
//            Durable subscriptions are served by DurableFeeds.
// Threads    [any-thread]
// Ownership  Belongs to the BusCore; shares the store.
// Errors     As results.
// Cost       A kept publish is one append of the store.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "bus/durable_feeds.hpp"
#include "busway/event.hpp"
#include "busway/pattern.hpp"
#include "busway/publish_result.hpp"
#include "busway/store.hpp"
#include "event/event_access.hpp"

namespace busway::detail {

class BusCore;
struct TopicEntry;

/// An event of publish_async on its way into the store.
class PendingAppend final : public AppendRequest {
 public:
  explicit PendingAppend(Event event)
      : AppendRequest({&event_, 1}, {&result_, 1}), event_(std::move(event)) {}
  void done() noexcept override;
  /// False at the deadline.
  bool wait(std::chrono::steady_clock::time_point deadline) const;
  /// Once wait() has said true.
  [[nodiscard]] const AppendResult& result() const noexcept { return result_; }
  [[nodiscard]] const Event& event() const noexcept { return event_; }

 private:
  Event event_;
  AppendResult result_;
  mutable std::mutex mutex_;
  mutable std::condition_variable answered_;
  bool is_done_ = false;  // guarded by mutex_
};

class StoreLink {
 public:
  /// mine: the store ends with the link.
  enum class Whose : unsigned char { mine, callers };
  StoreLink(BusCore& core, std::shared_ptr<Store> store, Whose whose, std::vector<Pattern> keep);
  StoreLink(const StoreLink&) = delete;
  StoreLink& operator=(const StoreLink&) = delete;
  ~StoreLink();

  /// From now on events of other openings may come: once the bus is ready for them.
  void begin();
  [[nodiscard]] Store& store() noexcept { return *store_; }
  [[nodiscard]] const std::shared_ptr<Store>& shared() const noexcept { return store_; }
  [[nodiscard]] DurableFeeds& feeds() noexcept { return feeds_; }

  /// Whether events of the topic are kept; remembered by the entry.
  [[nodiscard]] bool keeps(TopicEntry& entry);
  [[nodiscard]] bool keeps_topic(std::string_view topic) const;
  /// These too from now on.
  void keep_also(const std::vector<Pattern>& patterns);
  [[nodiscard]] bool keeps_any() const;
  /// Whether events of all topics are.
  [[nodiscard]] bool keeps_all() const;

  /// Gives the event the instance's id, where it has none. Of an event that this thread alone sees;
  /// a borrowed one refers to this link.
  void stamp(Event& event);

  /// As Store's; what is appended this way is known to be of this bus.
  [[nodiscard]] AppendResult append(const Event& event) noexcept;
  void append(std::span<const Event> events, std::span<AppendResult> results) noexcept;
  /// Its answer is to be told to answered_now() before it is accepted.
  void append(PendingAppend& pending) noexcept;
  /// One of unknown fate is answered when accept() has noted it.
  void answered_now(const AppendResult& answer, const EventId& id);

  /// Says in the result what the answer to an append() means for a publish; true: its handlers are
  /// to run.
  [[nodiscard]] bool accept(const AppendResult& answer, const Event& event, PublishResult& result);

  struct Followed {
    bool did = false;   // something was delivered
    bool more = false;  // there may be more, and room for it
  };
  /// Delivers what other openings have appended, as far as there is room.
  Followed follow();
  [[nodiscard]] bool follows() const noexcept { return follows_.load(std::memory_order_acquire); }
  /// Whether this thread is within an append() of this link that waits: what a store tells there is
  /// of what this bus did.
  [[nodiscard]] bool appends_here() const noexcept;
  /// Whether another bus of this process is on the same opening.
  [[nodiscard]] bool is_shared();

  /// All feeds give back what they hold; no call of the store begins after this.
  void close() noexcept;

 private:
  BusCore& core_;
  const std::shared_ptr<Store> store_;
  const Whose whose_;
  const RareHandle instance_;  // an event's rare fields with the instance's id alone
  mutable std::mutex keep_mutex_;
  std::vector<Pattern> keep_;  // guarded by keep_mutex_
  std::atomic<std::uint32_t> keep_version_{1};
  std::atomic<bool> follows_;
  std::uint64_t followed_to_ = 0;  // of follow() alone, which one thread calls at a time

  // -- Several buses on one opening.
  struct Links;
  static Links& links();
  void join();
  void leave() noexcept;
  void begin_sharing();
  void end_sharing();
  [[nodiscard]] bool share_from(std::uint64_t last);
  void appending(std::span<const Event> events);
  void answered(const AppendResult& answer, const EventId& id);
  enum class Writer : unsigned char { own, others, not_known };
  [[nodiscard]] Writer writer_of(const StoredEvent& one);
  [[nodiscard]] bool comes_by_following(const StoredEvent& one);
  // Guarded by the lock of all links.
  bool ready_ = false;
  int visitors_ = 0;  // of those that join, which have still to do with this one
  /// What this bus appends, until it is answered; once the opening is shared, until follow() has
  /// come upon it.
  struct Own {
    unsigned unanswered = 0;
    std::uint64_t sequence = 0;
  };
  std::mutex own_mutex_;
  // Guarded by own_mutex_.
  std::unordered_map<EventId, Own> own_;
  bool is_shared_ = false;
  static constexpr std::uint64_t kNobodyShares = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t shared_from_ = kNobodyShares;  // nobody shared up to it
  bool waits_for_answer_ = false;

  /// Ids of events of which the store could not say whether it has them.
  std::mutex unknown_mutex_;
  struct Unknown {
    EventId id{};
    int looks = 0;
    bool repeated = false;  // it is being published once more
  };
  void set_repeated(const EventId& id, bool repeated);
  bool forget_unknown(const EventId& id);
  void look_for_unknown();
  std::vector<Unknown> unknown_;  // guarded by unknown_mutex_
  std::atomic<bool> has_unknown_{false};
  DurableFeeds feeds_;
};

}  // namespace busway::detail
