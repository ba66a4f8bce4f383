// settings.hpp -- the console's configuration; README.md explains each key.
//
// Model      Plain values, each with a default.
// Errors     read_settings() throws std::invalid_argument, which names the key, what stands there
//            and what is wanted.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace console {

inline constexpr std::uint32_t kLineBytesMin = 16;
inline constexpr std::uint32_t kLineBytesMax = 131'072;  // escaped as JSON it still fits an event

struct Settings {
  std::string input = "-";
  std::string sample{};
  std::string name = "you";
  std::vector<std::string> patterns{"chat.reply"};
  std::vector<std::string> secret_keys{};
  std::uint32_t line_bytes_max = 16'384;
};

[[nodiscard]] Settings read_settings(const nlohmann::json& config);

}  // namespace console
