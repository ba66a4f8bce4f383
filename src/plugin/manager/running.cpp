// Plugins start and stop, alone or all in the order of what they require.
#include <algorithm>
#include <iterator>
#include <optional>
#include <string>

#include "base/deadline.hpp"
#include "base/escape.hpp"
#include "plugin/load_order.hpp"
#include "plugin/manager/impl.hpp"

namespace busway {
namespace {

std::string milliseconds(std::chrono::nanoseconds time) {
  return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(time).count()) +
         " ms";
}

void require_version(const PluginInfo& info, const plugin_host_detail::RequiredPlugin& required,
                     const std::string& version) {
  if (!required.version || required.version->met_by(version)) return;
  throw Error(ErrorCode::plugin_requires,
              "the plugin " + quote(info.id) + " requires " + quote(required.id) + " of version " +
                  quote(required.version->text()) + ", and its version is " + quote(version) +
                  "; put a build in its place that fits, or change requires in the manifest of " +
                  quote(info.id));
}

}  // namespace

/// One that others require, before it takes the place of an earlier build.
void PluginManager::Impl::require_good_for_dependants(const PluginInfo& info) const {
  for (const auto& other : records_) {
    if (other->info.state != PluginState::running || other->manifest == nullptr) continue;
    for (const plugin_host_detail::RequiredPlugin& required : other->manifest->required) {
      if (required.id == info.id) require_version(other->info, required, info.version);
    }
  }
}

void PluginManager::Impl::require_started(const Record& record) const {
  for (const std::string& required : record.info.required) {
    const Record* other = find(required);
    if (other != nullptr && other->info.state == PluginState::running) continue;
    throw Error(
        ErrorCode::plugin_requires,
        "the plugin " + quote(record.info.id) + " requires " + quote(required) +
            (other == nullptr || other->instance == nullptr
                 ? std::string(", which is not loaded")
                 : ", which is " + std::string(to_string(other->info.state)) + "; start it first"));
  }
  if (record.manifest == nullptr) return;
  for (const plugin_host_detail::RequiredPlugin& required : record.manifest->required) {
    require_version(record.info, required, find(required.id)->info.version);
  }
}

void PluginManager::Impl::require_no_dependant(const Record& record) const {
  for (const auto& other : records_) {
    const auto& required = other->info.required;
    if (other->info.state == PluginState::running &&
        std::find(required.begin(), required.end(), record.info.id) != required.end()) {
      throw Error(ErrorCode::plugin_requires, "the plugin " + quote(other->info.id) +
                                                  ", which runs, requires " +
                                                  quote(record.info.id) + "; stop it first");
    }
  }
}

void PluginManager::Impl::start(const Change& /*change*/, Record& record) {
  if (record.info.state != PluginState::created && record.info.state != PluginState::stopped) {
    throw Error(ErrorCode::plugin_state, "the plugin " + quote(record.info.id) + " is " +
                                             std::string(to_string(record.info.state)) +
                                             "; one that is created or stopped can be started");
  }
  require_started(record);
  set_state(record, PluginState::starting);
  record.instance->line().set_open(*record.instance, true);
  if (const auto error = record.instance->start(options_.call_timeout)) {
    record.instance->release_all();
    record.instance->set_source(PluginSource::none);
    set_state(record, PluginState::failed, error->what());
    throw Error(*error);
  }
  set_state(record, PluginState::running);
}

void PluginManager::Impl::stop(const Change& /*change*/, Record& record) {
  if (record.info.state != PluginState::running) {
    throw Error(ErrorCode::plugin_state, "the plugin " + quote(record.info.id) + " is " +
                                             std::string(to_string(record.info.state)) +
                                             "; one that is running can be stopped");
  }
  require_no_dependant(record);
  set_state(record, PluginState::stopping);
  end_sources({&record});
  if (const std::size_t left = record.instance->drain(options_.drain_timeout); left != 0) {
    report(record, std::to_string(left) +
                       " events were still queued for it when its time to handle them was "
                       "over; they are dropped");
  }
  const auto error = record.instance->stop(options_.call_timeout);
  if (const std::size_t left = record.instance->line().waiting_again(*record.instance); left != 0) {
    report(record, std::to_string(left) +
                       " events that it had failed to handle still waited to be tried again when "
                       "it stopped; they are dropped");
  }
  record.instance->release_all();
  if (record.instance->source() == PluginSource::active) {
    record.instance->set_source(PluginSource::ended);
  }
  if (error) {
    set_state(record, PluginState::failed, error->what());
    throw Error(*error);
  }
  set_state(record, PluginState::stopped);
}

