#include "busway/retryable_phase.hpp"

#include "busway/event_aware_phase.hpp"
#include "busway/manual_executor.hpp"
#include "delivery/worker_pool.hpp"
#include "phase_fixture.hpp"

namespace busway::phase {
namespace {

using namespace std::chrono_literals;

const Backoff kAtOnce{.initial_delay = 0ns};

TEST(RetryablePhase, ThatWinsAtOnceSaysNothingOfRetries) {
  Bus bus(quiet());
  const Heard heard(bus);
  RetryablePhase phase(adding("a"), bus, 3, kAtOnce);
  EXPECT_EQ(run(phase).data, Json::array({"a"}));
  EXPECT_EQ(heard.lines(), (Lines{"phase.started a", "phase.completed a"}));
  EXPECT_EQ(heard.only<PhaseEventData>("phase.completed").max_attempts, 3);
}

TEST(RetryablePhase, ThatWinsLateTellsEachAttempt) {
  Bus bus(quiet());
  const Heard heard(bus);
  RetryablePhase phase(failing_first("a", 2), bus, 5, kAtOnce);
  EXPECT_EQ(run(phase, {.session_id = "s"}).data, 3);
  EXPECT_EQ(heard.lines(),
            (Lines{"phase.started a", "phase.failed a", "phase.retrying a", "phase.started a",
                   "phase.failed a", "phase.retrying a", "phase.started a", "phase.completed a",
                   "phase.retry_success a"}));
  const std::vector attempts{1, 1, 2, 2, 2, 3, 3, 3, 3};
  for (std::size_t i = 0; i < attempts.size(); ++i) {
    const PhaseEventData data = heard.events()[i].as<PhaseEventData>();
    EXPECT_EQ(data.attempt, attempts[i]) << i;
    EXPECT_EQ(data.max_attempts, 5);
    EXPECT_EQ(data.session_id, "s");
  }
}

TEST(RetryablePhase, TellsInItsOwnEventsWhyAndHowLong) {
  const auto clock = std::make_shared<ManualClock>();
  Bus bus(quiet({.clock = clock}));
  const Heard heard(bus);
  RetryablePhase phase(make_phase("a",
                                  [&, calls = 0](const Json&) mutable -> Json {
                                    clock->advance(3ms);
                                    if (++calls == 1) throw std::runtime_error("busy");
                                    return "done";
                                  }),
                       bus, 2, kAtOnce);
  run(phase, {.session_id = "s", .metadata = {{"user", "ann"}}});
  EXPECT_EQ(heard.events()[2].json(), (Json{{"phase_name", "a"},
                                            {"session_id", "s"},
                                            {"input", nullptr},
                                            {"output", nullptr},
                                            {"error", "phase \"a\" failed: busy"},
                                            {"duration_ms", 0.0},
                                            {"attempt", 2},
                                            {"max_attempts", 2},
                                            {"metadata", {{"user", "ann"}}}}));
  EXPECT_EQ(heard.events()[5].json(), (Json{{"phase_name", "a"},
                                            {"session_id", "s"},
                                            {"input", nullptr},
                                            {"output", nullptr},
                                            {"error", ""},
                                            {"duration_ms", 6.0},
                                            {"attempt", 2},
                                            {"max_attempts", 2},
                                            {"metadata", {{"user", "ann"}}}}));
}

TEST(RetryablePhase, GivesUpAfterItsAttempts) {
  Bus bus(quiet());
  const Heard heard(bus);
  RetryablePhase phase(failing("a"), bus, 2, kAtOnce);
  const PhaseError error = failure_of(phase);
  EXPECT_EQ(error.message, "phase \"a\" failed: no network");
  EXPECT_EQ(heard.lines(), (Lines{"phase.started a", "phase.failed a", "phase.retrying a",
                                  "phase.started a", "phase.failed a", "phase.final_failure a"}));
  const auto failure = heard.only<PhaseEventData>("phase.final_failure");
  EXPECT_EQ(failure.error, error.message);
  EXPECT_EQ(failure.attempt, 2);
  EXPECT_EQ(failure.max_attempts, 2);
  EXPECT_EQ(failure.metadata["fault"], "threw");
}

TEST(RetryablePhase, OfOneAttemptHasAFinalFailureToo) {
  Bus bus(quiet());
  const Heard heard(bus);
  RetryablePhase phase(failing("a"), bus, 1);
  failure_of(phase);
  EXPECT_EQ(heard.lines(), (Lines{"phase.started a", "phase.failed a", "phase.final_failure a"}));
}

TEST(RetryablePhase, IsNotTriedAgainWhereItSaysThatItDoesNotHelp) {
  Bus bus(quiet());
  const Heard heard(bus);
  PhaseFault asked{};
  RetryablePhase phase(failing("a", "wrong key",
                               {.can_retry =
                                    [&](const PhaseError& error) {
                                      asked = error.fault;
                                      EXPECT_EQ(error.message, "phase \"a\" failed: wrong key");
                                      return false;
                                    }}),
                       bus, 3, kAtOnce);
  failure_of(phase);
  EXPECT_EQ(asked, PhaseFault::threw);
  EXPECT_EQ(heard.lines(), (Lines{"phase.started a", "phase.failed a", "phase.final_failure a"}));
  RetryablePhase broken(
      failing("b", "x", {.can_retry = [](const PhaseError&) -> bool { throw 1; }}), bus, 3,
      kAtOnce);
  EXPECT_EQ(failure_of(broken).message, "phase \"b\" failed: x") << "one that throws says no";
}

TEST(RetryablePhase, TriesAgainAfterABadOutputButNotAfterABadInput) {
  Bus bus(quiet());
  const Heard heard(bus);
  const auto odd = [](const auto& one) -> std::optional<std::string> {
    if (one.data == 2) return std::nullopt;
    return "not yet 2";
  };
  RetryablePhase output(failing_first("out", 0, {.validate_output = odd}), bus, 3, kAtOnce);
  EXPECT_EQ(run(output).data, 2);
  RetryablePhase input(failing_first("in", 0, {.validate_input = odd}), bus, 3, kAtOnce);
  EXPECT_EQ(failure_of(input, {.data = 1}).fault, PhaseFault::invalid_input);
  const Lines lines = heard.lines();
  EXPECT_EQ(lines[lines.size() - 2], "phase.failed in");
  EXPECT_EQ(lines.back(), "phase.final_failure in");
}

TEST(RetryablePhase, WaitsLongerBeforeEachAttempt) {
  const auto clock = std::make_shared<ManualClock>();
  Bus bus(quiet({.clock = clock}));
  std::vector<SteadyTime> began;
  RetryablePhase phase(make_phase("a",
                                  [&](const Json&) -> Json {
                                    began.push_back(clock->steady());
                                    throw std::runtime_error("no");
                                  }),
                       bus, 4, {.initial_delay = 1s, .max_delay = 3s, .backoff_factor = 2});
  std::atomic<bool> ended{false};
  std::thread other([&] {
    failure_of(phase);
    ended = true;
  });
  EXPECT_TRUE(eventually([&] {
    clock->advance(10ms);
    return ended.load();
  }));
  other.join();
  ASSERT_EQ(began.size(), 4U);
  EXPECT_GE(began[1] - began[0], 1s);
  EXPECT_GE(began[2] - began[1], 2s);
  EXPECT_GE(began[3] - began[2], 3s);
}

TEST(RetryablePhase, EndsAtOnceWhenItIsCancelledBetweenAttempts) {
  const auto clock = std::make_shared<ManualClock>();
  Bus bus(quiet({.clock = clock}));
  const Heard heard(bus);
  Stopper stop;
  RetryablePhase phase(failing("a"), bus, 3, {.initial_delay = 1h, .max_delay = 1h});
  std::thread other([&] {
    EXPECT_TRUE(eventually([&] { return heard.has("phase.failed"); }));
    stop.request_stop();
  });
  const PhaseError error = failure_of(phase, {}, PhaseContext(stop.get_token()));
  other.join();
  EXPECT_EQ(error.fault, PhaseFault::cancelled);
  EXPECT_EQ(error.message,
            "phase \"a\" was cancelled before attempt 2 of 3; attempt 1: phase \"a\" failed: no "
            "network");
  EXPECT_EQ(heard.lines(), (Lines{"phase.started a", "phase.failed a", "phase.final_failure a"}));
  EXPECT_EQ(heard.only<PhaseEventData>("phase.final_failure").attempt, 1);
}

TEST(RetryablePhase, LeavesTheWorkersToOthersBetweenAttempts) {
  const auto clock = std::make_shared<ManualClock>();
  Bus bus(quiet({.clock = clock, .executor = std::make_shared<delivery_detail::WorkerPool>(2)}));
  const Heard heard(bus);
  Stopper stop;
  std::atomic<int> cancelled{0};
  const auto patient = [&](const Event&) {
    RetryablePhase phase(failing("a"), bus, 3, {.initial_delay = 1h, .max_delay = 1h});
    if (failure_of(phase, {}, PhaseContext(stop.get_token())).fault == PhaseFault::cancelled) {
      ++cancelled;
    }
  };
  const auto one = bus.subscribe("go", patient, {.mode = Mode::async});
  const auto two = bus.subscribe("go", patient, {.mode = Mode::async});
  const auto canceller =
      bus.subscribe("cancel", [&](const Event&) { stop.request_stop(); }, {.mode = Mode::async});
  bus.publish("go");
  EXPECT_TRUE(eventually([&] { return heard.of<PhaseEventData>("phase.failed").size() == 2; }));
  bus.publish("cancel");
  EXPECT_TRUE(eventually([&] { return cancelled == 2; }));
  stop.request_stop();  // lets a build end in which both workers wait
}

TEST(RetryablePhase, DoesNotWaitWhereAsManyHandlersWaitAsMay) {
  Bus bus(quiet({.clock = std::make_shared<ManualClock>(),
                 .executor = std::make_shared<delivery_detail::WorkerPool>(1)}));
  Lines said;
  const auto handler = bus.subscribe(
      "go",
      [&](const Event&) {
        std::vector<std::unique_ptr<delivery_detail::WorkerPool::Blocked>> others;
        do {
          others.push_back(std::make_unique<delivery_detail::WorkerPool::Blocked>());
        } while (others.back()->allowed());
        RetryablePhase retryable(failing("a"), bus);
        said.push_back(failure_of(retryable).message);
        EventAwarePhase timed(adding("b", {.timeout = 1h}), bus);
        const PhaseError error = failure_of(timed);
        EXPECT_EQ(error.fault, PhaseFault::not_begun);
        said.push_back(error.message);
        const ChainResult graph =
            PhaseOrchestrator(bus).execute_graph({{.phase = adding("c")}, {.phase = adding("d")}});
        EXPECT_EQ(graph.completed_phases, (Lines{"c", "d"})) << "one after the other";
      },
      {.mode = Mode::async});
  bus.publish("go");
  EXPECT_TRUE(bus.wait_idle(1min));
  EXPECT_EQ(said, (Lines{"phase \"a\" failed: no network; no further attempt was begun, because as "
                         "many handlers wait already as may",
                         "phase \"b\" was not begun: as many handlers wait already as may, and "
                         "this one would wait for it"}));
}

TEST(RetryablePhase, IsNotTriedAgainOnceItWasCancelledInside) {
  Bus bus(quiet());
  const Heard heard(bus);
  Stopper stop;
  RetryablePhase phase(make_phase("a",
                                  [&](const Json&) -> Json {
                                    stop.request_stop();
                                    throw std::runtime_error("stopping");
                                  },
                                  {.can_retry = [](const PhaseError&) { return true; }}),
                       bus, 3, kAtOnce);
  EXPECT_EQ(failure_of(phase, {}, PhaseContext(stop.get_token())).fault, PhaseFault::cancelled);
  EXPECT_EQ(heard.lines(), (Lines{"phase.started a", "phase.failed a", "phase.final_failure a"}));
}

TEST(RetryablePhase, MakesNoAttemptThatCouldOnlyBeginAfterTheDeadline) {
  const auto clock = std::make_shared<ManualClock>();
  Bus bus(quiet({.clock = clock}));
  RetryablePhase phase(failing("a"), bus, 3, {.initial_delay = 2s});
  const PhaseError error =
      failure_of(phase, {}, PhaseContext(std::stop_token(), clock->steady() + 2s));
  EXPECT_EQ(error.message,
            "phase \"a\" failed: no network; another attempt could only begin after the deadline");
}

TEST(RetryablePhase, TriesAgainAfterATimeOut) {
  const auto clock = std::make_shared<ManualClock>();
  Bus bus(quiet({.clock = clock}));
  const Heard heard(bus);
  const auto gate = std::make_shared<Gate>();
  const auto calls = std::make_shared<std::atomic<int>>(0);
  const auto ended = std::make_shared<std::atomic<int>>(0);
  RetryablePhase phase(make_phase("a",
                                  [=](const Json&) -> Json {
                                    if (++*calls == 1) gate->wait();
                                    ++*ended;
                                    return calls->load();
                                  },
                                  {.timeout = 1s}),
                       bus, 2, kAtOnce);
  std::thread other([&] {
    EXPECT_TRUE(eventually([&] { return *calls == 1; }));
    clock->advance(1s);
  });
  EXPECT_EQ(run(phase).data, 2);
  other.join();
  gate->open();
  EXPECT_TRUE(eventually([&] { return *ended == 2; }));
  EXPECT_EQ(heard.of<PhaseEventData>("phase.failed")[0].error, "phase \"a\" did not end within 1s");
  EXPECT_TRUE(heard.has("phase.retry_success"));
}

TEST(RetryablePhase, DoesNotWaitOnTheThreadThatMovesTheClock) {
  Bus bus(quiet(
      {.clock = std::make_shared<ManualClock>(), .executor = std::make_shared<ManualExecutor>()}));
  RetryablePhase phase(failing("a"), bus);
  EXPECT_NE(failure_of(phase).message.find("could never end"), std::string::npos);
}

TEST(RetryablePhase, TakesAPhaseThatIsEventAwareAsItIs) {
  Bus bus(quiet());
  const Heard heard(bus);
  RetryablePhase phase(std::make_shared<EventAwarePhase>(failing_first("a", 1), bus), bus, 2,
                       kAtOnce);
  run(phase);
  EXPECT_EQ(heard.lines(),
            (Lines{"phase.started a", "phase.failed a", "phase.retrying a", "phase.started a",
                   "phase.completed a", "phase.retry_success a"}));
}

TEST(RetryablePhase, RefusesOptionsThatMakeNoSense) {
  Bus bus(quiet());
  const auto refusal = [&](ErrorCode code, const Shared& phase, int attempts, Backoff backoff) {
    return error_of(code, [&] { RetryablePhase(phase, bus, attempts, backoff); });
  };
  EXPECT_EQ(refusal(ErrorCode::invalid_option, adding("a"), 0, {}),
            "RetryablePhase: max_attempts is 0; it is 1 to 100000");
  EXPECT_NE(refusal(ErrorCode::invalid_option, adding("a"), 2, {.backoff_factor = 0.5})
                .find("backoff_factor"),
            std::string::npos);
  EXPECT_EQ(refusal(ErrorCode::invalid_option, adding("a"), 2, {.jitter = 2}),
            "RetryablePhase: Backoff::jitter is 2; it is 0 to 1");
  EXPECT_EQ(refusal(ErrorCode::invalid_option, adding("a"), 2, {.initial_delay = -1ns}),
            "RetryablePhase: Backoff::initial_delay is -1ns; it is 0 or longer");
  EXPECT_EQ(refusal(ErrorCode::invalid_option, adding("a"), 2, {.initial_delay = 1min}),
            "RetryablePhase: Backoff::max_delay is 30s; it is at least initial_delay (60s)");
  const auto retryable = std::make_shared<RetryablePhase>(adding("a"), bus);
  EXPECT_EQ(refusal(ErrorCode::invalid_argument, retryable, 2, {}),
            "RetryablePhase: the phase \"a\" is retryable already; say how often there");
  const auto wrapped =
      std::make_shared<EventAwarePhase>(std::make_shared<EventAwarePhase>(retryable, bus), bus);
  EXPECT_EQ(refusal(ErrorCode::invalid_argument, wrapped, 2, {}),
            "RetryablePhase: the phase \"a\" is retryable already; say how often there");
  refusal(ErrorCode::invalid_argument, nullptr, 2, {});
}

}  // namespace
}  // namespace busway::phase
