// Chains as graphs: who waits for whom, what runs side by side, what is refused.
#include <map>
#include <random>
#include <set>

#include "phase_fixture.hpp"

namespace busway::phase {
namespace {

using namespace std::chrono_literals;

class Graph : public ::testing::Test {
 protected:
  ChainResult execute(const std::vector<ChainStep>& steps, PhaseInput input = {},
                      const ChainOptions& options = {}) {
    return orchestrator_.execute_graph(steps, std::move(input), options);
  }
  std::string refusal(ErrorCode code, const std::vector<ChainStep>& steps) {
    return error_of(code, [&] { execute(steps); });
  }

  Bus bus_{quiet()};
  const Heard heard_{bus_};
  const PhaseOrchestrator orchestrator_{bus_};
};

Shared giving(const std::string& name) {
  return make_phase(name, [name](const Json& data) { return Json{{name, data}}; });
}

std::size_t place_of(const Lines& lines, const std::string& line) {
  EXPECT_EQ(std::count(lines.begin(), lines.end(), line), 1) << line;
  return static_cast<std::size_t>(std::find(lines.begin(), lines.end(), line) - lines.begin());
}

TEST_F(Graph, GivesEachPhaseTheDataOfThoseItComesAfter) {
  const ChainResult result = execute({{.phase = giving("join"), .after = {"left", "right"}},
                                      {.phase = giving("root")},
                                      {.phase = giving("left"), .after = {"root"}},
                                      {.phase = giving("right"), .after = {"root", "root"}}},
                                     {.data = 1});
  ASSERT_TRUE(result.ok()) << result.error->message;
  const Json root{{"root", 1}};
  EXPECT_EQ(result.output_of("left")->data, (Json{{"left", root}}));
  EXPECT_EQ(result.output.data,
            (Json{{"join", {{"left", Json{{"left", root}}}, {"right", Json{{"right", root}}}}}}));
  EXPECT_EQ(result.completed_phases.front(), "root");
  EXPECT_EQ(result.completed_phases.back(), "join");
}

TEST_F(Graph, TellsInOrderAlongItsEdges) {
  execute({{.phase = giving("a")},
           {.phase = giving("b"), .after = {"a"}},
           {.phase = giving("c"), .after = {"a"}},
           {.phase = giving("d"), .after = {"b", "c"}}});
  const Lines lines = heard_.lines();
  ASSERT_EQ(lines.size(), 10U);
  EXPECT_EQ(lines.front(), "chain.started");
  EXPECT_EQ(lines.back(), "chain.completed");
  for (const auto& [first, then] :
       {std::pair{"completed a", "started b"}, std::pair{"completed a", "started c"},
        std::pair{"started b", "completed b"}, std::pair{"started c", "completed c"},
        std::pair{"completed b", "started d"}, std::pair{"completed c", "started d"}}) {
    EXPECT_LT(place_of(lines, "phase." + std::string(first)),
              place_of(lines, "phase." + std::string(then)));
  }
  EXPECT_EQ(heard_.only<ChainEventData>("chain.completed").phase_names,
            (Lines{"a", "b", "c", "d"}));
}

TEST_F(Graph, OfSeveralEndsGivesTheirDataByName) {
  const ChainResult result = execute({{.phase = giving("a")}, {.phase = giving("b")}}, {.data = 1});
  EXPECT_EQ(result.output.data, (Json{{"a", {{"a", 1}}}, {"b", {{"b", 1}}}}));
}

TEST_F(Graph, RunsSideBySideWhatNeedNotWait) {
  Gate one;
  Gate two;
  const auto meeting = [](const std::string& name, Gate& mine, Gate& other) {
    return make_phase(name, [&](const Json&) {
      mine.open();
      return Json(other.wait());
    });
  };
  const ChainResult result =
      execute({{.phase = meeting("a", one, two)}, {.phase = meeting("b", two, one)}});
  EXPECT_EQ(result.output.data, (Json{{"a", true}, {"b", true}}));
}

TEST_F(Graph, BeginsNoMoreThanItMayAtOnceInTheOrderGiven) {
  std::atomic<int> running{0};
  std::atomic<int> most{0};
  std::vector<ChainStep> steps;
  for (int i = 0; i < 6; ++i) {
    steps.push_back({.phase = make_phase(std::to_string(i), [&](const Json&) {
                       const int now = ++running;
                       int seen = most;
                       while (seen < now && !most.compare_exchange_weak(seen, now)) {
                       }
                       --running;
                       return Json();
                     })});
  }
  EXPECT_TRUE(execute(steps, {}, {.max_parallel = 2}).ok());
  EXPECT_LE(most, 2);
  EXPECT_EQ(execute(steps, {}, {.max_parallel = 1}).completed_phases,
            (Lines{"0", "1", "2", "3", "4", "5"}));
}

TEST_F(Graph, StopsWhatRunsBesideAPhaseThatFailsAndBeginsNothingMore) {
  Gate listening;
  const auto patient = make_phase("patient", [&](const Json&, PhaseContext& context) -> Json {
    Gate stopped;
    const std::stop_callback listen(context.stop_token(), [&] { stopped.open(); });
    listening.open();
    EXPECT_TRUE(stopped.wait());
    throw std::runtime_error("as asked");
  });
  const auto bad = make_phase("bad", [&](const Json&) -> Json {
    EXPECT_TRUE(listening.wait());
    throw std::runtime_error("no network");
  });
  const ChainResult result = execute({{.phase = patient},
                                      {.phase = bad},
                                      {.phase = adding("next"), .after = {"patient"}},
                                      {.phase = adding("other"), .after = {"bad"}}});
  EXPECT_EQ(result.failed_phase, "bad");
  EXPECT_EQ(result.phase_index, 1);
  EXPECT_EQ(result.error->message, "phase \"bad\" failed: no network");
  const Lines lines = heard_.lines();
  ASSERT_EQ(lines.size(), 6U);
  EXPECT_LT(place_of(lines, "phase.failed bad"), place_of(lines, "phase.failed patient"));
  EXPECT_EQ(lines.back(), "chain.failed bad");
  EXPECT_EQ(heard_.of<PhaseEventData>("phase.failed")[1].error,
            "phase \"patient\" was cancelled: as asked");
}

TEST_F(Graph, KeepsWhatCompletedBesideAFailure) {
  Gate begun;
  Gate failed;
  const auto listener = bus_.subscribe("phase.failed", [&](const Event&) { failed.open(); });
  const auto steady = make_phase("steady", [&](const Json&) {
    begun.open();
    EXPECT_TRUE(failed.wait());
    return Json("kept");
  });
  const auto bad = make_phase("bad", [&](const Json&) -> Json {
    EXPECT_TRUE(begun.wait());
    throw std::runtime_error("no network");
  });
  const ChainResult result = execute({{.phase = steady}, {.phase = bad}});
  ASSERT_EQ(result.completed_phases, (Lines{"steady"}));
  EXPECT_EQ(result.output_of("steady")->data, "kept");
  EXPECT_EQ(heard_.only<ChainEventData>("chain.failed").completed_phases, (Lines{"steady"}));
}

TEST_F(Graph, BoundsAPhaseByTheTimeOfItsStep) {
  const auto clock = std::make_shared<ManualClock>();
  Bus bus(quiet({.clock = clock}));
  const Heard heard(bus);
  const auto gate = std::make_shared<Gate>();
  const auto state = std::make_shared<std::atomic<int>>(0);
  const auto hanging = make_phase("slow",
                                  [=](const Json&) {
                                    *state = 1;
                                    EXPECT_TRUE(gate->wait());
                                    *state = 2;
                                    return Json();
                                  },
                                  {.timeout = 1h});
  std::thread other([&] {
    EXPECT_TRUE(eventually([&] { return *state == 1 && heard.has("phase.completed"); }));
    clock->advance(1s);
  });
  const ChainResult result = PhaseOrchestrator(bus).execute_graph(
      {{.phase = hanging, .timeout = 1s}, {.phase = adding("beside")}});
  other.join();
  EXPECT_EQ(result.error->message, "phase \"slow\" did not end within 1s");
  EXPECT_EQ(result.completed_phases, (Lines{"beside"}));
  gate->open();
  EXPECT_TRUE(eventually([&] { return *state == 2; }));
}

TEST_F(Graph, InsideAHandlerIsCausedByItsEventOnEachThread) {
  const auto handler = bus_.subscribe("go", [&](const Event&) {
    execute({{.phase = giving("a")}, {.phase = giving("b")}, {.phase = giving("c")}});
  });
  const EventId go = bus_.publish("go").id;
  ASSERT_EQ(heard_.events().size(), 8U);
  for (const Event& event : heard_.events()) {
    EXPECT_EQ(event.causation_id(), go) << event.topic();
    EXPECT_EQ(event.hops(), 1U);
  }
}

// A phase on a thread of its own that asks the very handler which waits for it.
TEST_F(Graph, InsideAHandlerClosesNoCircleOfWaits) {
  for (const auto timeout : {std::optional<std::chrono::nanoseconds>(), std::optional(1h + 0ns)}) {
    std::atomic<ErrorCode> code{ErrorCode::ok};
    Gate ended;
    const auto handler =
        bus_.subscribe({"go", "ask"},
                       [&](const Event& event) {
                         if (event.topic() == "ask") return;
                         const auto asking = make_phase("asking", [&](const Json&) {
                           code = bus_.request("ask", Payload(), 2min).code();
                           return Json();
                         });
                         std::vector<ChainStep> steps{{.phase = asking, .timeout = timeout}};
                         if (!timeout) steps.push_back({.phase = giving("beside")});
                         EXPECT_TRUE(execute(steps).ok());
                         ended.open();
                       },
                       {.mode = Mode::async});
    bus_.publish("go");
    EXPECT_TRUE(ended.wait());
    EXPECT_EQ(to_string(code.load()), to_string(ErrorCode::would_block));
  }
}

// What is refused, before anything runs or is published.

TEST_F(Graph, RefusesAnAfterThatNamesNobody) {
  EXPECT_EQ(refusal(ErrorCode::not_found,
                    {{.phase = giving("planner")}, {.phase = giving("b"), .after = {"plannr"}}}),
            "execute_graph: phase \"b\" comes after \"plannr\", and the chain has no phase of that "
            "name; did you mean \"planner\"?");
  EXPECT_EQ(refusal(ErrorCode::not_found, {{.phase = giving("a"), .after = {"something else"}}}),
            "execute_graph: phase \"a\" comes after \"something else\", and the chain has no phase "
            "of that name");
  EXPECT_EQ(heard_.lines(), Lines{});
}

TEST_F(Graph, RefusesACircleAndShowsIt) {
  EXPECT_EQ(refusal(ErrorCode::invalid_argument, {{.phase = giving("a"), .after = {"a"}}}),
            "execute_graph: the phases wait for each other in a circle: \"a\" -> \"a\"");
  EXPECT_EQ(refusal(ErrorCode::invalid_argument, {{.phase = giving("first")},
                                                  {.phase = giving("tail"), .after = {"a"}},
                                                  {.phase = giving("a"), .after = {"first", "c"}},
                                                  {.phase = giving("b"), .after = {"a"}},
                                                  {.phase = giving("c"), .after = {"b"}}}),
            "execute_graph: the phases wait for each other in a circle: \"a\" -> \"b\" -> \"c\" -> "
            "\"a\"");
  EXPECT_EQ(heard_.lines(), Lines{});
}

TEST_F(Graph, RefusesWhatAChainRefuses) {
  EXPECT_EQ(refusal(ErrorCode::invalid_argument, {}),
            "execute_graph: the chain has no phase; give it at least one");
  refusal(ErrorCode::invalid_argument, std::vector<ChainStep>(1));
  refusal(ErrorCode::already_exists, {{.phase = giving("a")}, {.phase = giving("a")}});
  EXPECT_EQ(refusal(ErrorCode::invalid_option, {{.phase = giving("a"), .timeout = 0ns}}),
            "execute_graph: the timeout of phase \"a\" is 0ms; it is longer than 0");
}

// Whatever the graph: each phase at most once, after all it comes after, the events whole and in
// order, and the failure told is one that happened.
TEST_F(Graph, KeepsItsPromisesWhateverItsShape) {
  for (unsigned seed = 1; seed <= 60; ++seed) {
    std::mt19937 random(seed);
    const auto below = [&](std::size_t limit) { return random() % limit; };
    const std::size_t count = 1 + below(9);
    std::vector<ChainStep> steps;
    std::set<std::string> bad;
    for (std::size_t i = 0; i < count; ++i) {
      const std::string name = "p" + std::to_string(i);
      if (below(12) == 0) bad.insert(name);
      ChainStep step{.phase = bad.contains(name) ? failing(name) : giving(name)};
      for (std::size_t before = 0; before < i; ++before) {
        if (below(3) == 0) step.after.push_back("p" + std::to_string(before));
      }
      steps.push_back(std::move(step));
    }
    std::shuffle(steps.begin(), steps.end(), random);
    const Heard heard(bus_);
    const ChainResult result = execute(steps, {.data = 1}, {.max_parallel = 1 + below(4)});
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Lines lines = heard.lines();
    ASSERT_EQ(lines.front(), "chain.started");
    ASSERT_EQ(lines.back(),
              result.ok() ? "chain.completed" : "chain.failed " + result.failed_phase);
    ASSERT_EQ(result.ok(), bad.empty());
    ASSERT_TRUE(result.ok() || bad.contains(result.failed_phase));
    std::map<std::string, std::size_t> place;
    for (std::size_t i = 0; i < lines.size(); ++i) {
      ASSERT_TRUE(place.emplace(lines[i], i).second) << lines[i] << " came twice";
    }
    for (const ChainStep& step : steps) {
      const std::string name = step.phase->name();
      const auto started = place.find("phase.started " + name);
      if (started == place.end()) {
        ASSERT_FALSE(result.ok()) << name << " did not run";
        continue;
      }
      // A good one may have been cancelled because another one failed.
      const std::size_t completed = place.count("phase.completed " + name);
      ASSERT_EQ(completed + place.count("phase.failed " + name), 1U);
      ASSERT_TRUE(completed == 0 || !bad.contains(name));
      ASSERT_TRUE(completed == 1 || !result.ok());
      for (const std::string& before : step.after) {
        ASSERT_LT(place.at("phase.completed " + before), started->second);
      }
    }
  }
}

}  // namespace
}  // namespace busway::phase
