// A plugin that ships, on a bus of its own, and what is published there.
#pragma once

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <test_paths.hpp>
#include <watcher.hpp>
#include "busway/bus.hpp"
#include "busway/error.hpp"
#include "busway/plugin_manager.hpp"

namespace busway {

/// How a plugin is run: from its library, linked in, or in a process of its own.
enum class Form : unsigned char { library, linked_in, process };

inline BusOptions quiet_options() {
  BusOptions options;
  options.log = [](LogLevel, std::string_view, std::span<const LogField>) {};
  return options;
}

class ShippedPlugin {
 public:
  /// `target` as CMake calls it: busway_tail.
  explicit ShippedPlugin(std::string target, Json config = Json::object(),
                         Form form = Form::library, BusOptions options = quiet_options())
      : target_(std::move(target)), bus_(std::move(options)), watcher_(bus_, "*"), manager_(bus_) {
    id_ = manager_.load(spec(std::move(config), form));
  }

  /// The message of a load that is refused.
  static std::string refusal(const std::string& target, const Json& config) {
    try {
      const ShippedPlugin plugin(target, config);
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  }

  void start() { manager_.start(id_); }
  /// Its sources have ended, all is handled, and it has stopped; what it said it found.
  Json finish() {
    EXPECT_TRUE(manager_.wait_until_idle(kGuard));
    return stop();
  }
  Json stop() {
    EXPECT_TRUE(manager_.stop_all().empty());
    const Event summary = watcher_.wait("run.summary", summaries_++);
    return summary.json();
  }

  Bus& bus() { return bus_; }
  PluginManager& manager() { return manager_; }
  Watcher& watcher() { return watcher_; }
  [[nodiscard]] const std::string& id() const { return id_; }

 private:
  [[nodiscard]] PluginSpec spec(Json config, Form form) const {
    PluginSpec spec{.path = BUSWAY_BINARY_DIR "/plugins/" + target_ + ".so",
                    .config = std::move(config)};
    if (form == Form::linked_in) spec.path = "static:" + target_ + "_static";
    if (form == Form::process) spec.rules.isolation = PluginIsolation::process;
    return spec;
  }

  std::string target_;
  Bus bus_;
  Watcher watcher_;
  PluginManager manager_;  // last: ends before what its plugins use
  std::string id_;
  std::size_t summaries_ = 0;
};

}  // namespace busway
