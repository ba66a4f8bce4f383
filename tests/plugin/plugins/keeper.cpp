// A plugin that says what it hears, so that tests can tell what was kept for it.
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>

#include "busway/plugin.hpp"

namespace {

using busway::Json;
using busway::PluginContext;
using busway::PluginEvent;

class Keeper : public busway::Plugin {
 private:
  void setup(const Json& config) override { config_ = config; }

  void start() override {
    // A later build wants another subscription to the same, before the one it had.
    if (const auto path = config_.value("before_if", std::string());
        !path.empty() && std::filesystem::exists(path)) {
      subscribe("job.*", &Keeper::hear, {.name = "before"});
    }
    subscribe("job.*", &Keeper::hear, {.name = "jobs"});
    subscribe("say.*", &Keeper::hear, {.name = "sayings", .mode = Mode::sync});
    if (config_.value("many", false)) {
      subscribe("say.*", [](const PluginEvent&) {}, {.name = "second", .mode = Mode::sync});
      subscribe("one.*", [](const PluginEvent&) {}, {.name = "once", .once = true});
      subscribe("past.*", [](const PluginEvent&) {},
                {.name = "past", .replay = Replay::beginning()});
      subscribe("own.*", [](const PluginEvent&) {}, {.name = "own", .durable = "mine"});
      subscribe("bound.*", [](const PluginEvent&) {},
                {.name = "bound", .retry = busway::PluginRetry{.total = std::chrono::hours(1)}});
    }
    if (config_.value("named", false)) {
      subscribe("own.*", &Keeper::hear, {.name = "own", .durable = "mine"});
    }
    subscribe("test.later", [this](const PluginEvent&) {
      subscribe("late.*", [](const PluginEvent&) {}, {.name = "late"});
      publish("test.listens");
    });
    subscribe("test.die", [](const PluginEvent&) { std::abort(); },
              {.retry = busway::PluginRetry{.max_retries = 0}});
    subscribe("say.what", [](const PluginEvent&, PluginContext& context) {
      context.reply({{"answer", 42}});
    });
  }

  void hear(const PluginEvent& event, PluginContext& context) {
    publish("heard", {{"topic", event.topic()}, {"attempt", context.attempt()}});
    if (event.json().is_object() && event.json().value("fails", false)) {
      throw std::runtime_error("wanted to fail");
    }
  }

  Json config_;
};

}  // namespace

BUSWAY_PLUGIN(Keeper)
