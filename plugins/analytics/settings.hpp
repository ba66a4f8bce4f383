// settings.hpp -- the configuration of analytics; README.md explains each key.
//
// Model      Plain values, each with a default.
// Threads    [any-thread]
// Errors     read_settings() throws std::invalid_argument, which names the key, what stands there
//            and what is wanted.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "bucket.hpp"

namespace analytics {

/// Where a number stands in a payload.
struct MeasuredField {
  std::string name{};  ///< a key, or a JSON pointer such as /total/net
  std::vector<std::string> patterns{};

  /// Null when it is not there.
  [[nodiscard]] const nlohmann::json* find(const nlohmann::json& payload) const;
};

struct Settings {
  std::chrono::milliseconds bucket = std::chrono::minutes(1);
  std::size_t keep = 60;  ///< buckets
  std::vector<std::string> topics{"*"};
  std::vector<MeasuredField> fields{};
  std::vector<double> quantiles{0.5, 0.9, 0.99};
  BucketLimits limits{};
  std::size_t executions_max = 1'000;
};

[[nodiscard]] Settings read_settings(const nlohmann::json& config);

}  // namespace analytics
