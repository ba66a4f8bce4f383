// A bus, a manager and the libraries that the tests load.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include <watcher.hpp>
#include "busway/bus.hpp"
#include "busway/plugin_manager.hpp"

namespace busway {

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
