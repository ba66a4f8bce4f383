// The snippets of docs/phases.md: compiled here and run. snippets_test.cpp compares the two.
#include <gtest/gtest.h>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <busway/events/phase_event_data.hpp>
#include <busway/events/phase_lookup.hpp>
#include <busway/phase_coroutine.hpp>
#include <busway/phase_orchestrator.hpp>
#include <busway/retryable_phase.hpp>
#include <busway/typed.hpp>

#include <chrono>
#include <condition_variable>
#include <future>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using busway::Bus;
using busway::Context;
using busway::Event;
using busway::Json;

// begin: phase_class
using namespace busway::phase;

class Critic final : public Phase {
 public:
  std::string name() const override { return "critic"; }
  std::optional<std::string> validate_input(const PhaseInput& input) const override {
    if (input.data.contains("text")) return std::nullopt;
    return "data has no field \"text\"";
  }
  PhaseOutput execute(const PhaseInput& input, PhaseContext& context) override {
    Json remarks = Json::array();
    for (const Json& sentence : input.data["text"]) {
      if (context.stop_requested()) throw std::runtime_error("asked to stop");
      if (sentence.get<std::string>().size() > 80) remarks.push_back("long: " + sentence.dump());
    }
    return {.data = {{"remarks", remarks}}, .metadata = {{"read", input.data["text"].size()}}};
  }
};
// end: phase_class

TEST(PhasesPage, AChainRunsOneAfterTheOther) {
  // begin: phase_chain
  Bus bus;
  const PhaseOrchestrator orchestrator(bus);
  const auto writer = make_phase("writer", [](const PhaseInput& input) {
    return Json{{"text", {"All about " + input.request + "."}}};
  });
  const ChainResult result =
      orchestrator.execute_chain({writer, std::make_shared<Critic>()}, {.request = "buses"});
  if (!result.ok()) throw std::runtime_error(result.error->message);
  // end: phase_chain
  EXPECT_EQ(result.output.data, (Json{{"remarks", Json::array()}}));
  EXPECT_EQ(result.output.metadata, (Json{{"read", 1}}));
}

TEST(PhasesPage, AGraphRunsSideBySideWhatNeedNotWait) {
  Bus bus;
  const PhaseOrchestrator orchestrator(bus);
  const auto giving = [](std::string name) {
    return make_phase(name, [name](const Json&) { return Json(name); });
  };
  const auto sources = giving("sources");
  const auto pictures = giving("pictures");
  const auto layout = make_phase("layout", [](const Json& parts) { return parts; });
  std::stop_source cancel;
  // begin: phase_graph
  const ChainResult result = orchestrator.execute_graph(
      {{.phase = sources, .timeout = 30s},
       {.phase = pictures},
       {.phase = layout, .after = {"sources", "pictures"}}},  // gets both by name
      {.request = "buses"}, {.stop = cancel.get_token(), .timeout = 5min});
  // end: phase_graph
  EXPECT_EQ(result.output.data, (Json{{"sources", "sources"}, {"pictures", "pictures"}}));
}

TEST(PhasesPage, AChainIsCancelled) {
  Bus bus;
  std::string events;
  const auto listener = bus.subscribe({"chain.*", "phase.failed"}, [&](const Event& event) {
    events += std::string(event.topic()) + ' ';
  });
  const PhaseOrchestrator orchestrator(bus);
  std::promise<void> button;
  const std::future<void> pressed = button.get_future();
  const auto outline = make_phase("outline", [](const Json&) { return Json({"one", "two"}); });
  const auto search = make_phase("search", [&](const Json&, PhaseContext& context) -> Json {
    button.set_value();
    std::mutex mutex;
    std::unique_lock lock(mutex);
    std::condition_variable_any().wait(lock, context.stop_token(), [] { return false; });
    throw std::runtime_error("asked to stop");
  });
  const auto writer = make_phase("writer", [](const Json& data) { return data; });
  // begin: phase_cancel
  std::stop_source cancel;
  auto running = std::async(std::launch::async, [&] {
    return orchestrator.execute_chain({outline, search, writer}, {.request = "buses"},
                                      {.stop = cancel.get_token()});
  });
  pressed.wait();  // until somebody presses the button
  cancel.request_stop();
  const ChainResult result = running.get();
  if (!result.ok() && result.error->fault == PhaseFault::cancelled) {
    std::clog << result.error->message << '\n';  // phase "search" was cancelled: asked to stop
    const PhaseOutput* const kept = result.output_of("outline");  // what had been done is there
    if (kept != nullptr) std::clog << "so far: " << kept->data << '\n';
  }
  // end: phase_cancel
  EXPECT_EQ(result.error->message, "phase \"search\" was cancelled: asked to stop");
  ASSERT_NE(result.output_of("outline"), nullptr);
  EXPECT_EQ(result.output_of("outline")->data, Json({"one", "two"}));
  EXPECT_EQ(events, "chain.started phase.failed chain.failed ");
}

TEST(PhasesPage, APhaseIsTriedAgain) {
  Bus bus;
  const auto fetch = [calls = 0](const Json&) mutable {
    if (++calls == 1) throw std::runtime_error("busy");
    return Json("page");
  };
  // begin: phase_retry
  const auto patient = std::make_shared<RetryablePhase>(
      make_phase("fetch", fetch,
                 {.timeout = 10s,
                  .can_retry =
                      [](const PhaseError& error) {
                        return error.fault == PhaseFault::timed_out ||
                               error.fault == PhaseFault::threw;
                      }}),
      bus, 3, Backoff{.initial_delay = 100ms, .jitter = 0.2});
  // end: phase_retry
  EXPECT_EQ(PhaseOrchestrator(bus).execute_chain({patient}).output.data, "page");
}

// begin: phase_coroutine
boost::asio::awaitable<Json> fetch_later(const PhaseInput& input) {
  boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor, 1ms);
  co_await timer.async_wait(boost::asio::use_awaitable);
  co_return Json{{"page", input.request}};
}

const auto later = make_phase("fetch", fetch_later);  // with busway/phase_coroutine.hpp
// end: phase_coroutine

TEST(PhasesPage, ACoroutineIsAPhase) {
  Bus bus;
  const ChainResult result = PhaseOrchestrator(bus).execute_chain({later}, {.request = "one"});
  EXPECT_EQ(result.output.data, (Json{{"page", "one"}}));
}

TEST(PhasesPage, ACacheIsTwoSubscriptions) {
  Bus bus;
  int executed = 0;
  const auto plan = make_phase("plan", [&](const Json&) { return Json(++executed); });
  // begin: phase_cache
  std::mutex mutex;  // phases of a graph are heard from several threads
  std::map<std::pair<std::string, std::string>, Json> kept;  // by name and key
  const auto keep = bus.subscribe<busway::PhaseEventData>(
      "phase.completed", [&](const busway::PhaseEventData& phase) {
        const std::string key = phase.metadata.value("cache_key", "");
        const std::lock_guard lock(mutex);
        if (!key.empty()) kept[{phase.phase_name, key}] = phase.output;
      });
  const auto answer =
      bus.subscribe<busway::PhaseLookup>([&](const busway::PhaseLookup& lookup, Context& context) {
        const std::lock_guard lock(mutex);
        const auto found = kept.find({lookup.name, lookup.key});
        context.reply(found != kept.end() ? found->second : Json());  // null: not known
      });
  // end: phase_cache
  const PhaseOrchestrator orchestrator(bus);
  orchestrator.execute_chain({plan});
  EXPECT_EQ(orchestrator.execute_chain({plan}).output.data, 1);
  EXPECT_EQ(executed, 1);
}

}  // namespace
