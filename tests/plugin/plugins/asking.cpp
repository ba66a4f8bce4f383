// A plugin that does what it is asked to, and answers with what its host said.
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "busway/plugin.hpp"

namespace {

using busway::Json;
using busway::PluginContext;
using busway::PluginEvent;

class Asking : public busway::Plugin {
 protected:
  void setup(const Json& config) override { config_ = config; }

  void start() override {
    subscribe("ask.do",
              [this](const Json& what, PluginContext& context) { context.reply(attempt(what)); });
  }

  Json save_state() override {
    return std::string(config_.value("state_size", std::size_t{0}), 's');
  }

 private:
  Json attempt(const Json& what) {
    try {
      return {{"status", BUSWAY_OK}, {"answer", perform(what)}};
    } catch (const busway::PluginError& error) {
      return {{"status", error.status()}, {"message", error.what()}};
    }
  }

  Json perform(const Json& what) {
    if (what.contains("config")) return config_;
    if (what.contains("publish")) publish(what.at("publish").get<std::string>());
    if (what.contains("request")) {
      return request(what.at("request").get<std::string>(), nullptr).json;
    }
    if (what.contains("subscribe")) {
      const auto patterns = what.at("subscribe").get<std::vector<std::string>>();
      busway::PluginSubscribeOptions options;
      if (what.value("sync", false)) options.mode = Mode::sync;
      options.queue_capacity = what.value("capacity", std::size_t{0});
      return subscribe(
          patterns, [](const PluginEvent&) {}, options);
    }
    if (what.contains("source")) {  // publishes on a thread of its own
      Json answer;
      std::thread([&] { answer = attempt({{"publish", what.at("source")}}); }).join();
      return answer;
    }
    return nullptr;
  }

  Json config_;
};

}  // namespace

BUSWAY_PLUGIN(Asking)
