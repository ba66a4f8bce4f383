// Chains of one phase after the other: the order of the events, what they carry, what is refused.
#include "busway/phase_orchestrator.hpp"

#include <future>

#include "busway/event_aware_phase.hpp"
#include "busway/event_id.hpp"
#include "busway/retryable_phase.hpp"
#include "phase_fixture.hpp"

namespace busway::phase {
namespace {

using namespace std::chrono_literals;

class Chain : public ::testing::Test {
 protected:
  ChainResult execute(const std::vector<Shared>& phases, PhaseInput input = {},
                      const ChainOptions& options = {}) {
    return orchestrator_.execute_chain(phases, std::move(input), options);
  }
  std::string refusal(ErrorCode code, const std::vector<Shared>& phases, PhaseInput input = {},
                      const ChainOptions& options = {}) {
    return error_of(code, [&] { execute(phases, std::move(input), options); });
  }

  const std::shared_ptr<ManualClock> clock_ = std::make_shared<ManualClock>();
  Bus bus_{quiet({.clock = clock_})};
  const Heard heard_{bus_};
  const PhaseOrchestrator orchestrator_{bus_};
};

TEST_F(Chain, HandsTheDataOnAndTellsInOrder) {
  const ChainResult result = execute({adding("a"), adding("b"), adding("c")});
  ASSERT_TRUE(result.ok()) << result.error->message;
  EXPECT_EQ(result.output.data, (Json{"a", "b", "c"}));
  EXPECT_EQ(result.completed_phases, (Lines{"a", "b", "c"}));
  EXPECT_EQ(result.phase_index, 3);
  EXPECT_EQ(result.output_of("b")->data, (Json{"a", "b"}));
  EXPECT_EQ(result.output_of("d"), nullptr);
  EXPECT_EQ(heard_.lines(), (Lines{"chain.started", "phase.started a", "phase.completed a",
                                   "phase.started b", "phase.completed b", "phase.started c",
                                   "phase.completed c", "chain.completed"}));
}

TEST_F(Chain, EndsAtThePhaseThatFailsWhereverItStands) {
  const Lines names{"a", "b", "c", "d"};
  for (std::size_t bad = 0; bad < names.size(); ++bad) {
    const Heard heard(bus_);
    std::vector<Shared> phases;
    Lines expected{"chain.started"};
    for (std::size_t i = 0; i < names.size(); ++i) {
      phases.push_back(i == bad ? failing(names[i]) : adding(names[i]));
      if (i > bad) continue;
      expected.push_back("phase.started " + names[i]);
      expected.push_back((i == bad ? "phase.failed " : "phase.completed ") + names[i]);
    }
    expected.push_back("chain.failed " + names[bad]);
    const ChainResult result = execute(phases);
    EXPECT_EQ(heard.lines(), expected);
    const Lines completed(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(bad));
    const auto failed = heard.only<ChainEventData>("chain.failed");
    const std::string why = "phase \"" + names[bad] + "\" failed: no network";
    EXPECT_EQ(failed.failed_phase, names[bad]);
    EXPECT_EQ(failed.phase_index, static_cast<int>(bad));
    EXPECT_EQ(failed.completed_phases, completed);
    EXPECT_EQ(failed.error, why);
    EXPECT_FALSE(result.ok());
    EXPECT_EQ(result.failed_phase, names[bad]);
    EXPECT_EQ(result.phase_index, static_cast<int>(bad));
    EXPECT_EQ(result.completed_phases, completed);
    EXPECT_EQ(result.error->message, why);
    EXPECT_TRUE(result.output.data.is_null());
  }
}

TEST_F(Chain, TellsOfItselfWithEachField) {
  const auto slow = [&](const std::string& name) {
    return make_phase(name, [&](const Json& data) {
      clock_->advance(2ms);
      return data;
    });
  };
  const ChainResult result = execute({slow("a"), slow("b")}, {.session_id = "s1"});
  EXPECT_EQ(result.elapsed, 4ms);
  EXPECT_EQ(heard_.events().front().json(), (Json{{"session_id", "s1"},
                                                  {"phase_count", 2},
                                                  {"phase_names", {"a", "b"}},
                                                  {"completed_phases", Json::array()},
                                                  {"failed_phase", ""},
                                                  {"phase_index", 0},
                                                  {"error", ""},
                                                  {"elapsed_ms", 0.0}}));
  EXPECT_EQ(heard_.events().back().json(), (Json{{"session_id", "s1"},
                                                 {"phase_count", 2},
                                                 {"phase_names", {"a", "b"}},
                                                 {"completed_phases", {"a", "b"}},
                                                 {"failed_phase", ""},
                                                 {"phase_index", 2},
                                                 {"error", ""},
                                                 {"elapsed_ms", 4.0}}));
  execute({slow("a"), failing("b")}, {.session_id = "s2"});
  EXPECT_EQ(heard_.events().back().json(), (Json{{"session_id", "s2"},
                                                 {"phase_count", 2},
                                                 {"phase_names", {"a", "b"}},
                                                 {"completed_phases", Json::array({"a"})},
                                                 {"failed_phase", "b"},
                                                 {"phase_index", 1},
                                                 {"error", "phase \"b\" failed: no network"},
                                                 {"elapsed_ms", 2.0}}));
  EXPECT_EQ(heard_.events().back().source(), "phase_orchestrator");
  EXPECT_EQ(heard_.events().back().session_id(), "s2");
}

TEST_F(Chain, MakesASessionWhereTheInputHasNone) {
  const ChainResult first = execute({adding("a")});
  EXPECT_TRUE(EventId::parse(first.session_id)) << first.session_id;
  EXPECT_EQ(first.output.session_id, first.session_id);
  for (const Event& event : heard_.events()) EXPECT_EQ(event.session_id(), first.session_id);
  EXPECT_NE(execute({adding("a")}).session_id, first.session_id);
  EXPECT_EQ(execute({adding("a")}, {.session_id = "mine"}).session_id, "mine");
}

TEST_F(Chain, GivesEachPhaseTheRequestAndMetadataButHandsOnDataAlone) {
  std::vector<PhaseInput> seen;
  const auto noting = [&](const std::string& name) {
    return make_phase(name, [&](const PhaseInput& input) {
      seen.push_back(input);
      return PhaseOutput{.request = "another", .data = 1, .metadata = {{"tokens", 9}}};
    });
  };
  const ChainResult result =
      execute({noting("a"), noting("b")},
              {.request = "write", .data = "x", .session_id = "s", .metadata = {{"user", "ann"}}});
  ASSERT_EQ(seen.size(), 2U);
  EXPECT_EQ(seen[0].data, "x");
  EXPECT_EQ(seen[1].data, 1);
  for (const PhaseInput& input : seen) {
    EXPECT_EQ(input.request, "write");
    EXPECT_EQ(input.session_id, "s");
    EXPECT_EQ(input.metadata, (Json{{"user", "ann"}}));
  }
  EXPECT_EQ(result.output.request, "another");
  EXPECT_EQ(result.output.metadata, (Json{{"tokens", 9}}));
}

TEST_F(Chain, TakesPhasesThatAnnounceThemselvesAsTheyAre) {
  const auto retryable = std::make_shared<RetryablePhase>(failing_first("a", 1), bus_, 2,
                                                          Backoff{.initial_delay = 0ns});
  EXPECT_EQ(orchestrator_.wrap(retryable), retryable);
  EXPECT_TRUE(execute({retryable, std::make_shared<EventAwarePhase>(adding("b"), bus_)}).ok());
  EXPECT_EQ(heard_.lines(),
            (Lines{"chain.started", "phase.started a", "phase.failed a", "phase.retrying a",
                   "phase.started a", "phase.completed a", "phase.retry_success a",
                   "phase.started b", "phase.completed b", "chain.completed"}));
}

/// A class that announces itself as it likes.
class Mute final : public Phase {
 public:
  std::string name() const override { return "mute"; }
  PhaseOutput execute(const PhaseInput& input, PhaseContext&) override {
    if (input.data == "bad") throw std::runtime_error("hm");
    return {.data = "ok"};
  }
  bool announces_itself() const noexcept override { return true; }
};

TEST_F(Chain, RunsAClassAndWhatItThrowsEndsTheChain) {
  EXPECT_EQ(execute({std::make_shared<Mute>()}).output.data, "ok");
  EXPECT_EQ(execute({std::make_shared<Mute>()}, {.data = "bad"}).error->message,
            "phase \"mute\" failed: hm");
  EXPECT_EQ(heard_.lines(),
            (Lines{"chain.started", "chain.completed", "chain.started", "chain.failed mute"}));
}

TEST_F(Chain, EndsBetweenPhasesWhenItIsCancelled) {
  Stopper stop;
  const auto stopping = make_phase("a", [&](const Json&) {
    stop.request_stop();
    return Json("done all the same");
  });
  const ChainResult result = execute({stopping, adding("b")}, {}, {.stop = stop.get_token()});
  EXPECT_EQ(result.error->fault, PhaseFault::cancelled);
  EXPECT_EQ(result.error->message, "the chain was cancelled before phase \"b\"");
  EXPECT_EQ(result.failed_phase, "b");
  EXPECT_EQ(result.completed_phases, (Lines{"a"}));
  EXPECT_EQ(heard_.lines(),
            (Lines{"chain.started", "phase.started a", "phase.completed a", "chain.failed b"}));
}

TEST_F(Chain, ThatIsCancelledBeforeItBeginsExecutesNothing) {
  Stopper stop;
  stop.request_stop();
  int executed = 0;
  const auto counting = make_phase("a", [&](const Json&) { return Json(++executed); });
  const ChainResult result =
      execute({counting, adding("b")}, {.session_id = "s"}, {.stop = stop.get_token()});
  EXPECT_EQ(executed, 0);
  EXPECT_EQ(result.error->fault, PhaseFault::cancelled);
  EXPECT_EQ(result.error->message, "the chain was cancelled before phase \"a\"");
  EXPECT_EQ(heard_.lines(), (Lines{"chain.started", "chain.failed a"}));
  EXPECT_EQ(heard_.events().back().json(), (Json{{"session_id", "s"},
                                                 {"phase_count", 2},
                                                 {"phase_names", {"a", "b"}},
                                                 {"completed_phases", Json::array()},
                                                 {"failed_phase", "a"},
                                                 {"phase_index", 0},
                                                 {"error", result.error->message},
                                                 {"elapsed_ms", 0.0}}));
}

TEST_F(Chain, TellsWhereAndWhyItWasCancelled) {
  Stopper stop;
  const auto slow = make_phase("b", [&](const Json&) -> Json {
    clock_->advance(3ms);
    stop.request_stop();
    throw std::runtime_error("as asked");
  });
  execute({adding("a"), slow, adding("c")}, {.session_id = "s"}, {.stop = stop.get_token()});
  EXPECT_EQ(heard_.lines(), (Lines{"chain.started", "phase.started a", "phase.completed a",
                                   "phase.started b", "phase.failed b", "chain.failed b"}));
  EXPECT_EQ(heard_.only<PhaseEventData>("phase.failed").metadata["fault"], "cancelled");
  EXPECT_EQ(heard_.events().back().json(), (Json{{"session_id", "s"},
                                                 {"phase_count", 3},
                                                 {"phase_names", {"a", "b", "c"}},
                                                 {"completed_phases", Json::array({"a"})},
                                                 {"failed_phase", "b"},
                                                 {"phase_index", 1},
                                                 {"error", "phase \"b\" was cancelled: as asked"},
                                                 {"elapsed_ms", 3.0}}));
}

TEST_F(Chain, ThatIsCancelledInItsLastPhaseIsCompletedIfThatIs) {
  Stopper stop;
  const auto stopping = make_phase("a", [&](const Json&) {
    stop.request_stop();
    return Json(1);
  });
  EXPECT_TRUE(execute({stopping}, {}, {.stop = stop.get_token()}).ok());
}

TEST_F(Chain, TellsThePhaseThatRunsWhenItIsCancelled) {
  Stopper stop;
  const auto listening = make_phase("a", [&](const Json&, PhaseContext& context) -> Json {
    stop.request_stop();
    EXPECT_TRUE(context.stop_requested());
    throw std::runtime_error("as asked");
  });
  const ChainResult result = execute({listening, adding("b")}, {}, {.stop = stop.get_token()});
  EXPECT_EQ(result.error->fault, PhaseFault::cancelled);
  EXPECT_EQ(result.failed_phase, "a");
}

TEST_F(Chain, DoesNotOutlastAPhaseThatHangsPastTheChainsTime) {
  const auto gate = std::make_shared<Gate>();
  const auto state = std::make_shared<std::atomic<int>>(0);
  const auto hanging = make_phase("slow", [=](const Json&) {
    *state = 1;
    EXPECT_TRUE(gate->wait());
    *state = 2;
    return Json();
  });
  std::thread other([&] {
    EXPECT_TRUE(eventually([&] { return *state == 1; }));
    clock_->advance(1s);
  });
  const ChainResult result = execute({hanging, adding("b")}, {}, {.timeout = 1s});
  other.join();
  EXPECT_EQ(result.error->fault, PhaseFault::timed_out);
  EXPECT_EQ(result.error->message, "phase \"slow\" had not ended at the deadline of its chain");
  EXPECT_EQ(heard_.lines(), (Lines{"chain.started", "phase.started slow", "phase.failed slow",
                                   "chain.failed slow"}));
  EXPECT_EQ(heard_.events().back().json(), (Json{{"session_id", result.session_id},
                                                 {"phase_count", 2},
                                                 {"phase_names", {"slow", "b"}},
                                                 {"completed_phases", Json::array()},
                                                 {"failed_phase", "slow"},
                                                 {"phase_index", 0},
                                                 {"error", result.error->message},
                                                 {"elapsed_ms", 1000.0}}));
  gate->open();
  EXPECT_TRUE(eventually([&] { return *state == 2; }));
}

TEST_F(Chain, BeginsNoPhaseAfterItsTime) {
  const auto slow = make_phase("a", [&](const Json&) {
    clock_->advance(5s);
    return Json();
  });
  // The time passes within a phase that was quick enough to be taken for one in time.
  const auto late = bus_.subscribe("phase.completed", [&](const Event&) { clock_->advance(10s); });
  const ChainResult result = execute({adding("x"), slow}, {}, {.timeout = 8s});
  EXPECT_EQ(result.error->message,
            "the chain did not end within 8s: the time was over before phase \"a\"");
  EXPECT_EQ(result.failed_phase, "a");
  EXPECT_EQ(result.error->fault, PhaseFault::timed_out);
  EXPECT_EQ(heard_.lines(),
            (Lines{"chain.started", "phase.started x", "phase.completed x", "chain.failed a"}));
  EXPECT_EQ(heard_.events().back().json(), (Json{{"session_id", result.session_id},
                                                 {"phase_count", 2},
                                                 {"phase_names", {"x", "a"}},
                                                 {"completed_phases", Json::array({"x"})},
                                                 {"failed_phase", "a"},
                                                 {"phase_index", 1},
                                                 {"error", result.error->message},
                                                 {"elapsed_ms", 10000.0}}));
}

TEST_F(Chain, TriesNothingAgainThatHungUntilTheChainsTimeWasOver) {
  const auto patient = std::make_shared<RetryablePhase>(
      make_phase("a",
                 [clock = clock_](const Json&, PhaseContext& context) {
                   clock->advance(1s);
                   EXPECT_TRUE(eventually([&] { return context.stop_requested(); }));
                   return Json("late");
                 }),
      bus_, 3, Backoff{.initial_delay = 0ns});
  const ChainResult result = execute({patient, adding("b")}, {}, {.timeout = 1s});
  EXPECT_EQ(result.error->fault, PhaseFault::timed_out);
  EXPECT_EQ(result.error->message,
            "phase \"a\" had not ended at the deadline of its chain; another attempt could only "
            "begin after the deadline");
  EXPECT_EQ(heard_.lines(), (Lines{"chain.started", "phase.started a", "phase.failed a",
                                   "phase.final_failure a", "chain.failed a"}));
  const auto failure = heard_.only<PhaseEventData>("phase.final_failure");
  EXPECT_EQ(failure.error, result.error->message);
  EXPECT_EQ(failure.attempt, 1);
  EXPECT_EQ(failure.duration_ms, 1000.0);
  EXPECT_EQ(failure.metadata, (Json{{"fault", "timed_out"}}));
}

// A failed publish never fails the chain.

/// What is logged of a chain on a bus that is spoilt before it runs or while it does.
Lines logged_of_chain(
    BusOptions options, const std::function<void(Bus&)>& before,
    const std::function<void(Bus&)>& meanwhile = [](Bus&) {}) {
  Lines logged;
  options.log = [&](LogLevel, std::string_view message, std::span<const LogField> fields) {
    std::string line(message);
    for (const LogField& field : fields) {
      if (field.name == "topic") line += " " + std::string(field.value);
    }
    logged.push_back(line);
  };
  Bus bus(options);
  before(bus);
  const auto spoiling = make_phase("a", [&](const Json&) {
    meanwhile(bus);
    return Json::array({"a"});
  });
  const PhaseOrchestrator orchestrator(bus);
  EXPECT_EQ(orchestrator.execute_chain({spoiling, adding("b")}).output.data, (Json{"a", "b"}));
  const ChainResult failed = orchestrator.execute_chain({failing("c")});
  EXPECT_EQ(failed.error->message, "phase \"c\" failed: no network");
  return logged;
}

TEST(ChainOnASpoiltBus, DoesItsWorkAndLogsWhatWasNotPublished) {
  const std::string what = "an event of a phase was not published ";
  const Lines failed{what + "chain.started", what + "phase.started", what + "phase.failed",
                     what + "chain.failed"};
  Lines after{what + "phase.completed", what + "phase.started", what + "phase.completed",
              what + "chain.completed"};
  after.insert(after.end(), failed.begin(), failed.end());
  Lines all{what + "chain.started", what + "phase.started"};
  all.insert(all.end(), after.begin(), after.end());
  const auto stop = [](Bus& bus) { bus.stop(); };
  EXPECT_EQ(logged_of_chain({}, stop), all);
  EXPECT_EQ(logged_of_chain(
                {}, [](Bus&) {}, stop),
            after);
}

TEST(ChainOnASpoiltBus, DoesItsWorkAndSaysNothingOfWhatSomebodyWants) {
  EXPECT_EQ(logged_of_chain({.enabled = false}, [](Bus&) {}), Lines{});
  EXPECT_EQ(logged_of_chain({},
                            [](Bus& bus) {
                              bus.add_filter("no chains", [](const Event& event) {
                                return !event.topic().starts_with("chain.");
                              });
                            }),
            Lines{});
}

TEST_F(Chain, InsideAHandlerIsCausedByItsEvent) {
  const auto handler = bus_.subscribe("go", [&](const Event&) { execute({adding("a")}); });
  const EventId go = bus_.publish("go").id;
  ASSERT_EQ(heard_.events().size(), 4U);
  for (const Event& event : heard_.events()) EXPECT_EQ(event.causation_id(), go);
}

TEST_F(Chain, RunsBesideOthersOnOneOrchestrator) {
  std::vector<std::future<ChainResult>> chains;
  const std::vector<Shared> phases{adding("a"), adding("b")};
  for (int i = 0; i < 4; ++i) {
    chains.push_back(std::async(std::launch::async, [&] { return execute(phases); }));
  }
  for (auto& chain : chains) EXPECT_EQ(chain.get().output.data, (Json{"a", "b"}));
}

// What is refused, before anything runs or is published.

TEST_F(Chain, NeedsAPhase) {
  EXPECT_EQ(refusal(ErrorCode::invalid_argument, {}),
            "execute_chain: the chain has no phase; give it at least one");
  EXPECT_EQ(heard_.lines(), Lines{});
}

TEST_F(Chain, RefusesPhasesThatAreNullOrHaveNoName) {
  EXPECT_EQ(refusal(ErrorCode::invalid_argument, {adding("a"), nullptr, adding("b")}),
            "execute_chain: phase 1: the phase is null");
  EXPECT_NE(refusal(ErrorCode::invalid_argument, {adding("a"), adding("")}).find("phase 1"),
            std::string::npos);
  EXPECT_EQ(heard_.lines(), Lines{});
}

TEST_F(Chain, RefusesTwoPhasesOfOneName) {
  EXPECT_EQ(
      refusal(ErrorCode::already_exists, {adding("a"), adding("b"), adding("a")}),
      "execute_chain: phases 0 and 2 are both named \"a\"; each phase of a chain needs a name "
      "of its own");
  EXPECT_EQ(heard_.lines(), Lines{});
}

TEST_F(Chain, RefusesMoreThanAThousandPhases) {
  std::vector<Shared> phases;
  for (int i = 0; i < 1025; ++i) phases.push_back(adding(std::to_string(i)));
  EXPECT_EQ(refusal(ErrorCode::too_many, phases),
            "execute_chain: the chain has 1025 phases; at most 1024 may be in one");
  phases.pop_back();
  EXPECT_TRUE(execute(phases).ok());
}

TEST_F(Chain, RefusesOptionsAndInputsThatMakeNoSense) {
  const std::vector<Shared> one{adding("a")};
  EXPECT_EQ(refusal(ErrorCode::invalid_option, one, {}, {.timeout = 0ns}),
            "execute_chain: the timeout of the chain is 0ms; it is longer than 0");
  EXPECT_EQ(refusal(ErrorCode::invalid_option, one, {}, {.max_parallel = 5000}),
            "execute_chain: max_parallel is 5000; it is 0 (the cores) to 1024");
  EXPECT_EQ(refusal(ErrorCode::invalid_option, {adding("a", {.timeout = -1s})}),
            "execute_chain: the timeout of phase \"a\" is -1s; it is longer than 0");
  EXPECT_NE(refusal(ErrorCode::invalid_argument, one, {.metadata = Json(1)}).find("metadata"),
            std::string::npos);
  EXPECT_NE(refusal(ErrorCode::invalid_argument, one, {.session_id = "a\nb"}).find("session id"),
            std::string::npos);
  EXPECT_EQ(heard_.lines(), Lines{});
}

}  // namespace
}  // namespace busway::phase
