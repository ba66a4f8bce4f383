// bus/bus_core.hpp -- the bus behind Bus: its tables, its threads, its locks.
// Layer: bus
//
// Model      Publishing reads immutable things reached through atomic pointers and writes only to
//            its own ThreadState. Everything else happens under one mutex. What publishing may
//            still see when it is replaced goes to the retired list and is freed once no frame can
//            see it. docs/design/0001-routes.md tells why. Parts: publish.cpp runs events along
//            routes, publish_straight.cpp small ones when all is as usual, publish_async.cpp later
//            ones; tracing.cpp gives events their place in a trace; routes.cpp builds and retires
//            routes; subscribe.cpp adds and ends subscriptions; invoke.cpp holds what a route may
//            call; timed_call.cpp and abandoned.cpp deadlines; coroutine_call.cpp handlers that
//            are suspended; breaking.cpp, history.cpp, replaying.cpp, stats.cpp, request.cpp,
//            receipt.cpp and stop.cpp what their names say; bus.cpp is the public face.
// Threads    publish* take no lock unless a route is missing. mutex_ is never held while foreign
//            code runs.
// Ownership  Counted: by the Bus, and by each handle and Subscriber.
// Errors     As Bus.
// Cost       As Bus.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "bus/dead_letter_box.hpp"
#include "bus/dispatch.hpp"
#include "bus/receipt_callbacks.hpp"
#include "bus/route.hpp"
#include "bus/status_book.hpp"
#include "bus/store_link.hpp"
#include "bus/subscriber_extra.hpp"
#include "bus/thread_state.hpp"
#include "bus/topic_table.hpp"
#include "bus/watchdog.hpp"
#include "busway/bus.hpp"
#include "delivery/mailbox.hpp"
#include "delivery/wait_graph.hpp"
#include "delivery/worker_pool.hpp"
#include "event/event_access.hpp"
#include "match/match_stamps.hpp"
#include "match/pattern_index.hpp"
#include "platform/fast_clock.hpp"

namespace busway::detail {

/// What a publish is made of before it is an event.
struct Draft {
  const PayloadType* type = nullptr;      // null: no payload
  const void* object = nullptr;           // the publisher's value
  PayloadBlock* block = nullptr;          // or a block, whose reference the caller keeps
  const EventOptions* options = nullptr;  // null: none set
};

/// Follows the deliveries of one event: of one from publish_async, and of any while the bus keeps
/// the status of events.
struct ReceiptState {
  /// yes: a Receipt tells of single deliveries.
  enum class Outcomes : unsigned char { no, yes };
  ReceiptState(BusCore& bus, Outcomes kept);
  std::atomic<std::uint32_t> references{1};
  mutable std::mutex mutex;
  std::condition_variable changed;
  BusCore* const core;  // holds a reference
  const Outcomes keeps;
  // Guarded by mutex.
  PublishResult result;
  std::vector<DeliveryOutcome> outcomes;
  std::vector<SubscriptionId> queued_into;  // kept as outcomes are
  std::size_t open = 1;  // deliveries not ended, and one for the synchronous part
  bool begun = false;
  std::vector<SettledCallback> callbacks;
  // Written before the event goes to a mailbox.
  std::uint64_t before_id = 0;             // subscriptions from this id on do not get the event
  std::uint64_t replays_before_id = 0;     // but those that replay the past do, below this one
  StatusBook::Ticket ticket = 0;           // 0: the bus keeps no status of events
  std::unique_ptr<PendingAppend> pending;  // of a kept topic: the strand waits for it
  bool whole = false;                      // its queued deliveries are made by the strand as well
  std::uint64_t kept_as = 0;               // of a foreign one
  bool is_foreign = false;  // stored by another opening: the filters here have not seen it
};
/// The handler of a delivery is about to be called.
void began(ReceiptState& receipt);
/// attempts: how often the handler was called.
void ended(ReceiptState& receipt, const Subscriber& subscriber, DeliveryOutcome::Kind kind,
           std::string reason, unsigned attempts);
/// The synchronous part will not run; close_part() is still to come.
void part_failed(ReceiptState& receipt, DeliveryFailure failure);
/// One of the open parts has ended; drops the reference it held.
void close_part(ReceiptState* receipt);
void release(ReceiptState& receipt) noexcept;

/// A SubscriptionId is a sequence number and, in the low bits, the slot it stands in.
inline constexpr unsigned kSlotBits = 24;

/// Notes how long a handler took.
void sample_latency(Subscriber& subscriber, std::uint64_t ns);

/// A serial no other bus of the process has or had.
[[nodiscard]] std::uint64_t enter_live_buses(BusCore* core);
void leave_live_buses(std::uint64_t serial) noexcept;

/// Why a call was refused whose subscription has left as many behind as may be.
[[nodiscard]] std::string abandoned_words(const Subscriber& subscriber);
/// What is said of a call that has passed its deadline.
[[nodiscard]] std::string late_words(const Subscriber& subscriber);
/// The end of such words where its retries have a total, else nothing.
[[nodiscard]] std::string or_total_words(const Subscriber& subscriber);

/// Fills in what an event made elsewhere lacks, as of now.
void complete(BusCore& core, Event& event, event_detail::IdGenerator& ids);

struct BusFilter {
  std::string name;
  std::function<bool(const Event&)> predicate;
};

/// What nobody can see any more, freed when the list goes out of scope: declare it before the lock,
/// so that no callable of a user is destroyed under it.
class Garbage {
 public:
  Garbage() = default;
  Garbage(const Garbage&) = delete;
  Garbage& operator=(const Garbage&) = delete;
  ~Garbage();

