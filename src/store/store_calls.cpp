#include "store/store_calls.hpp"

#include <algorithm>
#include <string>

#include "base/escape.hpp"
#include "busway/error.hpp"
#include "busway/limits.hpp"

namespace busway::store_detail {

void check_replay(std::span<const std::uint64_t> sequences) {
  if (sequences.size() <= limits::kFetchMax) return;
  throw Error(ErrorCode::invalid_argument, "replay: " + std::to_string(sequences.size()) +
                                               " sequences; at most " +
                                               std::to_string(limits::kFetchMax) + " in one call");
}

void no_such_durable(std::string_view name) {
  throw Error(ErrorCode::not_found,
              "the store has no durable subscription " + quote(name) + "; open it once first");
}

void sort_topics(std::vector<TopicCount>& topics) {
  std::sort(topics.begin(), topics.end(), [](const TopicCount& a, const TopicCount& b) {
    return a.events != b.events ? a.events > b.events : a.topic < b.topic;
  });
}

}  // namespace busway::store_detail
