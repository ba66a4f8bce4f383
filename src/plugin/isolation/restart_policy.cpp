#include "plugin/isolation/restart_policy.hpp"

#include <algorithm>

namespace busway::plugin_host_detail {
namespace {

constexpr unsigned kMaxDefault = 2;
constexpr std::chrono::minutes kWithinDefault(5);
constexpr std::chrono::milliseconds kDelayDefault(10);
constexpr std::chrono::seconds kDelayMaxDefault(5);
/// A process that has lived for so long has recovered.
constexpr std::chrono::seconds kQuiet(10);

}  // namespace

RestartPolicy::RestartPolicy(const PluginRules& rules)
    : max_(rules.restarts_max.value_or(kMaxDefault)),
      within_(rules.restarts_within.value_or(kWithinDefault)),
      delay_(rules.restart_delay.value_or(kDelayDefault)),
      delay_max_(rules.restart_delay_max.value_or(kDelayMaxDefault)) {}

std::optional<std::chrono::nanoseconds> RestartPolicy::ended(Time now) {
  const bool quiet = ends_.empty() || now - ends_.back() >= kQuiet;
  while (!ends_.empty() && now - ends_.front() > within_) ends_.pop_front();
  ends_.push_back(now);
  if (ends_.size() > max_) return std::nullopt;
  in_a_row_ = quiet ? 0 : in_a_row_ + 1;
  if (in_a_row_ == 0) return std::chrono::nanoseconds(0);
  std::chrono::nanoseconds delay = delay_;
  for (unsigned i = 1; i < in_a_row_ && delay < delay_max_; ++i) {
    delay = delay > delay_max_ / 2 ? delay_max_ : 2 * delay;
  }
  delay = std::min(delay, delay_max_);
  // Between half of it and all of it.
  const auto half = static_cast<std::uint64_t>(delay.count() / 2);
  if (half == 0) return delay;
  return std::chrono::nanoseconds(delay.count() - static_cast<std::int64_t>(random_.next() % half));
}

}  // namespace busway::plugin_host_detail
