// plugin/isolation/restart_policy.hpp -- when a process that has ended is started again, and when
// not any more.
// Layer: plugin
//
// Model      The first start after a quiet time comes at once, each further one after a delay that
//            doubles, with jitter, so that many that fell together do not rise together. More than
//            so many ends within the window are too many.
// Threads    [not-concurrent]
// Ownership  None.
// Errors     None.
// Cost       Remembers the ends within the window.
#pragma once

#include <chrono>
#include <deque>
#include <optional>

#include "busway/plugin_rules.hpp"
#include "platform/random.hpp"

namespace busway::plugin_host_detail {

class RestartPolicy {
 public:
  using Time = std::chrono::steady_clock::time_point;

  explicit RestartPolicy(const PluginRules& rules);

  /// The process has ended now: how long to wait before the next. No value: too many have.
  [[nodiscard]] std::optional<std::chrono::nanoseconds> ended(Time now);

  [[nodiscard]] unsigned max() const noexcept { return max_; }
  [[nodiscard]] std::chrono::nanoseconds within() const noexcept { return within_; }

 private:
  const unsigned max_;
  const std::chrono::nanoseconds within_;
  const std::chrono::nanoseconds delay_;
  const std::chrono::nanoseconds delay_max_;
  std::deque<Time> ends_;
  unsigned in_a_row_ = 0;
  platform_detail::RandomStream random_ = platform_detail::RandomStream::from_system();
};

}  // namespace busway::plugin_host_detail
