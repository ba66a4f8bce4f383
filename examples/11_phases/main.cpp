// A chain of phases that announces itself: who listens knows nothing of the phases, and the phases
// nothing of who listens.
#include <busway/events/phase_event_data.hpp>
#include <busway/events/phase_lookup.hpp>
#include <busway/function_phase.hpp>
#include <busway/phase_orchestrator.hpp>
#include <busway/phase_topics.hpp>
#include <busway/retryable_phase.hpp>
#include <busway/typed.hpp>

#include <chrono>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>

using namespace std::chrono_literals;
using namespace busway::phase;
using busway::Json;

/// A class, because it checks what it is given and what it gives.
class Critic final : public Phase {
 public:
  std::string name() const override { return "critic"; }
  std::optional<std::string> validate_input(const PhaseInput& input) const override {
    if (input.data.contains("text")) return std::nullopt;
    return "data has no field \"text\"";
  }
  PhaseOutput execute(const PhaseInput& input, PhaseContext&) override {
    return {.data = {{"text", input.data["text"]}, {"verdict", "good"}}};
  }
};

int main() {
  busway::Bus bus;
  const auto watching = bus.subscribe(
      "chain.*", [](const busway::Event& event) { std::cout << event.topic() << "\n"; });
  const auto progress = bus.subscribe<busway::PhaseEventData>(
      phase_topics(),  // "phase.*" would get the question phase.lookup, too
      [](const busway::PhaseEventData& phase, busway::Context& context) {
        std::cout << "  " << context.event().topic() << " " << phase.phase_name << ", attempt "
                  << phase.attempt << " of " << phase.max_attempts << "\n";
      });

  const auto planner = make_phase("planner", [](const PhaseInput& input) {
    return Json{{"about", input.request}, {"chapters", 2}};
  });
  const auto writer = make_phase("writer", [calls = 0](const Json& plan) mutable {
    if (++calls <= 2) throw std::runtime_error("out of ink");
    return Json{{"text", "All about " + plan["about"].get<std::string>()}};
  });
  const auto patient_writer =
      std::make_shared<RetryablePhase>(writer, bus, 3, Backoff{.initial_delay = 1ms});

  const PhaseOrchestrator orchestrator(bus);
  const auto write = [&] {
    const ChainResult result = orchestrator.execute_chain(
        {planner, patient_writer, std::make_shared<Critic>()}, {.request = "buses"});
    std::cout << "-> " << (result.ok() ? result.output.data.dump() : result.error->message) << "\n";
  };
  write();

  // Whoever answers phase.lookup with an output spares the phase its work.
  std::mutex mutex;  // phases of a graph are heard from several threads
  std::map<std::pair<std::string, std::string>, Json> kept;  // by name and key
  const auto keep = bus.subscribe<busway::PhaseEventData>(
      "phase.completed", [&](const busway::PhaseEventData& phase) {
        const std::string key = phase.metadata.value("cache_key", "");
        const std::lock_guard lock(mutex);
        if (!key.empty()) kept[{phase.phase_name, key}] = phase.output;
      });
  const auto answer = bus.subscribe<busway::PhaseLookup>(
      [&](const busway::PhaseLookup& lookup, busway::Context& context) {
        const std::lock_guard lock(mutex);
        const auto found = kept.find({lookup.name, lookup.key});
        context.reply(found != kept.end() ? found->second : Json());  // null: not known
      });
  const auto hits = bus.subscribe("cache.hit", [](const Json& hit) {
    std::cout << "  cache.hit " << hit["phase_name"].get<std::string>() << "\n";
  });
  write();
  write();

  // Without the writer the critic has nothing to read.
  const ChainResult result =
      orchestrator.execute_chain({planner, std::make_shared<Critic>()}, {.request = "buses"});
  std::cout << "-> " << result.error->message << "\n";
}
