// Several graphs at once on one bus, with retries, time-outs, failures and a cache between them.
#include <map>

#include "busway/retryable_phase.hpp"
#include "phase_fixture.hpp"

namespace busway::phase {
namespace {

using namespace std::chrono_literals;

TEST(PhaseStress, GraphsSideBySideTellEachOfTheirPhases) {
  constexpr int kThreads = 3;
  constexpr int kRounds = 12;
  constexpr int kWidth = 4;
  Bus bus(quiet({.history = 0}));
  std::mutex mutex;
  std::map<std::string, std::map<std::string, int>> by_session;  // guarded by mutex
  const auto listener =
      bus.subscribe({"^phase\\.(started|completed|failed)$", "chain.*"}, [&](const Event& event) {
        const std::lock_guard lock(mutex);
        ++by_session[std::string(event.session_id())][std::string(event.topic())];
      });
  std::map<std::string, Json> kept;  // guarded by mutex
  const auto cache =
      bus.subscribe<PhaseLookup>("phase.lookup", [&](const PhaseLookup& lookup, Context& context) {
        const std::lock_guard lock(mutex);
        const auto [place, added] = kept.emplace(lookup.key, 1);
        if (!added && lookup.name == "cached") context.reply(place->second);
      });

  const PhaseOrchestrator orchestrator(bus);
  const auto work = [&](int thread, int round) {
    std::vector<ChainStep> steps{{.phase = adding("root", {.timeout = 1min})},
                                 {.phase = adding("cached"), .after = {"root"}}};
    ChainStep join{.phase = adding("join"), .after = {"cached"}};
    for (int i = 0; i < kWidth; ++i) {
      const std::string name = "w" + std::to_string(i);
      steps.push_back(
          {.phase = std::make_shared<RetryablePhase>(failing_first(name, i % 2, {.timeout = 1min}),
                                                     bus, 2, Backoff{.initial_delay = 0ns}),
           .after = {"root"}});
      join.after.push_back(name);
    }
    steps.push_back(std::move(join));
    const bool fails = round % 4 == 3;
    if (fails) steps.push_back({.phase = failing("bad"), .after = {"root"}});
    const ChainResult result = orchestrator.execute_graph(
        steps, {.session_id = std::to_string(thread) + "/" + std::to_string(round)},
        {.max_parallel = 3});
    EXPECT_EQ(result.ok(), !fails);
  };
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int round = 0; round < kRounds; ++round) work(t, round);
    });
  }
  for (std::thread& thread : threads) thread.join();

  const std::lock_guard lock(mutex);
  EXPECT_EQ(by_session.size(), std::size_t{kThreads} * kRounds);
  for (auto& [session, counts] : by_session) {
    EXPECT_EQ(counts["chain.started"], 1) << session;
    EXPECT_EQ(counts["chain.completed"] + counts["chain.failed"], 1) << session;
    EXPECT_EQ(counts["phase.started"], counts["phase.completed"] + counts["phase.failed"])
        << session;
    if (counts["chain.failed"] == 0) {
      EXPECT_EQ(counts["phase.completed"], 3 + kWidth) << session;
    }
  }
}

TEST(PhaseStress, APhaseFindsTheResponderThatIsThereWhileOthersComeAndGo) {
  constexpr int kThreads = 3;
  constexpr int kRounds = 200;
  Bus bus(quiet({.history = 0}));
  const auto knows = [](const PhaseLookup&, Context& context) { context.reply(Json("kept")); };
  const auto listener = bus.subscribe("phase.*", [](const Event&) {});
  const auto work = [&](int thread) {
    const auto phase = PhaseOrchestrator(bus).wrap(
        make_phase("p" + std::to_string(thread), [](const Json&) { return Json("made"); }));
    for (int round = 0; round < kRounds; ++round) {
      const Json before = run(*phase).data;
      EXPECT_TRUE(before == "made" || before == "kept") << before;
      const Patterns patterns =
          round % 2 == 0 ? Patterns{"phase.lookup"} : Patterns{"phase.lookup", "cache.*"};
      const auto responder = bus.subscribe<PhaseLookup>(patterns, knows);
      EXPECT_EQ(run(*phase).data, "kept") << round;
    }
  };
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) threads.emplace_back(work, t);
  for (std::thread& thread : threads) thread.join();
  const auto phase = PhaseOrchestrator(bus).wrap(adding("last"));
  EXPECT_EQ(run(*phase).data, Json::array({"last"})) << "all have gone";
}

}  // namespace
}  // namespace busway::phase
