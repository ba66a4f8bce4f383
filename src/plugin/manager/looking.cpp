// Questions about plugins: who is there, and whether anything is left to do.
#include <algorithm>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "base/deadline.hpp"
#include "base/duration_words.hpp"
#include "base/escape.hpp"
#include "base/nearest.hpp"
#include "plugin/manager/impl.hpp"

namespace busway {

PluginManager::Impl::Record* PluginManager::Impl::find(std::string_view id) const {
  const auto found = std::find_if(records_.begin(), records_.end(),
                                  [&](const auto& record) { return record->info.id == id; });
  return found == records_.end() ? nullptr : found->get();
}

PluginManager::Impl::Record& PluginManager::Impl::require(std::string_view id) {
  if (Record* record = find(id)) return *record;
  std::vector<std::string_view> known;
  for (const auto& record : records_) known.push_back(record->info.id);
  const std::string_view near = nearest(id, known);
  throw Error(ErrorCode::not_found,
              "there is no plugin " + quote(id) +
                  (near.empty() ? std::string() : " (did you mean " + quote(near) + "?)"));
}

/// What the instances know is asked for without the lock.
std::vector<std::pair<PluginInfo, PluginManager::Impl::Instance>> PluginManager::Impl::look()
    const {
  std::vector<std::pair<PluginInfo, Instance>> all;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& record : records_) all.emplace_back(record->info, record->instance);
  }
  for (auto& [info, instance] : all) {
    if (instance == nullptr) continue;
    info.source = instance->source();
    info.queued = instance->line().queued(*instance);
    if (const auto* const child = instance->image().child()) {
      info.restarts = child->restarts();
      info.process_id = child->process_id();
    }
  }
  return all;
}

std::vector<PluginInfo> PluginManager::Impl::list() const {
  std::vector<PluginInfo> all;
  for (auto& [info, instance] : look()) all.push_back(std::move(info));
  return all;
}

std::vector<PluginInfo> PluginManager::Impl::examine(std::chrono::nanoseconds patience) const {
  const auto deadline = deadline_after(patience);
  std::vector<std::pair<PluginInfo, Instance>> all = look();
  std::vector<std::shared_ptr<plugin_host_detail::HealthAnswer>> answers;  // null: not asked
  for (const auto& [info, instance] : all) {
    const bool runs = info.state == PluginState::running && instance != nullptr;
    answers.push_back(runs ? instance->ask_health() : nullptr);
  }
  std::vector<PluginInfo> infos;
  for (std::size_t i = 0; i < all.size(); ++i) {
    PluginInfo& info = all[i].first;
    if (answers[i] != nullptr && !answers[i]->wait_until(deadline, info.health)) {
      info.health = PluginHealthInfo{PluginHealthInfo::Level::unknown,
                                     "it has not answered within " + duration_words(patience) +
                                         "; it is busy with something else, or hangs"};
    }
    infos.push_back(std::move(info));
  }
  return infos;
}

std::vector<PluginManager::Impl::Instance> PluginManager::Impl::instances() const {
  const std::lock_guard lock(mutex_);
  std::vector<Instance> all;
  for (const auto& record : records_) {
    if (record->instance != nullptr) all.push_back(record->instance);
  }
  return all;
}

/// With mutex_ held. One that is being replaced may be a source again when it is.
bool PluginManager::Impl::more_to_come() const {
  return std::any_of(records_.begin(), records_.end(), [](const auto& record) {
    return record->instance != nullptr && (record->info.state == PluginState::reloading ||
                                           record->instance->source() == PluginSource::active);
  });
}

bool PluginManager::Impl::idle() const {
  {
    const std::lock_guard lock(mutex_);
    if (more_to_come()) return false;
  }
  const std::vector<Instance> all = instances();
  const auto look = [&](std::uint64_t& begun) {
    begun = 0;
    return std::all_of(all.begin(), all.end(), [&](const Instance& instance) {
      begun += instance->worker().begun();
      return instance->worker().idle();
    });
  };
  // Workers and bus give each other work: only if no worker ran anything while the bus was looked
  // at were both idle at the same time.
  std::uint64_t before = 0;
  std::uint64_t after = 0;
  return look(before) && bus_->idle() && look(after) && before == after;
}

bool PluginManager::Impl::wait_until_idle(std::chrono::nanoseconds timeout) const {
  constexpr std::chrono::hours kLongest(24 * 365);
  const auto deadline = std::chrono::steady_clock::now() +
                        std::chrono::duration_cast<std::chrono::steady_clock::duration>(
                            std::min<std::chrono::nanoseconds>(timeout, kLongest));
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      const bool ended =
          source_changed_.wait_until(lock, deadline, [this] { return !more_to_come(); });
      if (!ended) return false;
    }
    for (const Instance& instance : instances()) {
      if (!instance->worker().wait_idle(deadline)) return false;
    }
    if (!bus_->wait_idle(deadline - std::chrono::steady_clock::now())) return false;
    if (idle()) return true;
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::yield();
  }
}

}  // namespace busway
