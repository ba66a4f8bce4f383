// executions.hpp -- what plugins have done for users, and how long it took.
//
// Model      The last `records_max` executions one by one, and all of them summed up by plugin and
//            user. Beyond kPairsMax pairs further ones are summed up under kOther.
// Threads    [not-concurrent]
// Ownership  A value.
// Errors     load() throws what nlohmann-json throws, or std::invalid_argument, for what save() has
//            not written.
// Cost       add(): a search by plugin and user. answer(): all pairs are looked at. Memory: the
//            records, and kPairsMax sketches of kBins bins of 16 bytes.
#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bucket.hpp"

namespace analytics {

struct Execution {
  std::string plugin{};
  std::string user{};
  double time_ms = 0;
  WallTime at{};
};

struct ExecutionQuery {
  std::optional<std::string> plugin{};  ///< no value: all
  std::optional<std::string> user{};
  std::size_t limit = 20;  ///< of single executions
};

class Executions {
 public:
  static constexpr std::size_t kPairsMax = 1'024;
  static constexpr std::size_t kBins = 64;

  explicit Executions(std::size_t records_max) : records_max_(records_max) {}

  void add(Execution execution);

  /// {count, mean, ..., plugins: {id: {...}}, users: {id: {...}}, executions: [newest first]}
  [[nodiscard]] nlohmann::json answer(const ExecutionQuery& query,
                                      const std::vector<double>& quantiles) const;

  /// Single ones as far as bytes_max goes, the newest first.
  [[nodiscard]] nlohmann::json save(std::size_t bytes_max) const;
  void load(const nlohmann::json& saved);

 private:
  std::size_t records_max_;
  std::deque<Execution> records_;                                               // the newest last
  std::map<std::pair<std::string, std::string>, shared::QuantileSketch> sums_;  // plugin, user
};

}  // namespace analytics
