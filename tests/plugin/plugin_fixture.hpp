// A bus, a manager and the libraries that the tests load.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "busway/bus.hpp"
#include "busway/plugin_manager.hpp"

namespace busway {

/// Only for tests that would otherwise hang: no test passes by it.
inline constexpr std::chrono::seconds kGuard(60);

inline std::string library(std::string_view name) {
  return std::string(BUSWAY_TEST_PLUGINS) + "/test_" + std::string(name) + ".so";
}

/// The tests of plugins run a second time with a process for each plugin: then this names the
/// program of the processes.
inline const char* process_program() { return std::getenv("BUSWAY_TEST_PLUGIN_PROCESS"); }
inline const bool process_program_is_used =
    process_program() != nullptr && ::setenv("BUSWAY_PLUGIN_HOST", process_program(), 1) == 0;

/// What a sanitizer makes of a crash is its own exit code: in the processes of plugins it stays a
/// signal. This one has read its options already.
inline const bool processes_die_of_signals = [] {
  for (const char* variable : {"ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS"}) {
    const char* const told = std::getenv(variable);
    const std::string options = (told == nullptr ? std::string() : std::string(told) + ':') +
                                "handle_segv=0:handle_abort=0:handle_sigbus=0:handle_sigfpe=0";
    (void)::setenv(variable, options.c_str(), 1);
  }
  return true;
}();

inline bool isolated() { return process_program() != nullptr; }

/// Of the plugins of all tests that do not say.
inline PluginRules usual_rules() {
  PluginRules rules;
  if (process_program() != nullptr) rules.isolation = PluginIsolation::process;
  return rules;
}

inline ::testing::AssertionResult mentions(std::string_view text, std::string_view part) {
  if (text.find(part) != std::string_view::npos) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << '"' << text << "\" does not mention \"" << part << '"';
}

/// Keeps the events of some topics, and waits for them.
class Watcher {
 public:
  Watcher(Bus& bus, const Patterns& patterns)
      : subscription_(bus.subscribe(patterns, [this](const Event& event) {
          const std::lock_guard lock(mutex_);
          events_.push_back(event);
          changed_.notify_all();
        })) {}

  /// The n-th event of the topic, from 0; fails the test and gives no event when it does not come.
  Event wait(std::string_view topic, std::size_t n = 0) {
    std::unique_lock lock(mutex_);
    Event found;
    const bool came = changed_.wait_for(lock, kGuard, [&] {
      std::size_t seen = 0;
      for (const Event& event : events_) {
        if (event.topic() != topic || seen++ != n) continue;
        found = event;
        return true;
      }
      return false;
    });
    EXPECT_TRUE(came) << "no event " << topic;
    return found;
  }

  [[nodiscard]] std::vector<std::string> topics() const {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> out;
    for (const Event& event : events_) out.emplace_back(event.topic());
    return out;
  }

  [[nodiscard]] std::size_t count(std::string_view topic) const {
    std::size_t n = 0;
    for (const std::string& one : topics()) n += one == topic ? 1U : 0U;
    return n;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Event> events_;
  Subscription subscription_;  // last: ends before what it writes to
};

class PluginTest : public ::testing::Test {
 protected:
  static BusOptions quiet() {
    BusOptions options;
    options.log = [](LogLevel, std::string_view, std::span<const LogField>) {};
    return options;
  }

  /// Loads and starts; the plugin's id.
  std::string run(std::string_view name, Json config = Json::object()) {
    const std::string id = manager_.load(
        PluginSpec{.path = library(name), .config = std::move(config), .rules = usual_rules()});
    manager_.start(id);
    return id;
  }

  /// The error that f throws; fails the test when it throws none.
  template <class F>
  static Error error_of(F&& f) {
    try {
      f();
    } catch (const Error& error) {
      return error;
    }
    ADD_FAILURE() << "no error was thrown";
    return {ErrorCode::ok, ""};
  }

  Bus bus_{quiet()};
  PluginManager manager_{bus_};
};

}  // namespace busway
