// simulation/model.hpp -- the reference model: what a bus must do, written plainly and without
// looking at how it does it.
//
// The world tells the model what it asks of the bus and when a handler is called. The model says
// what must become of each delivery and notes the first thing that is not as it must be. What the
// bus does in secret (the choice of a lane, the moment a waiting retry is queued again) the model
// does not predict; it only knows what of it is allowed. invariants.hpp compares the two.
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "busway/clock.hpp"
#include "records.hpp"

namespace busway::simulation {

struct Violation {
  std::string invariant;
  std::string found;
};

struct ModelOptions {
  std::size_t history = 100;
  std::size_t dead_letters = 1000;
  unsigned max_hops = 32;
  RetryPolicy retry{};    // of asynchronous subscriptions that do not say
  bool observed = false;  // the filters tell the model of each push
  bool breakers = false;  // the bus publishes what they do, where hops and a stop do not refuse it
};

class Model {
 public:
  Model(ModelOptions options, const Clock& clock) : options_(options), clock_(clock) {}

  /// Called when something may have happened that no handler saw: finds the letters of breakers and
  /// the calls that were given up.
  std::function<void()> look = [] {};
  /// Called for the trace.
  std::function<void(std::string)> say = [](std::string) {};

  // -- model.cpp: subscriptions, letters, stop ----------------------------------------------------
  Sub& subscribing(Spec spec);
  void subscribed(Sub& sub, SubscriptionId id);
  void ended(Sub& sub);
  void paused(Sub& sub);
  void resumed(Sub& sub);
  RedriveResult redriven(const std::vector<DeadLetterId>& letters);
  std::size_t purged(const std::vector<DeadLetterId>& letters);
  void not_called(const DeadLetter& letter);
  void begin_stop() { stopping_ = true; }
  void stopped();
  /// A stop has come to its end, and what still runs is told to end.
  void tells_to_end();
  /// The bus was destroyed: what has no outcome by now is dropped.
  void bus_ended();

  // -- model_publishing.cpp -----------------------------------------------------------------------
  EventRecord& new_event(std::string topic, std::string key, Priority priority, bool by_async);
  void begin_publish(EventRecord& event);
  void on_push(Sub& sub, EventRecord& event);
  void on_sync_filter(Sub& sub, EventRecord& event, Verdict said);
  void end_publish(EventRecord& event);
  void check_result(EventRecord& event, const PublishResult& result);
  void refused_in_result(Sub& sub, EventRecord& event);
  void check_sync_part(EventRecord& event);
  bool rejects = false;  // the bus's filter is on
  [[nodiscard]] bool rejected(const EventRecord& event) const {
    return rejects && event.serial % 7 == 0;
  }

  // -- model_calls.cpp ----------------------------------------------------------------------------
  Call* begin_call(Sub& sub, EventRecord& event, unsigned attempt, unsigned hops);
  void end_call(Call& call, Ending ending, std::chrono::nanoseconds after);
  /// A coroutine's step is over, and it waits; it goes on.
  void suspend(Call& call);
  void resume(Call& call);
  void settle_late(Call& call);

  void fail(std::string invariant, std::string found) {
    if (!violation_) violation_ = {std::move(invariant), std::move(found)};
  }
  [[nodiscard]] const std::optional<Violation>& violation() const noexcept { return violation_; }

  // -- what it knows ------------------------------------------------------------------------------
  std::deque<Sub> subs;
  std::deque<EventRecord> events;
  std::deque<Delivery> deliveries;
  std::vector<Call*> running;  // not settled, on a thread or suspended
  std::deque<Letter> letters;
  std::vector<const EventRecord*> history;  // all that were accepted, oldest first
  std::uint64_t published = 0;
  std::uint64_t filtered = 0;
  std::uint64_t refused = 0;
  std::uint64_t unmatched = 0;  // of those not by publish_async
  std::uint64_t fallen_out = 0;
  DeadLetterId next_letter = 1;
  [[nodiscard]] SteadyTime now() const { return clock_.steady(); }
  [[nodiscard]] bool is_stopping() const noexcept { return stopping_; }
  [[nodiscard]] bool is_stopped() const noexcept { return stopped_; }
  [[nodiscard]] std::size_t depth() const noexcept { return stack_.size(); }
  [[nodiscard]] bool inside_handler() const noexcept { return cause() != nullptr; }
  [[nodiscard]] const ModelOptions& options() const noexcept { return options_; }
  [[nodiscard]] Sub* find(SubscriptionId id);
  [[nodiscard]] EventRecord* event_of(std::uint64_t serial) {
    return serial == 0 || serial > events.size() ? nullptr : &events[serial - 1];
  }
  [[nodiscard]] Letter* letter_of(DeadLetterId id);
  /// Live, not started: what the capacity bounds.
  [[nodiscard]] static std::size_t bounded(const Sub& sub);
  [[nodiscard]] std::optional<SteadyTime> next_due() const;
  /// While the clock stands where a retry may be due or not: the end of that time.
  [[nodiscard]] std::optional<SteadyTime> end_of_doubt() const;
  /// Whether a call that waits keeps others from being called.
  [[nodiscard]] bool is_blocked(const Sub& sub) const;

 private:
  struct Entry {
    EventRecord* publish = nullptr;
    Call* call = nullptr;
  };

  [[nodiscard]] const EventRecord* cause() const noexcept;
  Delivery& add(Sub& sub, EventRecord& event, Origin origin, State state);
  void set(Delivery& delivery, State state);
  void replay(Sub& sub);
  [[nodiscard]] bool seen_lately(Sub& sub, const EventRecord& event);
  [[nodiscard]] bool is_on_stack(const Sub& sub) const;
  void give_room(Sub& sub, EventRecord& event);
  void refuse(Sub& sub, EventRecord& event, bool named);
  void settle_wait(EventRecord& event);
  [[nodiscard]] Sub* receiver_of(const Letter& letter);
  [[nodiscard]] Delivery* refused_delivery(const DeadLetter& letter);
  void die(Delivery& delivery, Ending ending);
  void check_order(const Delivery& delivery);
  void check_turn(Sub& sub, const EventRecord& event);
  Delivery* find_queued(Sub& sub, EventRecord& event, unsigned attempt);
  Delivery* begin_sync(Sub& sub, EventRecord& event, unsigned attempt);
  void ask_breaker(Delivery& delivery);
  void tell_breaker(Delivery& delivery, bool well);
  [[nodiscard]] bool again(Delivery& delivery, Ending ending, std::chrono::nanoseconds after) const;
  [[nodiscard]] static SteadyTime total_ends(const Delivery& delivery);
  void settle(Delivery& delivery, Ending ending, std::chrono::nanoseconds after);
  bool leave_stack(const Call& call);

  const ModelOptions options_;
  const Clock& clock_;
  std::uint64_t tick_ = 0;
  bool stopping_ = false;
  bool stopped_ = false;
  std::vector<Entry> stack_;
  std::deque<Call> calls_;
  std::optional<Violation> violation_;
};

}  // namespace busway::simulation
