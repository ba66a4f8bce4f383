// A plugin that ships, on a bus whose time moves when the test says, and what it tells.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <eventually.hpp>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <test_paths.hpp>
#include "busway/bus.hpp"
#include "busway/dead_letters.hpp"
#include "busway/error.hpp"
#include "busway/plugin_manager.hpp"
#include "busway/testing/manual_clock.hpp"

namespace busway {

/// Where its code is: in a library, in the program, in a process of its own.
enum class PluginPlace { library, program, process };
inline constexpr PluginPlace kPlaces[] = {PluginPlace::library, PluginPlace::program,
                                          PluginPlace::process};

inline std::string place_name(const ::testing::TestParamInfo<PluginPlace>& info) {
  constexpr const char* kNames[] = {"InALibrary", "LinkedIn", "InAProcess"};
  return kNames[static_cast<std::size_t>(info.param)];
}

class PluginOnAClock {
 public:
  /// Only for tests that would otherwise hang: no test passes by it.
  static constexpr std::chrono::seconds kGuard{60};

  /// `target` as CMake calls it, such as busway_cache.
  explicit PluginOnAClock(const std::string& target, Json config = Json::object(),
                          PluginPlace place = PluginPlace::library)
      : bus_(options()),
        heard_(bus_.subscribe("*", [this](const Event& event) { keep(event); })),
        manager_(bus_) {
    PluginSpec spec{.path = BUSWAY_BINARY_DIR "/plugins/" + target + ".so",
                    .config = std::move(config)};
    if (place == PluginPlace::program) spec.path = "static:" + target + "_static";
    if (place == PluginPlace::process) spec.rules.isolation = PluginIsolation::process;
    id_ = manager_.load(spec);
    manager_.start(id_);
  }

  /// The words of a load that is refused.
  static std::string refusal(const std::string& target, const Json& config) {
    try {
      const PluginOnAClock plugin(target, config);
    } catch (const Error& error) {
      return error.what();
    }
    return "it was not refused";
  }

  Bus& bus() { return bus_; }
  PluginManager& manager() { return manager_; }
  testing::ManualClock& clock() { return *clock_; }
  [[nodiscard]] const std::string& id() const { return id_; }

  /// All that was published has been handled.
  void settle() { EXPECT_TRUE(manager_.wait_until_idle(kGuard)); }
  void reload() { manager_.reload(id_); }

  /// The reply to a request.
  Json ask(std::string_view topic, Json payload = Json::object()) {
    const RequestResult result = bus_.request(topic, std::move(payload), kGuard);
    EXPECT_TRUE(result.ok()) << result.message();
    return result.ok() ? result.json() : Json();
  }

  [[nodiscard]] std::vector<Event> events(std::string_view topic) const {
    const std::lock_guard lock(mutex_);
    std::vector<Event> found;
    for (const Event& event : events_) {
      if (event.topic() == topic) found.push_back(event);
    }
    return found;
  }
  [[nodiscard]] std::size_t count(std::string_view topic) const { return events(topic).size(); }

  /// The n-th event of the topic, from 0; fails the test when it does not come.
  [[nodiscard]] Event wait(std::string_view topic, std::size_t n = 0) const {
    EXPECT_TRUE(eventually([&] { return count(topic) > n; })) << "no event " << topic;
    const std::vector<Event> found = events(topic);
    return found.size() > n ? found[n] : Event();
  }

  /// Lines of the log with these words.
  [[nodiscard]] std::vector<std::string> logged(std::string_view words) const {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> found;
    for (const std::string& line : lines_) {
      if (line.find(words) != std::string::npos) found.push_back(line);
    }
    return found;
  }

 private:
  BusOptions options() {
    BusOptions options;
    options.clock = clock_;
    options.log = [this](LogLevel, std::string_view message, std::span<const LogField>) {
      const std::lock_guard lock(mutex_);
      lines_.emplace_back(message);
    };
    return options;
  }

  void keep(const Event& event) {
    const std::lock_guard lock(mutex_);
    events_.push_back(event);
  }

  std::shared_ptr<testing::ManualClock> clock_ = std::make_shared<testing::ManualClock>();
  mutable std::mutex mutex_;  // guards what follows
  std::vector<Event> events_;
  std::vector<std::string> lines_;
  Bus bus_;
  Subscription heard_;
  PluginManager manager_;  // last: ends before what its plugin uses
  std::string id_;
};

}  // namespace busway
