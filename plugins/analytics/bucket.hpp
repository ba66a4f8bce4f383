// bucket.hpp -- what was published in one span of time: how often, and which numbers.
//
// Model      Counts events by topic, and keeps a sketch of each number that is measured, by field
//            and topic. The time is that of the events, rounded down; the span is the caller's
//            matter. Beyond topics_max topics or series_max sketches what is new is counted under
//            kOther.
// Threads    [not-concurrent]
// Ownership  A value.
// Errors     load() throws what nlohmann-json throws, or std::invalid_argument, for what save() has
//            not written.
// Cost       A search by topic; series_max sketches of kBins bins of 16 bytes at most.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "shared/quantile_sketch.hpp"
#include "shared/rfc3339.hpp"

namespace analytics {

using shared::WallTime;

inline constexpr std::string_view kOther = "(other)";

struct BucketLimits {
  std::size_t topics_max = 256;
  std::size_t series_max = 512;
};

class Bucket {
 public:
  static constexpr std::size_t kBins = 256;

  Bucket(WallTime from, WallTime to, const BucketLimits& limits)
      : from_(from), to_(to), limits_(limits) {}

  void count(std::string_view topic);
  /// What stands in the field of one event; null where there is none.
  void measure(const std::string& field, std::string_view topic, const nlohmann::json* value);

  [[nodiscard]] WallTime from() const noexcept { return from_; }
  [[nodiscard]] WallTime to() const noexcept { return to_; }
  [[nodiscard]] std::uint64_t events() const noexcept { return events_; }

  /// {from, to, events, topics: {topic: {count, fields: {field: {...}}}}}
  [[nodiscard]] nlohmann::json describe(const std::vector<double>& quantiles) const;

  [[nodiscard]] nlohmann::json save() const;
  [[nodiscard]] static Bucket load(const nlohmann::json& saved, const BucketLimits& limits);

 private:
  struct Field {
    shared::QuantileSketch numbers{kBins};
    std::uint64_t without = 0;  // events that had no number there
  };
  struct Row {
    std::uint64_t count = 0;
    std::map<std::string, Field, std::less<>> fields{};
  };

  [[nodiscard]] Row& row_of(std::string_view topic);

  WallTime from_;
  WallTime to_;
  BucketLimits limits_;
  std::map<std::string, Row, std::less<>> rows_;  // by topic
  std::size_t series_ = 0;
  std::uint64_t events_ = 0;
};

/// count, mean, min, max, quantiles such as p50, and by how much of itself each may be off.
[[nodiscard]] nlohmann::json describe(const shared::QuantileSketch& numbers,
                                      const std::vector<double>& quantiles);

}  // namespace analytics
