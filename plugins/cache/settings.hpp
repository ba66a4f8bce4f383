// settings.hpp -- the cache's configuration; README.md explains each key.
//
// Model      Plain values, each with a default.
// Threads    [any-thread]
// Errors     read_settings() throws std::invalid_argument, which names the key, what stands there
//            and what is wanted.
#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <set>
#include <string>

#include "output_cache.hpp"

namespace cache {

struct Settings {
  CacheLimits limits{};
  std::size_t state_bytes_max = std::size_t{16} << 20U;  ///< handed to the next build
  std::optional<std::set<std::string>> phases{};         ///< no others; none: all
  std::set<std::string> except{};

  [[nodiscard]] bool wants(const std::string& phase) const {
    return (!phases || phases->contains(phase)) && !except.contains(phase);
  }
};

[[nodiscard]] Settings read_settings(const nlohmann::json& config);

}  // namespace cache
