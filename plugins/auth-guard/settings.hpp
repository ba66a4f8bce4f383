// settings.hpp -- the guard's configuration; README.md explains each key.
//
// Model      Plain values, each with a default.
// Threads    Values.
// Errors     read_settings() throws std::invalid_argument, which names the key, what stands there
//            and what is wanted.
#pragma once

#include <chrono>
#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace auth_guard {

struct Rules {
  std::size_t failures_max = 5;   // of one address in the window; this many are too many
  std::size_t success_after = 3;  // failures, after which a success is suspicious
  bool new_address = true;
  std::chrono::nanoseconds window = std::chrono::minutes(5);
  std::chrono::nanoseconds remind = std::chrono::hours(1);  // of what goes on; zero: never
  std::size_t addresses_max = 10'000;
  std::size_t users_max = 10'000;
  std::size_t addresses_of_user_max = 16;
};

struct SessionRules {
  std::size_t users_max = 10'000;
  std::size_t of_user_max = 16;
  std::chrono::nanoseconds age_max = std::chrono::hours(12);
};

struct Settings {
  Rules rules{};
  SessionRules sessions{};
  std::string time_field{};   // of the payload, RFC 3339; empty: the event's own time
  std::string count_field{};  // of the payload: how often it happened
  std::chrono::milliseconds timeout = std::chrono::seconds(10);
  std::size_t queue = 8192;
};

[[nodiscard]] Settings read_settings(const nlohmann::json& config);

}  // namespace auth_guard
