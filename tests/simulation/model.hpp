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

  /// Called when something may have happened that no handler saw: finds the letters of breakers.
  std::function<void()> look = [] {};

  // -- model.cpp: subscriptions, letters, stop ----------------------------------------------------
  Sub& subscribing(Spec spec);
  void subscribed(Sub& sub, SubscriptionId id);
  void ended(Sub& sub);
  void paused(Sub& sub);
  void resumed(Sub& sub);
  RedriveResult redriven(const std::vector<DeadLetterId>& letters);
  std::size_t purged(const std::vector<DeadLetterId>& letters);
  void refused_by_breaker(const DeadLetter& letter);
  void begin_stop() { stopping_ = true; }
  void stopped();

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
  Delivery* begin_call(Sub& sub, EventRecord& event, unsigned attempt, unsigned hops);
  void end_call(Delivery& delivery, Ending ending, std::chrono::nanoseconds after);

  void fail(std::string invariant, std::string found) {
    if (!violation_) violation_ = {std::move(invariant), std::move(found)};
  }
  [[nodiscard]] const std::optional<Violation>& violation() const noexcept { return violation_; }

  // -- what it knows ------------------------------------------------------------------------------
  std::deque<Sub> subs;
  std::deque<EventRecord> events;
  std::deque<Delivery> deliveries;
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

 private:
  struct Entry {
    EventRecord* publish = nullptr;
    Delivery* call = nullptr;
    bool task = false;  // a call that no publish made
  };

  [[nodiscard]] const EventRecord* cause() const noexcept;
  Delivery& add(Sub& sub, EventRecord& event, Origin origin, State state);
  void set(Delivery& delivery, State state);
  void replay(Sub& sub);
  [[nodiscard]] bool seen_lately(Sub& sub, const EventRecord& event);
  void give_room(Sub& sub, EventRecord& event);
  void refuse(Sub& sub, EventRecord& event, bool named);
  void settle_wait(EventRecord& event);
  [[nodiscard]] Sub* receiver_of(const Letter& letter);
  [[nodiscard]] Delivery* refused_delivery(const DeadLetter& letter);
  void die(Delivery& delivery);
  void check_order(const Delivery& delivery);
  void check_turn(Sub& sub, const EventRecord& event);
  Delivery* find_queued(Sub& sub, EventRecord& event, unsigned attempt);
  Delivery* begin_sync(Sub& sub, EventRecord& event, unsigned attempt);
  void ask_breaker(Delivery& delivery);
  void tell_breaker(Delivery& delivery, bool well);
  [[nodiscard]] std::optional<SteadyTime> again(const Delivery& delivery, Ending ending,
                                                std::chrono::nanoseconds after) const;

  const ModelOptions options_;
  const Clock& clock_;
  std::uint64_t tick_ = 0;
  bool stopping_ = false;
  bool stopped_ = false;
  std::vector<Entry> stack_;
  std::optional<Violation> violation_;
};

}  // namespace busway::simulation