  void add(Subscriber* reference) { subscribers_.push_back(reference); }
  void add(Route* route) { routes_.push_back(route); }
  void add(TopicTable::Table* table) { tables_.push_back(table); }

 private:
  std::vector<Subscriber*> subscribers_;
  std::vector<Route*> routes_;
  std::vector<TopicTable::Table*> tables_;
};

class BusCore {
 public:
  explicit BusCore(BusOptions options);
  BusCore(const BusCore&) = delete;
  BusCore& operator=(const BusCore&) = delete;

  void retain() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
  void release() noexcept {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

  // -- publish.cpp --------------------------------------------------------------------------------
  PublishResult publish(std::string_view topic, const Draft& draft);
  PublishResult publish(TopicEntry* entry, const Draft& draft);
  PublishResult publish(const Event& event);
  /// The same without a payload.
  PublishResult publish_empty(std::string_view topic);
  PublishResult publish_empty(TopicEntry* entry);
  /// The same for a payload that fits into an event, as kInlinePayloadBytes bytes: in a straight
  /// line when all is as usual, else as above. Only in publish_straight.cpp.
  template <bool kPayload>
  PublishResult publish_by_name(std::string_view topic, const PayloadType* type,
                                const void* padded);
  template <bool kPayload>
  PublishResult publish_by_entry(TopicEntry* entry, const PayloadType* type, const void* padded);
  Receipt publish_async(Event event);
  std::vector<PublishResult> publish_batch(std::span<const Event> events);
  /// Gives an event made elsewhere the place in a trace that it lacks.
  void trace(Event& event, const Event* cause, event_detail::IdGenerator& ids) const;
  Event make_event(std::string_view topic, const Draft& draft);

  // -- storing.cpp --------------------------------------------------------------------------------
  /// Null: nothing is kept.
  [[nodiscard]] StoreLink* link() const noexcept { return link_.load(std::memory_order_acquire); }
  /// Makes the store of a bus that has none yet: in memory.
  [[nodiscard]] StoreLink& link_or_make();
  /// Whether there is a store whose events outlive this process.
  [[nodiscard]] bool store_lasts() const;
  /// Events of topics that match are kept from now on.
  void keep_also(const std::vector<Pattern>& patterns);
  /// Along the routes of this bus, later: an event that another opening has stored. False: there is
  /// no room now; the feeds are woken when there is.
  bool deliver_stored(const StoredEvent& stored);
  /// Whether such an event could be taken now. They get half of the queue of publish_async: the
  /// rest is for events from here.
  [[nodiscard]] bool has_room_for_stored();
  bool remove_durable(std::string_view name);
  struct OpenDurable {
    std::string name;
    SubscriptionId id = 0;
    std::string owner;
  };
  [[nodiscard]] std::vector<OpenDurable> open_durables();
  [[nodiscard]] std::optional<EventStatusInfo> event_status(const EventId& id);

  // -- subscribe.cpp ------------------------------------------------------------------------------
  /// Takes over the subscriber, also when it throws.
  Subscriber* subscribe(Subscriber* subscriber, const Patterns& patterns,
                        const SubscriptionOptions& options);
  std::size_t unsubscribe(const SubscriptionQuery& query);
  bool unsubscribe(SubscriptionId id);
  /// Its calls, synchronous ones, keep this deadline themselves.
  void set_own_timeout(SubscriptionId id, std::chrono::nanoseconds timeout);
  /// A durable subscription that is held takes nothing new: what comes stays in the store.
  void hold_durable(SubscriptionId id, bool held);
  /// Whether a durable subscription has something out, or to settle, or maybe to fetch.
  [[nodiscard]] bool durable_busy(SubscriptionId id);
  /// A durable subscription gets neither requests nor what the store does not keep, and is on no
  /// route.
  void only_from_store(SubscriptionId id);
  /// Before its first event: `ahead` gets what is coming, on the thread that will handle it.
  void look_ahead(SubscriptionId id, decltype(SubscriberExtra::ahead) ahead);
  /// Ends an asynchronous subscription whose handler may never return, without waiting for it: what
  /// waits and what runs become dead letters.
  void bury(SubscriptionId id, const std::string& reason);
  /// Ends these, waits for their running calls unless inside a handler, and drops one reference of
  /// each.
  enum class Waiting : unsigned char { allowed, never };
  void end(std::span<Subscriber* const> subscribers, Waiting waiting = Waiting::allowed);
  void pause(Subscriber& subscriber);
  void resume(Subscriber& subscriber);
  bool wait_idle(Subscriber& subscriber, std::chrono::steady_clock::time_point deadline);
  std::vector<SubscriptionInfo> subscriptions(std::string_view owner);
  /// Whether a subscription that takes events now names this topic: a wildcard that happens to
  /// match it is no sign that somebody answers its requests. No lock while the topic's route is as
  /// it was.
  [[nodiscard]] bool is_subscribed_by_name(std::string_view topic);

  /// The next page of a subscription's past, into its mailbox.
  void read_past(Subscriber& subscriber) noexcept;

  // -- routes.cpp ---------------------------------------------------------------------------------
  TopicEntry* pin_topic(std::string_view name);
  void repin_topic(TopicEntry* entry) noexcept;
  void unpin_topic(TopicEntry* entry) noexcept;
  delivery_detail::WorkerPool& pool();

  // -- history.cpp, stats.cpp, request.cpp, stop.cpp ----------------------------------------------
  std::vector<Event> history(const Patterns& patterns, std::size_t limit, WallTime since);
  /// cut: whether events have fallen out of what is kept.
  std::vector<delivery_detail::PastEvent> past_events(bool* cut);
  /// Those of past_events() that match, and what the store has beside them: at most so many of its
  /// newest (0: all), none older than `since`.
  std::vector<delivery_detail::PastEvent> past_events_of(std::span<const Pattern> patterns,
                                                         std::size_t limit, WallTime since,
                                                         bool* cut);
  ReplayResult replay(const ReplayRequest& request);
  Stats stats();
  /// A queued delivery of the topic did not end well.
  void count_unwell(std::string_view topic, DeliveryOutcome::Kind kind);
  /// A synchronous delivery that its publisher has left to itself, as it would to a mailbox; and
  /// what became of it.
  void left_to_itself();
  void ended_by_itself(Subscriber& subscriber, std::string_view topic, DeliveryOutcome::Kind kind);
  /// Null: the status of events is not kept.
  [[nodiscard]] StatusBook* status_book() const noexcept { return status_.get(); }
  [[nodiscard]] ReceiptCallbacks& receipt_callbacks() noexcept { return callbacks_; }
  /// Who is waited for where it is asynchronous: all that get the event, or those that take events
  /// and name its topic, as is_subscribed_by_name() sees it.
  enum class Repliers : unsigned char { all, by_name };
  /// Ends with `stopped` when the token says so: whoever waits is to end.
  RequestResult request(std::string_view topic, const Draft& draft,
                        std::chrono::nanoseconds timeout, const std::stop_token& stop = {},
                        Repliers repliers = Repliers::all);
  /// A new id, as events get them.
  [[nodiscard]] EventId make_id();
  bool reply(const EventId& request, Payload payload);
  void end_requests();
  /// What a wait for the receipt is for; with references in `held`.
  std::vector<delivery_detail::WaitFor> what_settles(const ReceiptState& receipt,
                                                     std::vector<Subscriber*>& held);
  void add_filter(std::string name, std::function<bool(const Event&)> predicate);
  bool remove_filter(std::string_view name);
  bool idle();
  bool wait_drained(std::chrono::steady_clock::time_point deadline);
  StopResult stop(std::chrono::nanoseconds deadline);
  void close();

  void log(LogLevel level, std::string_view message,
           std::span<const LogField> fields) const noexcept;
  [[nodiscard]] const BusOptions& options() const noexcept { return options_; }
  [[nodiscard]] Executor& executor();
  [[nodiscard]] std::int64_t wall_ns() const noexcept;
  [[nodiscard]] std::chrono::steady_clock::time_point steady_now() const noexcept;
  /// Whether this thread is inside a handler or a receipt's callback, of whichever bus, or keeps
  /// time for one: it must not wait for calls.
  [[nodiscard]] static bool inside_handler() noexcept {
    return thread_locals.current != nullptr || thread_locals.callbacks != 0 ||
           delivery_detail::Timekeeper::runs_here();
  }
  /// Whether stop() has come to its deadline, or the bus is being destroyed: what still runs, or
  /// begins, is to end.
  [[nodiscard]] bool overdue() const noexcept {
    return (gate_.load(std::memory_order_acquire) & (kOverdue | kClosed)) != 0;
  }
  void thread_ended(ThreadState* state);
  void sample(Subscriber& subscriber, std::uint64_t ns);
  void join_async(Subscriber* subscriber);
  void leave_async(Subscriber* subscriber) noexcept;
  /// What a call outside a publish has beside its event.
  struct Call {
    delivery_detail::CallSlot* slot = nullptr;
    SteadyTime deadline = SteadyTime::max();
    unsigned attempt = 1;
  };
  /// Runs the handler of a queued or timed delivery.
  void run_queued(Subscriber& subscriber, const delivery_detail::Delivery& delivery,
                  const Call& call, std::optional<DeliveryFailure>& failure, Outcome& asked);
  /// Now, for deadlines of calls: cheaper than steady_now() where the clock is the system's.
  [[nodiscard]] SteadyTime call_time() const noexcept {
    if (manual_clock_) return options_.clock->steady();
    return SteadyTime(std::chrono::nanoseconds(platform_detail::thread_clock().steady_ns()));
  }

  // -- abandoned.cpp ------------------------------------------------------------------------------
  /// Whether deadlines are looked at by the thread that pumps, which may be in a handler.
  [[nodiscard]] bool driven_by_hand() const noexcept { return by_hand_; }
  /// A call of this subscription on that thread was given up: counts it, lets another thread take
  /// the place if the limit allows, and opens the breaker when it is reached. `task`: what the
  /// thread runs; null where the caller, or `where` itself, sees to it that it is still that call.
  void leave_behind(Subscriber& subscriber, const Event& event, Executor& where,
                    std::thread::id thread, const delivery_detail::Runnable* task);
  /// It has returned, and leave_behind() as well.
  void came_back(std::thread::id thread) noexcept;
  /// Whether so many more calls may be given up.
  [[nodiscard]] bool may_leave_behind(std::size_t more) const noexcept {
    return abandoned_.load(std::memory_order_relaxed) + more <= options_.max_abandoned;
  }
  [[nodiscard]] Watchdog& watchdog() noexcept { return watchdog_; }
  /// The synchronous calls that run now, with where they stand. Under the bus's lock.
  void for_each_call(const std::function<void(const Frame&, const Subscriber&, const Route&,
                                              std::uint64_t)>& visit);
  /// What for_each_call() would tell of this call, which runs. Takes the bus's lock on other
  /// threads than the call's.
  [[nodiscard]] std::uint64_t publishes_along_route_of(const Frame& frame);

  // -- retrying.cpp, dead_letters.cpp -------------------------------------------------------------
  /// Where waiting retries are kept; made when the first one waits.
  [[nodiscard]] delivery_detail::Timekeeper& timekeeper();
  /// Runs the retries that are due, on this thread, when nobody else does.
  std::size_t run_due();
  /// Waits on the bus's clock; false when the bus stops meanwhile, or waiting here could never end.
  bool sleep_until(SteadyTime when);
  void wake_sleepers();
  void count_sync_retry() noexcept { sync_retried_.fetch_add(1, std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t random_word() noexcept;
  [[nodiscard]] DeadLetterBox& dead_letters() noexcept { return dead_letters_; }
  RedriveResult redrive(std::span<const DeadLetter> letters);

 private:
  friend struct FrameGuard;
  friend class Garbage;
  friend class Replaying;
  friend class Strand;
  enum Gate : std::uint32_t {
    kDisabled = 1,
    kStopping = 2,
    kStopped = 4,
    kClosed = 8,
    kFilters = 16,
    kNoShortcut = 32,
    kTracked = 64,  // the status of events is kept
    kTrace = 128,
    kOverdue = 256,  // stop() has left something behind at its deadline
    kStored = 512    // some topics are kept by a store
  };
  enum class Part : unsigned char { all, queued_only, sync_only };

  ~BusCore();

  // publish.cpp
  [[nodiscard]] ThreadState& thread_state();
  [[gnu::noinline]] ThreadState& register_thread();
  template <class Locate>
  PublishResult publish_with(Locate&& locate, const Draft& draft);
  template <bool kPayload, class Locate>
  bool publish_straight(Locate&& locate, const PayloadType* type, const void* padded,
                        PublishResult& result);
  bool prepare(Event& event, ThreadState& state, PublishResult& result);
  bool admit(const Event& event, ThreadState& state, PublishResult& result);
  bool refuse(std::uint32_t gate, ThreadState& state, PublishResult& result) const;
  void refuse_hops(const Event& event, ThreadState& state, PublishResult& result);
  void refuse_size(const Event& event, std::size_t size, ThreadState& state, PublishResult& result);
  void count(ThreadState& state, Route& route, std::uint64_t key) {
    if (route.index >= state.counts_size ||
        state.counts[route.index].key.load(std::memory_order_relaxed) != key) [[unlikely]] {
      recount(state, route, key);
    }
    bump(state.counts[route.index].count);
  }
  [[gnu::noinline]] void recount(ThreadState& state, Route& route, std::uint64_t key);
  /// Whether trace_fields() is to be asked.
  [[nodiscard]] static bool is_traced(std::uint32_t gate, const Dispatch* cause) noexcept {
    return (gate & kTrace) != 0 ||
           (cause != nullptr && EventAccess::has_traceparent(cause->event()));
  }
  /// The rare fields with the traceparent that an event gets in place of none; null: it keeps what
  /// it has. One reference.
  [[nodiscard]] [[gnu::noinline]] RareFields* trace_fields(const RareFields* rare,
                                                           const Event* cause,
                                                           event_detail::IdGenerator& ids) const;
  void record(ThreadState& state, const Event& event);
  /// The ring is this thread's until ring_busy is 0 again; waits while someone reads.
  [[gnu::noinline]] void begin_ring_write(ThreadState& state);
  void run_sampled(Route& route, std::uint32_t size, Dispatch& dispatch);
  void run_part(Route& route, std::uint32_t size, Dispatch& dispatch, Part part);
  void finish(ThreadState& state, const Dispatch& dispatch, std::uint32_t size,
              PublishResult& result);
  /// As record_and_deliver() when the gate says kFilters or kTracked.
  [[gnu::noinline]] void filter_and_deliver(std::uint32_t gate, TopicEntry& entry, Event& event,
                                            ThreadState& state, Frame& frame,
                                            PublishResult& result);
  void deliver_tracked(TopicEntry& entry, const Event& event, ThreadState& state, Frame& frame,
                       PublishResult& result);
  void record_and_deliver(TopicEntry& entry, const Event& event, ThreadState& state, Frame& frame,
                          PublishResult& result);
  [[gnu::noinline]] void deliver_recorded(TopicEntry& entry, const Event& event, ThreadState& state,
                                          Frame& frame, PublishResult& result);
  void deliver(Route& route, const Event& event, ThreadState& state, Frame& frame,
               PublishResult& result);
  void run_strand(delivery_detail::Delivery& delivery);
  /// One of other openings that waited for the strand does so no more.
  void stored_begun() noexcept;
  [[nodiscard]] std::size_t stored_max() const noexcept {
    return std::max<std::size_t>(options_.queue_capacity / 2, 1);
  }
  PublishResult queue_part(TopicEntry& entry, const Event& event, ThreadState& state, Frame& frame,
                           ReceiptState& receipt);

  // storing.cpp
  void open_store();
  void add_stored(std::span<const Pattern> patterns, std::size_t limit, WallTime since,
                  std::vector<delivery_detail::PastEvent>& past);
  /// Waits until the event is stored, if its topic is kept; false: it goes no further, see the
  /// result. kept_as: its sequence then.
  bool keep(TopicEntry& entry, Event& event, PublishResult& result, std::uint64_t& kept_as);

  // routes.cpp: with mutex_ held, except what is named _now.
  [[nodiscard]] TopicEntry* entry_of(std::string_view name, Garbage& garbage);
  [[nodiscard]] [[gnu::noinline]] TopicEntry* find_or_add_now(std::string_view name);
  [[nodiscard]] Route* route_of(TopicEntry* entry) {
    Route* route = entry->route.load(std::memory_order_acquire);
    if (route != nullptr && route->checked.load(std::memory_order_relaxed) ==
                                wild_epoch_.load(std::memory_order_acquire)) [[likely]] {
      return route;
    }
    return renew_route_now(entry);
  }
  [[nodiscard]] [[gnu::noinline]] Route* renew_route_now(TopicEntry* entry);
  void build_route(TopicEntry& entry);
  void replace_route(TopicEntry& entry, std::span<Subscriber* const> list, std::uint32_t capacity);
  void list_into_route(TopicEntry& entry, Subscriber& subscriber);
  void unlist_from_route(Subscriber& subscriber);
  void unlist_patterns(SubscriberExtra& extra);
  void wildcard_changed(const Pattern& pattern);
  void topic_changed(std::string_view name);
  void retire(Subscriber* reference, const Route* route);
  void retire(Route* route);
  void retire(TopicTable::Table* table);
  void collect(Garbage& garbage);
  void collect_if_due(Garbage& garbage) {
    if (retired_.size() >= collect_at_) collect(garbage);
  }
  void fold(Route& route);
  void credit(Route& route, std::uint32_t size, std::uint64_t count);
  void settle_credit(Route& route);
  /// What each thread has counted along a route: visit(publishes, size of the route then). With the
  /// bus's lock held.
  template <class F>
  void for_each_count(const Route& route, const F& visit) const {
    for (const auto& thread : threads_) {
      if (route.index >= thread->counts_size) continue;
      const RouteCount& record = thread->counts[route.index];
      const std::uint64_t key = record.key.load(std::memory_order_relaxed);
      const std::uint64_t count = record.count.load(std::memory_order_relaxed);
      if (key >> 32U == route.serial && count != 0) visit(count, static_cast<std::uint32_t>(key));
    }
  }
  void gain_use(TopicEntry& entry) noexcept;
  void lose_use(TopicEntry& entry) noexcept;
  void evict_if_due(Garbage& garbage);
  void free_entry(TopicEntry* entry) noexcept;
  // stats.cpp
  static void add_counts(const TopicEntry& entry, TopicStats& to) noexcept;
  void count_unwell(TopicEntry& entry, const Dispatch& dispatch);
  void free_route(Route* route) noexcept;
  [[nodiscard]] bool only_this_thread() const noexcept;

  // subscribe.cpp
  /// Throws Error(invalid_option) for a coroutine that is to be synchronous.
  [[nodiscard]] Mode mode_of(const SubscriptionOptions& options,
                             const Subscriber& subscriber) const;
  void check_options(const SubscriptionOptions& options, const Subscriber& subscriber) const;
  void equip(Subscriber& subscriber, const SubscriptionOptions& options,
             std::vector<Pattern> patterns);
  void begin_replay(Subscriber& subscriber, const Replay& replay);
  void begin_paged_replay(Subscriber& subscriber, const Replay& replay,
                          std::vector<Pattern> patterns);
  void put_past(Subscriber& subscriber, bool cut) noexcept;
  void end_replay_state(Subscriber& subscriber);
  void warn_of_cut(const Subscriber& subscriber);
  void open_durable(Subscriber& subscriber, const SubscriptionOptions& options);
  void wait_for_calls(std::span<Subscriber* const> all, std::span<Subscriber* const> ending,
                      bool inside);
  [[nodiscard]] Pattern read(const PatternArg& argument) const;
  [[nodiscard]] std::vector<Pattern> read(const Patterns& patterns) const;
  delivery_detail::Mailbox& strand();
  std::vector<StopResult::Left> running_elsewhere();
  void add_unsettled(std::vector<StopResult::Left>& left);
  void request_stop();
  std::vector<Subscriber*> with_mailbox();
  [[nodiscard]] Subscriber* find(SubscriptionId id) const noexcept;

  const BusOptions options_;
  std::uint64_t serial_ = 0;
  std::uint32_t known_at_ = 0;  // its place in ThreadLocals::known
  const std::uint32_t frames_max_;
  std::atomic<std::uint32_t> references_{1};

  // Read by every publish.
  alignas(64) std::atomic<std::uint32_t> gate_{0};
  std::atomic<bool> history_reading_{false};
  bool manual_clock_ = false;
  std::atomic<std::uint64_t> epoch_{1};
  std::atomic<std::uint64_t> wild_epoch_{1};
  TopicTable topics_;

  // Guarded by mutex_.
  alignas(64) mutable std::mutex mutex_;
  std::vector<std::unique_ptr<ThreadState>> threads_;
  std::vector<Subscriber*> slots_;
  std::vector<std::uint32_t> free_slots_;
  std::size_t subscription_count_ = 0;
  std::uint64_t next_sequence_ = 1;
  PatternIndex index_;
  MatchStamps stamps_;
  std::size_t wildcard_count_ = 0;
  std::uint32_t next_serial_ = 1;
  std::uint32_t next_index_ = 0;
  std::vector<std::uint32_t> free_indexes_;
  std::size_t cached_topics_ = 0;  // entries without subscriptions of their own
  std::size_t evict_next_ = 0;     // the shard to evict from
  struct Retired {
    enum class Kind : unsigned char { subscriber, route, table } kind;
    void* what;
    const Route* route;   // where a frame may stand that sees it; null: only while searching
    std::uint64_t epoch;  // frames of an older one may see it
  };
  std::vector<Retired> retired_;
  std::size_t collect_at_ = 64;
  Stats folded_;  // of threads and topics that are gone
  std::uint64_t folded_passed_over_ = 0;
  std::uint64_t folded_queued_ = 0;
  std::uint64_t threads_made_ = 0;
  TopicStats other_;  // of topics that are gone

  std::shared_ptr<const std::vector<BusFilter>> filters_;

  mutable std::mutex history_mutex_;
  bool old_history_lost_ = false;
  std::vector<Event> old_history_;  // of threads that ended

  std::mutex request_mutex_;
  struct PendingRequest;
  std::unordered_map<EventId, std::shared_ptr<PendingRequest>> requests_;
  std::atomic<std::uint64_t> late_replies_{0};

  std::mutex pool_mutex_;
  std::unique_ptr<delivery_detail::WorkerPool> pool_;
  std::unique_ptr<delivery_detail::WorkerPool> pool_closed_;  // mailboxes refer to it until they go
  std::unique_ptr<class Strand> strand_;

  std::mutex stop_mutex_;

  Watchdog watchdog_{*this};  // a timer: the timekeeper goes before it
  std::mutex timekeeper_mutex_;
  std::unique_ptr<delivery_detail::Timekeeper> timekeeper_;
  std::atomic<bool> timekeeper_made_{false};
  std::mutex sleep_mutex_;
  std::condition_variable sleep_;
  DeadLetterBox dead_letters_;
  bool by_hand_ = false;
  std::atomic<std::size_t> abandoned_{0};
  std::unordered_set<std::thread::id> left_behind_;  // guarded by mutex_
  std::atomic<std::uint64_t> sync_retried_{0};       // also of subscriptions that have ended
  std::unique_ptr<StatusBook> status_;               // constant
  ReceiptCallbacks callbacks_;

  std::mutex link_mutex_;
  std::unique_ptr<StoreLink> link_owner_;  // guarded by link_mutex_; made once
  std::atomic<StoreLink*> link_{nullptr};
  std::atomic<std::size_t> stored_waiting_{0};  // events of other openings, for the strand
  std::atomic<bool> stored_wants_room_{false};  // the feeds are to be told when there is some

  /// All subscriptions with a mailbox, until they are freed: their counters live in them.
  std::mutex async_mutex_;
  std::vector<Subscriber*> async_;
  DeliveryCounters async_folded_;
};

/// The subscriber that stands where an ended one was; its handler does nothing.
[[nodiscard]] Subscriber* ended_subscriber() noexcept;

// invoke.cpp: what Subscriber::invoke may be beside the handler itself.
void invoke_ended(Subscriber* subscriber, const Event& event, Context& context);
void invoke_paused(Subscriber* subscriber, const Event& event, Context& context);
void invoke_checked(Subscriber* subscriber, const Event& event, Context& context);
void invoke_queue(Subscriber* subscriber, const Event& event, Context& context);
void invoke_durable(Subscriber* subscriber, const Event& event, Context& context);
/// One attempt of a synchronous handler.
void make_call(Subscriber& subscriber, const Event& event, Dispatch& dispatch);
/// Calls a synchronous handler until it is done or its policy ends.
void call_with_retries(Subscriber& subscriber, const Event& event, Dispatch& dispatch);
/// Which of them a subscription that is active wants.
[[nodiscard]] Invoke invoke_of(const Subscriber& subscriber) noexcept;

}  // namespace busway::detail
