// settings.hpp -- the notifier's configuration; README.md explains each key.
//
// Model      Plain values, each with a default.
// Threads    [any-thread]
// Errors     read_settings() throws std::invalid_argument, which names the key, what stands there
//            and what is wanted.
#pragma once

#include <chrono>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "notice_groups.hpp"

namespace notifier {

struct Settings {
  std::vector<std::string> patterns{};
  std::vector<std::string> command{};  ///< a program and its arguments; empty: none
  std::chrono::milliseconds command_timeout = std::chrono::seconds(5);
  std::vector<std::string> secret_keys{};
  GroupOptions groups{};
};

[[nodiscard]] Settings read_settings(const nlohmann::json& config);

}  // namespace notifier
