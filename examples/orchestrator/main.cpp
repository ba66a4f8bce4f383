// A chain of phases, and plugins that know nothing of it or of each other: one watches its quality,
// one keeps what it gave, one tells people, one counts, one transforms what comes in. All that is
// published is shown, in order.
#include <busway/bus.hpp>
#include <busway/function_phase.hpp>
#include <busway/phase_orchestrator.hpp>
#include <busway/plugin_import.hpp>
#include <busway/plugin_manager.hpp>
#include <busway/retryable_phase.hpp>
#include <busway/typed.hpp>

#include <chrono>
#include <cstddef>
#include <iostream>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

// Linked in, so that this is one program; as libraries they would be no different.
BUSWAY_IMPORT_PLUGIN(busway_quality_monitor_static)
BUSWAY_IMPORT_PLUGIN(busway_cache_static)
BUSWAY_IMPORT_PLUGIN(busway_notifier_static)
BUSWAY_IMPORT_PLUGIN(busway_analytics_static)
BUSWAY_IMPORT_PLUGIN(orchestrator_transformer)

using busway::Json;
using namespace busway::phase;
using namespace std::chrono_literals;

namespace {

/// What somebody would be told, kept until it is shown.
class Notices {
 public:
  void operator()(std::string_view message) {
    if (!message.starts_with("notice: ")) return;
    const std::lock_guard lock(mutex_);
    lines_.emplace_back(message);
  }
  void show() const {
    const std::lock_guard lock(mutex_);
    for (const std::string& line : lines_) std::cout << "  " << line << "\n";
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> lines_;
};

/// Shows what was published, in order. The plugins work on threads of their own, so that the chain
/// waits after each of its events until they have said what they have to say of it. It is not
/// needed, but the output is the same each time.
class Show {
 public:
  explicit Show(busway::Bus& bus) : bus_(bus) {}

  void since_last() {
    const std::vector<busway::Event> newest_first = bus_.history();
    for (; shown_ < newest_first.size(); ++shown_) {
      const busway::Event& event = *(newest_first.rbegin() + static_cast<std::ptrdiff_t>(shown_));
      if (is_question(event)) continue;
      std::cout << "  " << event.topic() << facts_of(event) << "\n";
    }
  }

 private:
  static bool is_question(const busway::Event& event) {
    return event.topic().ends_with(".query") || event.topic() == "cache.stats";
  }

  /// Who has answered has handled what came before the question.
  void settle() {
    for (const char* question : {"quality.query", "cache.stats"}) {
      (void)bus_.request(question, Json::object(), 10s);
    }
  }

  static std::string facts_of(const busway::Event& event) {
    std::string out;
    for (const char* name : {"name", "phase_name", "attempt", "error", "failed_phase", "reason",
                             "text", "from", "stars"}) {
      const Json& payload = event.json();
      const auto found = payload.find(name);
      if (found == payload.end() || found->is_null() || *found == "" || *found == 0) continue;
      out += std::string(" ") + name + "=" + found->dump();
    }
    return out;
  }

  busway::Bus& bus_;
  std::size_t shown_ = bus_.history().size();
  busway::Subscription settled_ =
      bus_.subscribe({"phase.*", "chain.*"}, [this](const busway::Event&) { settle(); });
};

}  // namespace

int main() {
  Notices notices;
  busway::Bus bus(
      {.history = 1000, .log = [&](auto, std::string_view message, auto) { notices(message); }});
  busway::PluginManager plugins(bus);
  const auto load = [&](const std::string& name, const Json& config = Json::object()) {
    plugins.load(busway::PluginSpec{.path = "static:" + name, .config = config});
  };
  load("busway_quality_monitor_static", {{"failures_max", 1}});
  load("busway_cache_static");
  load("busway_notifier_static", {{"wait", "1h"}});  // until the end of this program
  load("busway_analytics_static", {{"bucket", "1d"},
                                   {"topics", {"phase.*", "story.*"}},
                                   {"fields", {{"stars", "story.reviewed"}}}});
  load("orchestrator_transformer");
  for (const busway::PluginProblem& problem : plugins.start_all()) {
    std::cout << problem.message << "\n";
    return 1;
  }
  Show show(bus);
  const auto planner = make_phase("planner", [](const PhaseInput& input) {
    return Json{{"about", input.request}, {"chapters", 2}};
  });
  // Fails twice, and then works.
  const auto writer = make_phase("writer", [calls = 0](const Json& plan) mutable {
    if (++calls <= 2) throw std::runtime_error("out of ink");
    return Json{{"text", "All about " + plan["about"].get<std::string>()}};
  });
  const auto patient_writer =
      std::make_shared<RetryablePhase>(writer, bus, 3, Backoff{.initial_delay = 1ms});
  // Says something of its own, under a topic of its own.
  const auto critic = make_phase("critic", [&](const Json& story) {
    bus.publish("story.reviewed", {{"text", story["text"]}, {"stars", 4}});
    return Json{{"text", story["text"]}, {"verdict", "good"}};
  });

  const PhaseOrchestrator orchestrator(bus);
  for (const char* time : {"the first time", "again"}) {
    std::cout << time << "\n";
    const ChainResult result =
        orchestrator.execute_chain({planner, patient_writer, critic}, {.request = "buses"});
    show.since_last();
    std::cout << "-> " << (result.ok() ? result.output.data.dump() : result.error->message) << "\n";
  }

  std::cout << "something comes in\n";
  bus.publish("input.note", {{"text", "do not forget the tickets"}});
  (void)plugins.wait_until_idle(10s);
  show.since_last();

  std::cout << "counted\n";
  const Json counted = bus.request("analytics.query", Json::object(), 10s).json();
  for (const auto& [topic, facts] : counted.at("open").at("topics").items()) {
    std::cout << "  " << topic << " " << facts.at("count") << "\n";
  }

  std::cout << "somebody is told\n";
  (void)plugins.stop_all();
  notices.show();
}
