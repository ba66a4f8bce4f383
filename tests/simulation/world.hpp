// simulation/world.hpp -- a bus, a clock and an executor that nothing moves but the simulation, the
// model beside them, and all that may happen to them, chosen by a seed.
//
// Everything runs on one thread. What is chosen depends on nothing but the seed, so a seed that
// fails fails again.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "busway/bus.hpp"
#include "busway/manual_executor.hpp"
#include "busway/testing/manual_clock.hpp"
#include "coroutines.hpp"
#include "handlers.hpp"
#include "invariants.hpp"
#include "model.hpp"
#include "random.hpp"
#include "run.hpp"
#include "trace.hpp"

namespace busway::simulation {

/// What is the same for the whole of a run.
struct Shape {
  ModelOptions model;
  bool breakers = false;
  bool deadlines = false;  // and coroutines, which may never end without one
  std::size_t steps = 0;
};

class World {
 public:
  World(std::uint64_t seed, Trace::Show show, Misled misled);
  World(const World&) = delete;
  World& operator=(const World&) = delete;
  ~World();

  /// Runs the seed to its end, or to the first violation.
  void run();

  [[nodiscard]] const Model& model() const noexcept { return model_; }
  [[nodiscard]] const Trace& trace() const noexcept { return trace_; }
  [[nodiscard]] std::size_t steps() const noexcept { return steps_; }

 private:
  // -- world.cpp: steps ---------------------------------------------------------------------------
  void step();
  enum class Depth : unsigned char { as_is_due, all };
  void check(Depth depth);
  void drain();
  void finish();
  void pass(std::chrono::nanoseconds time);
  void move_clock(std::chrono::nanoseconds time);
  void to_next_due();
  void stop();
  void redrive();
  void purge();
  void toggle_filter();
  void say(std::string line);

  // -- topology.cpp: subscriptions ----------------------------------------------------------------
  [[nodiscard]] Spec random_spec();
  void choose_async(Spec& spec);
  void choose_deadline(Spec& spec);
  [[nodiscard]] RetryPolicy random_policy(const Spec& spec);
  void subscribe();
  [[nodiscard]] SubscriptionOptions options_of(Sub& sub);
  [[nodiscard]] std::function<bool(const Event&)> filter_of(Sub& sub);
  [[nodiscard]] Sub* random_sub();
  void unsubscribe(Sub& sub);
  void pause(Sub& sub);
  void resume(Sub& sub);

  // -- publishers.cpp -----------------------------------------------------------------------------
  enum class Way : unsigned char {
    typed,
    topic,
    publisher,
    options,
    event,
    async_topic,
    async_event
  };
  void publish(std::string_view topic, Way way);
  void publish_random();
  void publish_batch();
  void publish_and_wait(std::string_view topic);
  [[nodiscard]] EventOptions random_options(EventRecord& event, std::string_view key);
  Receipt publish_async(EventRecord& event, const EventOptions& options, Way way);
  bool admit(const Event& event);

  // -- calls.cpp: handlers ------------------------------------------------------------------------
  Outcome handle(Sub& sub, const Event& event, const Context& context);
  /// The parts of a call: its begin, what it does, how it ends. Null: it must not be.
  Call* enter(Sub& sub, const Event& event, const Context& context);
  void work(const Call& call);
  Outcome leave(Call& call);
  void act(Sub& sub, const EventRecord& event);
  [[nodiscard]] static Outcome end(Ending ending, std::chrono::nanoseconds after);

  // -- coroutines.cpp -----------------------------------------------------------------------------
  Subscription subscribe_coroutine(Sub& sub, const std::vector<Pattern>& patterns,
                                   const SubscriptionOptions& options);
  struct Steps;  // of a call
  /// Lets one that waits go on; false: none may.
  bool let_go();
  void let_all_go();
  /// What one waits for goes away.
  void forget_waiter();

  [[nodiscard]] static Shape random_shape(Random& random);
  [[nodiscard]] BusOptions bus_options() const;

  Random random_;
  Trace trace_;
  const Shape shape_;
  const Misled misled_;
  std::shared_ptr<testing::ManualClock> clock_;
  std::shared_ptr<ManualExecutor> executor_ = std::make_shared<ManualExecutor>();
  Model model_;
  Waiters waiters_;  // outlive the bus
  std::optional<Bus> bus_;
  std::deque<Subscription> handles_;  // by Sub::number - 1
  std::vector<OpenReceipt> receipts_;
  std::vector<EventRecord*> batch_;  // of the publish_batch that runs
  EventRecord* batch_at_ = nullptr;
  std::size_t steps_ = 0;
  bool over_ = false;              // the bus is being destroyed
  std::size_t nested_left_ = 100;  // events that handlers may still publish
};

}  // namespace busway::simulation
