// The plugin "hanging" on a bus whose time moves when the test says.
#pragma once

#include <atomic>
#include <chrono>
#include <eventually.hpp>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "busway/dead_letters.hpp"
#include "busway/stats.hpp"
#include "busway/subscription_info.hpp"
#include "busway/testing/manual_clock.hpp"
#include "plugin_fixture.hpp"
#include "plugins/trap.hpp"

namespace busway {

struct HangingPlugin {
  explicit HangingPlugin(BusOptions options = {}, PluginManagerOptions manager_options = {})
      : bus(with_clock(std::move(options))), manager(bus, std::move(manager_options)) {
    manager.load(PluginSpec{.path = library("hanging"), .config = {{"trap", trap.address()}}});
    manager.start("hanging");
  }
  ~HangingPlugin() {
    trap.open = true;
    EXPECT_TRUE(eventually([&] { return bus.stats().abandoned == 0; }));
  }
  BusOptions with_clock(BusOptions options) {
    options.clock = clock;
    options.log = [this](LogLevel, std::string_view message, std::span<const LogField> fields) {
      std::string line(message);
      for (const LogField& field : fields) {
        line.append(" ").append(field.name).append("=").append(field.value);
      }
      if (on_line) on_line(line);
      const std::lock_guard lock(lines_mutex);
      lines.push_back(std::move(line));
    };
    return options;
  }
  [[nodiscard]] bool holds(int count) const {
    return eventually([&] { return trap.inside == count; });
  }
  /// Has it in the trap, and its deadline pass.
  [[nodiscard]] bool hang(std::string_view topic, int inside) {
    bus.publish(topic, Json{{"text", "kept"}});
    if (!holds(inside)) return false;
    clock->advance(std::chrono::seconds(1));
    return eventually([&] {
      return bus.stats().abandoned == static_cast<std::uint64_t>(inside) &&
             bus.dead_letters().size() == static_cast<std::size_t>(inside);
    });
  }
  [[nodiscard]] SubscriptionInfo info(std::string_view name) const {
    for (SubscriptionInfo& one : bus.subscriptions("hanging")) {
      if (one.name == name) return one;
    }
    ADD_FAILURE() << "no subscription " << name;
    return {};
  }
  [[nodiscard]] std::string line(std::string_view part) {
    const std::lock_guard lock(lines_mutex);
    for (const std::string& one : lines) {
      if (one.find(part) != std::string::npos) return one;
    }
    return {};
  }

  std::shared_ptr<testing::ManualClock> clock = std::make_shared<testing::ManualClock>();
  Trap trap;
  std::mutex lines_mutex;
  std::vector<std::string> lines;
  std::function<void(const std::string&)> on_line;  // set it while nothing runs
  Bus bus;
  PluginManager manager;
};

}  // namespace busway
