// One source for many compilers, options and libraries; abi_members_test.cpp has them all in one
// host. Counts, fails, waits and hands its count over.
#include <chrono>
#include <stdexcept>
#include <string>

#include "busway/plugin.hpp"

namespace {

using busway::Json;
using busway::PluginEvent;

class AbiMember : public busway::Plugin {
  void start() override {
    subscribe("abi.count", [this](const PluginEvent& event) {
      count_ += event.json().get<int>();
      publish("abi.counted", {{"count", count_}});
    });
    subscribe("abi.throw", &AbiMember::on_throw, {.mode = Mode::sync});
    subscribe("abi.timer", [this](const PluginEvent&) {
      after(std::chrono::milliseconds(1), [this] {
        publish("abi.timer_ran", {{"count", count_}});
      });
    });
  }

  Json save_state() override { return {{"count", count_}}; }
  void restore_state(std::uint32_t /*version*/, const Json& state) override {
    count_ = state.at("count");
  }

  // Longer than a string that stands within its object: the words are allocated here and copied
  // there.
  void on_throw(const PluginEvent&) {
    throw std::runtime_error(std::string(plugin_id()) + " threw this on purpose, in its handler");
  }

  int count_ = 0;
};

}  // namespace

BUSWAY_PLUGIN(AbiMember)
