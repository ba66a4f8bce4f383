// A plugin that runs is replaced by a later build of it, or goes on as if nothing had been.
#include <chrono>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "base/escape.hpp"
#include "bus/bus_core.hpp"
#include "bus/dispatch.hpp"
#include "plugin/manager/impl.hpp"

namespace busway {
namespace {

void check(const std::optional<Error>& error) {
  if (error) throw Error(*error);
}

void require_reloadable(const PluginInfo& info, const PluginSpec& spec, const PluginRules& rules) {
  const std::string who = "the plugin " + quote(info.id);
  if (info.state != PluginState::running) {
    throw Error(ErrorCode::plugin_state, who + " is " + std::string(to_string(info.state)) +
                                             "; one that is running can be reloaded");
  }
  if (spec.path.starts_with(plugin_host_detail::kStaticPrefix)) {
    throw Error(ErrorCode::plugin_state,
                who + " is linked into the program; only one from a file can be reloaded");
  }
  if (rules.reload == PluginReload::none) {
    throw Error(ErrorCode::plugin_state,
                who + " may not be reloaded (its reload is none); unload and load it");
  }
}

}  // namespace

void PluginManager::Impl::reload(const Change& /*change*/, Record& record) {
  require_reloadable(record.info, record.spec, record.rules);
  set_state(record, PluginState::reloading);
  Replacement change;
  change.old = record.instance;
  change.info = info_of(record);
  change.sources_begun = change.old->sources_begun();
  try {
    replace(record, change);
  } catch (const std::exception& error) {
    const auto* const known = dynamic_cast<const Error*>(&error);
    const std::optional<Error> gone = put_back(change);
    const std::string why =
        "the plugin " + quote(record.info.id) + " was not reloaded, " +
        (gone ? "and the earlier one could not go on: " + std::string(gone->what())
              : "and runs on as it was") +
        ": " + error.what();
    if (gone) {
      set_state(record, PluginState::failed, why);
    } else {
      {
        const std::lock_guard lock(mutex_);
        record.info.last_error = why;
      }
      report(record, why);
      set_state(record, PluginState::running);
    }
    throw Error(known != nullptr ? known->code() : ErrorCode::plugin_failed, why);
  }
  retire(record, change);
  set_state(record, PluginState::running);
}

/// The new one, with what it is; not started yet.
void PluginManager::Impl::make_successor(const Record& record, Replacement& change) {
  PluginInfo& info = change.info;
  Instance& next = change.next;
  auto image = open_file(info, change.plan);
  next = make_instance(std::move(image), change.plan, info.id, record.instance->shared_line());
  next->line().expect(*next);
  check(next->open(record.spec.id, options_.call_timeout));
  const PluginInstance::Facts& facts = next->facts();
  if (facts.id != info.id) {
    throw Error(ErrorCode::plugin_abi, "the plugin file " + quote(info.path) +
                                           " now calls itself " + quote(facts.id) + ", not " +
                                           quote(info.id) + "; load it as a plugin of its own");
  }
  info.version = facts.version;
  info.description = facts.description;
  info.required = facts.required;
  plugin_host_detail::add_required(change.plan.manifest.get(), info.required);
  info.generation = record.info.generation + 1;
  const Record as_it_will_be{.info = info, .instance = nullptr, .manifest = change.plan.manifest};
  require_started(as_it_will_be);
  require_good_for_dependants(info);
  check(next->create(options_.call_timeout));
  check(next->setup(change.plan.config, options_.call_timeout));
}

/// From the one to the other. Whatever throws, it throws before anything is final.
void PluginManager::Impl::replace(Record& record, Replacement& change) {
  PluginInstance& old = *change.old;
  plugin_host_detail::PluginLine& line = old.line();
  change.plan = make_plan(record.spec, change.info);
  const bool stop_first = change.plan.rules->reload == PluginReload::stop_first;
  if (!stop_first) make_successor(record, change);

  check(old.rest(options_.call_timeout));
  if (change.sources_begun) end_sources({&record});
  if (change.sources_begun && old.source() == PluginSource::active && !stop_first) {
    throw Error(ErrorCode::plugin_failed,
                "its source does not end when it is asked to, and two of it would both bring in "
                "events; end it in end_sources(), or reload it with stop_first");
  }
  const auto parked = std::chrono::steady_clock::now();
  line.park();
  if (stop_first) {
    check(old.rest(options_.call_timeout));
    line.begin_stop();
    check(old.stop(options_.call_timeout));
  }
  std::optional<PluginInstance::State> state;
  check(old.rest_and_save_state(state, options_.call_timeout));
  if (stop_first) make_successor(record, change);
  check(change.next->restore_state_and_start(std::move(state), options_.call_timeout));
  line.take_over(change.next);

  // What the new one does not listen to any more is the old one's to the end.
  old.worker().cancel_timers();
  old.go_on();
  change.left = stop_first ? line.queued(old) : old.drain(options_.drain_timeout);
  line.end_left();
  {
    const std::lock_guard lock(mutex_);
    change.info.state = record.info.state;
    change.info.last_error.clear();
    change.info.held = std::chrono::steady_clock::now() - parked;
    record.info = change.info;
    record.instance = change.next;
    record.rules = *change.plan.rules;
    record.manifest = change.plan.manifest;
  }
  if (change.sources_begun) change.next->begin_sources();
  line.unpark();
}

/// The old one goes on; the error for which it cannot.
std::optional<Error> PluginManager::Impl::put_back(Replacement& change) {
  PluginInstance& old = *change.old;
  plugin_host_detail::PluginLine& line = old.line();
  line.expect_no_more();
  // Where both may not be there at once, the new one goes first.
  const bool stopped = old.stopped();
  if (stopped) take_away_quietly(change.next);
  std::optional<Error> problem;
  if (old.hung()) {
    problem = Error(ErrorCode::plugin_failed, "it hangs in a call");
  } else {
    old.go_on();
    if (stopped) {
      problem = start_again(change);
    } else if (change.sources_begun) {
      old.begin_sources_again();
    }
  }
  line.unpark();
  if (!stopped) take_away_quietly(change.next);
  if (problem) {
    old.release_all();
    if (old.source() == PluginSource::active) old.set_source(PluginSource::ended);
  }
  return problem;
}

/// One that has been stopped: it takes over from itself what it subscribes to again.
std::optional<Error> PluginManager::Impl::start_again(Replacement& change) {
  PluginInstance& old = *change.old;
  old.worker().cancel_timers();
  old.line().expect(old);
  if (auto problem = old.start(options_.call_timeout)) return problem;
  try {
    old.line().take_over(change.old);
  } catch (const Error& error) {
    return error;
  }
  old.line().end_left();
  if (change.sources_begun) old.begin_sources();
  return std::nullopt;
}

/// What fails in it has no one to tell of.
void PluginManager::Impl::take_away_quietly(Instance& instance) noexcept {
  if (instance == nullptr) return;
  try {
    (void)take_away(instance);
  } catch (const std::exception& error) {
    detail::Dispatch::core_of(*bus_).log(LogLevel::error, error.what(), {});
  }
  instance = nullptr;
}

/// The old one goes; whatever happens, the new one runs.
void PluginManager::Impl::retire(Record& record, Replacement& change) {
  if (change.left != 0) {
    report(record, std::to_string(change.left) +
                       " events of subscriptions that its new build has no more were dropped: the "
                       "earlier one had no time left to handle them, or had to stop first");
  }
  const auto tell = [&](const std::optional<Error>& error) {
    if (error)
      report(record, "while its earlier build was taken away: " + std::string(error->what()));
  };
  PluginInstance& old = *change.old;
  bool unmapped = false;
  try {
    if (!old.hung()) tell(old.await_left_behind(options_.call_timeout));
    if (!old.hung() && !old.stopped()) tell(old.stop(options_.call_timeout));
    if (!old.hung()) tell(old.teardown(options_.call_timeout));
    unmapped = old.dismantle(options_.call_timeout);
  } catch (const std::system_error& error) {  // no thread can be had now
    tell(Error(ErrorCode::internal, error.what()));
  }
  if (old.hung()) leave_behind(change.old);
  {
    const std::lock_guard lock(mutex_);
    record.info.still_mapped = record.info.still_mapped || !unmapped;
  }
  if (unmapped) return;
  report(record, old.hung()
                     ? "its earlier build hangs in a call; its thread and its code stay in the "
                       "process"
                     : "the library of its earlier build is still mapped after it was closed: a "
                       "thread of its own still runs, or it has unique symbols or a thread_local "
                       "with a destructor; build it with busway_add_plugin()");
}

// -- The watch ------------------------------------------------------------------------------------

/// The library and its manifest, which may come later. One that cannot be watched runs all the
/// same.
void PluginManager::Impl::watch(const PluginInfo& info) {
  if (!options_.watch || info.path.starts_with(plugin_host_detail::kStaticPrefix)) return;
  try {
    if (watch_ == nullptr) {
      watch_ = std::make_unique<platform_detail::FileWatch>(
          [this](const std::string& path) { file_changed(path); });
    }
    watch_->add(info.path);
    if (!plugin_host_detail::names_manifest(info.path)) {
      watch_->add(plugin_host_detail::manifest_path(info.path));
    }
  } catch (const std::system_error& error) {
    log(LogLevel::warning, info,
        "its file is not watched, so it must be reloaded by hand: " + std::string(error.what()));
  }
}

/// On the watch's thread.
void PluginManager::Impl::file_changed(const std::string& path) noexcept {
  try {
    const Change change(*this);
    for (const auto& record : records_) {
      const bool runs = record->instance != nullptr && record->info.state == PluginState::running;
      if (!runs || record->rules.reload == PluginReload::none) continue;
      // A manifest is written last: until then the library may be of the next build already.
      const std::string manifest = plugin_host_detail::find_manifest(record->spec.path);
      if (path != (manifest.empty() ? record->spec.path : manifest)) continue;
      try {
        reload(change, *record);
        log(LogLevel::info, record->info,
            "its file has changed; generation " + std::to_string(record->info.generation) +
                " runs now");
      } catch (const Error&) {
        // The manager has reported it.
      }
    }
  } catch (const std::exception& error) {
    detail::Dispatch::core_of(*bus_).log(LogLevel::error, error.what(), {});
  }
}

}  // namespace busway
