// A phase that hangs, and what becomes of its call.
#include "busway/event_aware_phase.hpp"
#include "phase/limits.hpp"
#include "phase_fixture.hpp"

namespace busway::phase {
namespace {

using namespace std::chrono_literals;

class PhaseTimeout : public ::testing::Test {
 protected:
  /// A phase that tells when it has begun, and hangs until the gate opens.
  Shared hanging(PhaseOptions options = {.timeout = 50ms}) {
    return make_phase(
        "slow",
        [state = state_](const Json&, PhaseContext& context) -> Json {
          ++state->begun;
          EXPECT_TRUE(state->gate.wait());
          state->saw_stop = context.stop_requested();
          ++state->ended;
          return "late";
        },
        std::move(options));
  }
  /// Moves the clock once so many calls have begun.
  void advance_after(int begun, std::chrono::nanoseconds step) {
    EXPECT_TRUE(eventually([&] { return state_->begun == begun; }));
    clock_->advance(step);
  }

  struct State {
    Gate gate;
    std::atomic<int> begun{0};
    std::atomic<int> ended{0};
    std::atomic<bool> saw_stop{false};
  };
  const std::shared_ptr<State> state_ = std::make_shared<State>();
  const std::shared_ptr<ManualClock> clock_ = std::make_shared<ManualClock>();
  Bus bus_{quiet({.clock = clock_})};
  const Heard heard_{bus_};
};

TEST_F(PhaseTimeout, LeavesTheCallBehindTellsItToStopAndDiscardsWhatItGivesLate) {
  EventAwarePhase phase(hanging(), bus_);
  std::thread other([&] { advance_after(1, 50ms); });
  const PhaseError error = failure_of(phase);
  other.join();
  EXPECT_EQ(error.fault, PhaseFault::timed_out);
  EXPECT_EQ(error.message, "phase \"slow\" did not end within 50ms");
  EXPECT_EQ(state_->ended, 0);
  state_->gate.open();
  ASSERT_TRUE(eventually([&] { return state_->ended == 1; }));
  EXPECT_TRUE(state_->saw_stop);
  EXPECT_EQ(heard_.lines(), (Lines{"phase.started slow", "phase.failed slow"}));
  const auto failed = heard_.only<PhaseEventData>("phase.failed");
  EXPECT_EQ(failed.error, error.message);
  EXPECT_EQ(failed.metadata["fault"], "timed_out");
  EXPECT_EQ(failed.duration_ms, 50.0);
}

TEST_F(PhaseTimeout, IsNotReachedByOneThatEndsInTime) {
  EventAwarePhase phase(adding("a", {.timeout = 50ms}), bus_);
  EXPECT_EQ(run(phase).data, Json::array({"a"}));
  EventAwarePhase broken(failing("b", "at once", {.timeout = 50ms}), bus_);
  EXPECT_EQ(failure_of(broken).message, "phase \"b\" failed: at once");
}

TEST_F(PhaseTimeout, IsTheDeadlineOfTheContextWhereThatComesFirst) {
  EventAwarePhase phase(hanging({.timeout = 1h}), bus_);
  std::thread other([&] { advance_after(1, 20ms); });
  const PhaseError error =
      failure_of(phase, {}, PhaseContext(std::stop_token(), clock_->steady() + 20ms));
  other.join();
  EXPECT_EQ(error.message, "phase \"slow\" had not ended at the deadline of its chain");
  state_->gate.open();
  ASSERT_TRUE(eventually([&] { return state_->ended == 1; }));
}

TEST_F(PhaseTimeout, IsToldToThePhaseAsItsDeadline) {
  std::optional<SteadyTime> deadline;
  EventAwarePhase phase(make_phase("a",
                                   [&](const Json&, PhaseContext& context) {
                                     deadline = context.deadline();
                                     return Json();
                                   },
                                   {.timeout = 50ms}),
                        bus_);
  run(phase);
  EXPECT_EQ(deadline, clock_->steady() + 50ms);
}

TEST_F(PhaseTimeout, StopsAPhaseThatListensWhenItIsCancelled) {
  Stopper stop;
  EventAwarePhase phase(make_phase("a",
                                   [&](const Json&, PhaseContext& context) -> Json {
                                     Gate stopped;
                                     const std::stop_callback listen(context.stop_token(),
                                                                     [&] { stopped.open(); });
                                     ++state_->begun;
                                     EXPECT_TRUE(stopped.wait());
                                     throw std::runtime_error("as asked");
                                   },
                                   {.timeout = 1h}),
                        bus_);
  std::thread other([&] {
    EXPECT_TRUE(eventually([&] { return state_->begun == 1; }));
    stop.request_stop();
  });
  const PhaseError error = failure_of(phase, {}, PhaseContext(stop.get_token()));
  other.join();
  EXPECT_EQ(error.message, "phase \"a\" was cancelled: as asked");
}

TEST_F(PhaseTimeout, KeepsWhatItPublishesInsideAHandlerTheHandlersDoing) {
  EventAwarePhase phase(make_phase("a",
                                   [&](const Json&) {
                                     bus_.publish("from.the.phase");
                                     return Json();
                                   },
                                   {.timeout = 1h}),
                        bus_);
  const auto handler = bus_.subscribe("go", [&](const Event&) { run(phase); });
  std::vector<Event> seen;
  const auto listener =
      bus_.subscribe("from.the.phase", [&](const Event& event) { seen.push_back(event); });
  const EventId go = bus_.publish("go").id;
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_EQ(seen.front().causation_id(), go);
  EXPECT_EQ(seen.front().hops(), 1U);
  for (const Event& event : heard_.events()) EXPECT_EQ(event.causation_id(), go);
}

TEST_F(PhaseTimeout, LeavesACallBehindThatMayOutlastTheBus) {
  auto bus = std::make_unique<Bus>(quiet({.clock = clock_}));
  std::atomic<int> code{-1};
  std::weak_ptr<Phase> left;
  {
    const Shared phase = make_phase(
        "slow",
        [state = state_, publisher = bus->publisher("slow"), &code](const Json&) mutable {
          ++state->begun;
          EXPECT_TRUE(state->gate.wait());
          code = static_cast<int>(publisher.publish("too.late").code);
          return Json("late");
        },
        {.timeout = 50ms});
    left = phase;
    // Inside a handler, so that the call has an event of the bus as its cause.
    const auto handler = bus->subscribe("go", [&](const Event&) {
      EXPECT_FALSE(PhaseOrchestrator(*bus).execute_chain({phase}).ok());
    });
    std::thread other([&] { advance_after(1, 50ms); });
    bus->publish("go");
    other.join();
  }
  bus.reset();
  EXPECT_FALSE(left.expired()) << "the call owns what it touches";
  state_->gate.open();
  EXPECT_TRUE(eventually([&] { return left.expired(); }));
  EXPECT_EQ(code, static_cast<int>(ErrorCode::stopped));
}

TEST_F(PhaseTimeout, RefusesToLeaveMoreCallsBehindThanTheLimit) {
  EventAwarePhase phase(hanging(), bus_);
  for (int i = 1; i <= static_cast<int>(phase_detail::kLeftBehindMax); ++i) {
    std::thread other([&] { advance_after(i, 50ms); });
    // One that another test left behind may be about to return.
    EXPECT_TRUE(eventually([&] { return failure_of(phase).fault == PhaseFault::timed_out; }));
    other.join();
  }
  const PhaseError error = failure_of(phase);
  EXPECT_EQ(error.fault, PhaseFault::not_begun);
  EXPECT_EQ(error.message,
            "phase \"slow\" was not begun: 64 calls of phases that passed their deadline have not "
            "returned");
  EventAwarePhase without(adding("quick"), bus_);
  EXPECT_EQ(run(without).data, Json::array({"quick"})) << "needs no thread";
  state_->gate.open();
  ASSERT_TRUE(eventually([&] { return state_->ended == 64; }));
  EventAwarePhase timed(adding("again", {.timeout = 1h}), bus_);
  EXPECT_TRUE(eventually([&] {
    try {
      return run(timed).data == Json::array({"again"});
    } catch (const PhaseFailed&) {
      return false;  // the last calls are about to be counted
    }
  }));
}

}  // namespace
}  // namespace busway::phase
