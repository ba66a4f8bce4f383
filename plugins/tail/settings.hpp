// settings.hpp -- tail's configuration; README.md explains each key.
//
// Model      Plain values, each with a default but `files` and `lines`.
// Threads    Values.
// Errors     read_settings() throws std::invalid_argument, which names the key, what stands there
//            and what is wanted; a faulty regular expression is one of them.
#pragma once

#include <chrono>
#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "line_pattern.hpp"

namespace tail {

enum class Start : unsigned char { beginning, end };
enum class Follow : unsigned char { yes, no };
enum class Watch : unsigned char { inotify, poll };
enum class Overlong : unsigned char { cut, refuse };

struct Settings {
  std::vector<std::string> files{};
  std::vector<LinePattern> lines{};
  std::string positions{};  // a file to keep them in; empty: none
  std::string unmatched{};  // the topic of lines that fit no pattern; empty: none
  Start start = Start::end;
  Follow follow = Follow::yes;
  Watch watch = Watch::inotify;
  Overlong overlong = Overlong::cut;
  std::chrono::milliseconds poll = std::chrono::seconds(1);
  std::chrono::milliseconds rotate_wait = std::chrono::seconds(5);
  std::size_t line_bytes_max = 65'536;
};

[[nodiscard]] Settings read_settings(const nlohmann::json& config);

}  // namespace tail