/// Asks them all, then waits for all. Their workers go on meanwhile: a source may be waiting for
/// room in a mailbox of its own plugin. One that waits for a reply gets half of the time for it.
void PluginManager::Impl::end_sources(const std::vector<Record*>& records) {
  const auto late_at = [&](std::chrono::steady_clock::time_point deadline) {
    const auto ends = [](const Record* record) { return record->instance->source_ends(); };
    std::vector<Record*> late;
    std::unique_lock lock(mutex_);
    source_changed_.wait_until(lock, deadline,
                               [&] { return std::none_of(records.begin(), records.end(), ends); });
    std::copy_if(records.begin(), records.end(), std::back_inserter(late), ends);
    return late;
  };
  const auto half = deadline_after(options_.call_timeout / 2);
  const auto end = deadline_after(options_.call_timeout);
  for (Record* record : records) record->instance->ask_sources_to_end();
  for (Record* record : late_at(half)) record->instance->end_own_requests();
  for (Record* record : late_at(end)) {
    record->instance->give_up_sources();
    report(*record,
           "its source did not end within " + milliseconds(options_.call_timeout) +
               " of being asked to; it is stopped all the same. The function of a source returns "
               "soon after its stop token is set");
  }
}

std::vector<std::string> PluginManager::Impl::order() const {
  std::vector<plugin_host_detail::Requirement> loaded;
  for (const auto& record : records_) {
    if (record->instance != nullptr) loaded.push_back({record->info.id, record->info.required});
  }
  return plugin_host_detail::load_order(loaded);
}

std::vector<PluginProblem> PluginManager::Impl::start_all(const Change& change,
                                                          PluginSources sources) {
  std::vector<PluginProblem> problems;
  for (const std::string& id : order()) {
    Record& record = *find(id);
    if (record.info.state == PluginState::running) continue;
    try {
      start(change, record);
    } catch (const Error& error) {
      problems.push_back({id, error.code(), error.what()});
    }
  }
  if (sources == PluginSources::begin) begin_sources(change);
  return problems;
}

void PluginManager::Impl::begin_sources(const Change& /*change*/) {
  for (const auto& record : records_) {
    if (record->info.state == PluginState::running) record->instance->begin_sources();
  }
}

std::vector<PluginProblem> PluginManager::Impl::stop_all(const Change& change) {
  std::vector<PluginProblem> problems;
  // Among those that run, whatever one requires runs too: its start() saw to that.
  std::vector<plugin_host_detail::Requirement> running;
  std::vector<Record*> feeding;
  for (const auto& record : records_) {
    if (record->info.state != PluginState::running) continue;
    running.push_back({record->info.id, record->info.required});
    feeding.push_back(record.get());
  }
  // First of all, so that whoever they feed still hears what they said.
  end_sources(feeding);
  std::vector<std::string> ids = plugin_host_detail::load_order(running);
  std::reverse(ids.begin(), ids.end());
  for (const std::string& id : ids) {
    try {
      stop(change, *find(id));
    } catch (const Error& error) {
      problems.push_back({id, error.code(), error.what()});
    }
  }
  return problems;
}

std::vector<PluginProblem> PluginManager::Impl::unload_all(const Change& change) {
  std::vector<PluginProblem> problems = stop_all(change);
  for (std::size_t i = records_.size(); i-- > 0;) {
    Record& record = *records_[i];
    if (record.instance == nullptr) continue;
    try {
      unload(change, record);
    } catch (const Error& error) {
      problems.push_back({record.info.id, error.code(), error.what()});
    }
  }
  return problems;
}

PluginHealthInfo PluginManager::Impl::health(const Change& /*change*/, Record& record) {
  if (record.instance == nullptr || record.instance->hung()) {
    std::string why = info_of(record).last_error;
    if (why.empty()) why = "it is not loaded";
    return {PluginHealthInfo::Level::failing, std::move(why)};
  }
  PluginHealthInfo out;
  if (const auto error = record.instance->health(out, options_.call_timeout)) {
    return {PluginHealthInfo::Level::failing, error->what()};
  }
  return out;
}

}  // namespace busway
