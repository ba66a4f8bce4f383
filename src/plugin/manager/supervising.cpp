// Plugins that do not come back, and those whose process is not started again: found out beside all
// other work, and taken out of it.
#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "base/duration_words.hpp"
#include "base/escape.hpp"
#include "bus/bus_core.hpp"
#include "bus/dispatch.hpp"
#include "plugin/isolation/probe.hpp"
#include "plugin/manager/impl.hpp"

namespace busway {
namespace {

using Steady = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kLookEveryMin(5);
constexpr std::chrono::milliseconds kLookEveryMax(500);
constexpr std::chrono::seconds kForChild(5);

}  // namespace

const std::string& PluginManager::Impl::plugin_host() const {
  std::call_once(plugin_host_found_, [this] {
    plugin_host_ = plugin_host_detail::find_plugin_host(options_.plugin_host);
  });
  return plugin_host_;
}

/// The thread is there once a plugin needs it. Without one it is as if there were no deadlines.
void PluginManager::Impl::supervise_with(const PluginRules& rules) {
  using std::chrono::nanoseconds;
  const bool isolated = rules.isolation == PluginIsolation::process;
  if (!isolated && !rules.soft_deadline && !rules.hard_deadline) return;
  nanoseconds every = kLookEveryMax;
  if (!isolated) {
    // The process keeps its deadlines itself.
    every = std::min(every, rules.soft_deadline.value_or(nanoseconds::max()) / 4);
    every = std::min(every, rules.hard_deadline.value_or(nanoseconds::max()) / 4);
    every = std::max<nanoseconds>(every, kLookEveryMin);
  }
  {
    const std::lock_guard lock(supervisor_mutex_);
    look_every_ = std::min(look_every_, every);
    if (!supervisor_.joinable()) supervisor_ = std::thread([this] { supervise(); });
  }
  supervisor_changed_.notify_all();
}

void PluginManager::Impl::look_soon() noexcept {
  {
    const std::lock_guard lock(supervisor_mutex_);
    look_now_ = true;
  }
  supervisor_changed_.notify_all();
}

void PluginManager::Impl::end_supervisor() noexcept {
  {
    const std::lock_guard lock(supervisor_mutex_);
    supervisor_ends_ = true;
  }
  supervisor_changed_.notify_all();
  if (supervisor_.joinable()) supervisor_.join();
}

void PluginManager::Impl::supervise() {
  std::unique_lock lock(supervisor_mutex_);
  while (!supervisor_ends_) {
    supervisor_changed_.wait_for(lock, look_every_,
                                 [this] { return supervisor_ends_ || look_now_; });
    if (supervisor_ends_) return;
    look_now_ = false;
    lock.unlock();
    try {
      look_at_plugins();
    } catch (const std::exception& error) {
      detail::Dispatch::core_of(*bus_).log(LogLevel::error, error.what(), {});
    }
    lock.lock();
  }
}

void PluginManager::Impl::look_at_plugins() {
  struct One {
    std::string id;
    Instance instance;
    PluginRules rules;
  };
  std::vector<One> running;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& record : records_) {
      if (record->info.state == PluginState::running && record->instance != nullptr)
        running.push_back({record->info.id, record->instance, record->rules});
    }
  }
  std::map<const PluginInstance*, Seen> seen;
  for (const One& one : running) {
    constexpr std::chrono::nanoseconds kNever = std::chrono::nanoseconds::max();
    std::chrono::nanoseconds soft = one.rules.soft_deadline.value_or(kNever);
    std::chrono::nanoseconds hard = one.rules.hard_deadline.value_or(kNever);
    if (const auto* const child = one.instance->image().child()) {
      if (const std::string why = child->gone_because(); !why.empty()) {
        quarantine(one.id, one.instance, why, std::nullopt);
        continue;
      }
      // It keeps its deadlines itself, but where the worker waits for something of the host.
      soft = kNever;
      hard = 2 * child->hard_deadline() + kForChild;
    }
    if (soft == kNever && hard == kNever) continue;
    const Steady::time_point now = Steady::now();
    Seen& mine = seen[one.instance.get()];
    const std::uint64_t steps = one.instance->steps();
    const auto before = seen_.find(one.instance.get());
    if (before != seen_.end() && before->second.steps == steps && one.instance->busy()) {
      mine = before->second;
    } else {
      mine = {steps, now, false};
    }
    const auto busy_for = now - mine.since;
    if (busy_for >= hard) {
      quarantine(
          one.id, one.instance,
          "it has not come back from a call for " + duration_words(hard) + " (its hard deadline)",
          steps);
    } else if (busy_for >= soft && !std::exchange(mine.reported, true)) {
      one.instance->report_error("it has been in one call for " + duration_words(soft) +
                                 " (its soft deadline)");
    }
  }
  seen_ = std::move(seen);
}

/// Unless something else has become of it meanwhile.
void PluginManager::Impl::quarantine(const std::string& id, const Instance& instance,
                                     const std::string& why, std::optional<std::uint64_t> steps) {
  const Change change(*this);
  // The wait for the change may have been long.
  if (steps && (instance->steps() != *steps || !instance->busy())) return;
  Record* const record = find(id);
  if (record == nullptr || record->instance != instance ||
      record->info.state != PluginState::running) {
    return;
  }
  const std::string words = "the plugin " + quote(id) + " was quarantined: " + why;
  instance->quarantine(words);
  const bool hung = instance->hung();
  bool unmapped = false;
  if (hung) {
    leave_behind(instance);
  } else {
    unmapped = instance->dismantle(options_.call_timeout);
    if (instance->hung()) leave_behind(instance);
  }
  {
    const std::lock_guard lock(mutex_);
    record->instance = nullptr;
    record->info.still_mapped = !unmapped;
    record->info.source = PluginSource::none;
  }
  set_state(*record, PluginState::quarantined,
            words + (hung ? "; its thread and its code stay in the process" : ""));
}

}  // namespace busway
