#include "busway/plugin_manager.hpp"

#include <algorithm>
#include <array>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "base/escape.hpp"
#include "base/nearest.hpp"
#include "bus/bus_core.hpp"
#include "bus/dispatch.hpp"
#include "busway/events/plugin_event_data.hpp"
#include "plugin/load_order.hpp"
#include "plugin/plugin_image.hpp"
#include "plugin/plugin_instance.hpp"

namespace busway {
namespace {

using plugin_host_detail::PluginImage;
using plugin_host_detail::PluginInstance;
using plugin_host_detail::PluginWorker;
using Instance = std::shared_ptr<PluginInstance>;

/// Plugins whose thread never came back: what it stands on must stay for ever.
void leave_behind(Instance instance) {
  static std::mutex* const mutex = new std::mutex;
  static auto* const all = new std::vector<Instance>;
  const std::lock_guard lock(*mutex);
  all->push_back(std::move(instance));
}

/// What a plugin is called until it has said so itself.
std::string provisional_id(const PluginSpec& spec) {
  if (!spec.id.empty()) return spec.id;
  std::string stem = spec.path.substr(spec.path.find_last_of("/:") + 1);
  stem = stem.substr(0, stem.rfind('.'));
  return plugin_host_detail::is_plugin_id(stem) ? stem : std::string("plugin");
}

void check_spec(const PluginSpec& spec) {
  if (!spec.id.empty() && !plugin_host_detail::is_plugin_id(spec.id)) {
    throw Error(ErrorCode::invalid_argument,
                quote(spec.id) +
                    " cannot be a plugin's id; it is 1 to 64 letters, digits, '_', "
                    "'-' and '.'");
  }
  if (!spec.config.is_object() && !spec.config.is_null()) {
    throw Error(ErrorCode::invalid_argument, "the configuration of the plugin " + quote(spec.path) +
                                                 " is " + spec.config.type_name() +
                                                 "; it takes an object");
  }
}

}  // namespace

class PluginManager::Impl {
 public:
  Impl(std::unique_ptr<Bus> own, Bus* bus, PluginManagerOptions options)
      : own_bus_(std::move(own)), bus_(bus), options_(std::move(options)) {}
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl();

  struct Record {
    PluginInfo info;
    Instance instance;
  };

  /// One change at a time; the functions that need it take it as proof.
  class Change {
   public:
    explicit Change(Impl& impl);
    Change(const Change&) = delete;
    Change& operator=(const Change&) = delete;
    ~Change();

   private:
    Impl& impl_;
  };

  std::string load(const Change& change, const PluginSpec& spec);
  void start(const Change& change, Record& record);
  void stop(const Change& change, Record& record);
  void unload(const Change& change, Record& record);
  std::vector<PluginProblem> start_all(const Change& change);
  std::vector<PluginProblem> stop_all(const Change& change);
  std::vector<PluginProblem> unload_all(const Change& change);
  PluginHealthInfo health(const Change& change, Record& record);

  Record& require(std::string_view id);
  std::vector<PluginInfo> list() const;
  bool idle() const;
  bool wait_until_idle(std::chrono::nanoseconds timeout) const;
  Bus& bus() noexcept { return *bus_; }

 private:
  void load_steps(const PluginSpec& spec, PluginInfo& info, Instance& instance);
  Instance make_instance(std::unique_ptr<PluginImage> image, const std::string& name);
  void commit(const PluginInfo& info, Instance instance);
  [[nodiscard]] std::uint64_t next_generation(std::string_view id) const;
  void require_free(std::string_view id, const std::string& path) const;
  void require_started(const Record& record) const;
  void require_no_dependant(const Record& record) const;
  [[nodiscard]] std::vector<std::string> order() const;

  void set_state(Record& record, PluginState state, const std::string& error = {});
  void announce(const PluginInfo& info) noexcept;
  void report(PluginInstance& instance, std::string_view message) noexcept;
  void report(const PluginInfo& info, std::string_view message) noexcept;
  void warn(const PluginInfo& info, const std::string& message) const noexcept;
  [[nodiscard]] std::vector<Instance> instances() const;
  [[nodiscard]] bool sources_active() const;
  [[nodiscard]] Record* find(std::string_view id) const;

  const std::unique_ptr<Bus> own_bus_;
  Bus* const bus_;
  const PluginManagerOptions options_;

  mutable std::mutex change_mutex_;
  std::atomic<std::thread::id> changing_{};

  mutable std::mutex mutex_;
  mutable std::condition_variable source_changed_;
  // Guarded by mutex_; written only within a Change, so that a Change reads without it.
  std::vector<std::unique_ptr<Record>> records_;
};

// -- Changes --------------------------------------------------------------------------------------

PluginManager::Impl::Change::Change(Impl& impl) : impl_(impl) {
  if (PluginWorker::current() != nullptr) {
    throw Error(ErrorCode::would_block,
                "plugins cannot be loaded, started, stopped or unloaded on the thread of a plugin; "
                "do it on a thread of the host");
  }
  if (impl.changing_.load(std::memory_order_relaxed) == std::this_thread::get_id()) {
    throw Error(ErrorCode::would_block,
                "this thread is already changing the plugins: a handler of plugin.* cannot begin "
                "another change; do it after the handler");
  }
  impl.change_mutex_.lock();
  impl.changing_.store(std::this_thread::get_id(), std::memory_order_relaxed);
}

PluginManager::Impl::Change::~Change() {
  impl_.changing_.store({}, std::memory_order_relaxed);
  impl_.change_mutex_.unlock();
}

PluginManager::Impl::~Impl() {
  try {
    const Change change(*this);
    (void)stop_all(change);
    (void)unload_all(change);
  } catch (const Error& error) {
    detail::Dispatch::core_of(*bus_).log(LogLevel::error, error.what(), {});
  }
}

// -- Loading --------------------------------------------------------------------------------------

std::string PluginManager::Impl::load(const Change& /*change*/, const PluginSpec& spec) {
  check_spec(spec);
  if (!spec.id.empty()) require_free(spec.id, spec.path);
  PluginInfo info;
  info.id = provisional_id(spec);
  info.path = spec.path;
  info.generation = next_generation(info.id);
  Instance instance;
  try {
    load_steps(spec, info, instance);
  } catch (const Error& error) {
    info.state = PluginState::failed;
    info.last_error = error.what();
    if (instance != nullptr) {
      (void)instance->teardown(options_.call_timeout);
      info.still_mapped = !instance->dismantle(options_.call_timeout);
      if (instance->hung()) leave_behind(instance);
    }
    const Record* existing = find(info.id);
    if (existing == nullptr || existing->instance == nullptr) commit(info, nullptr);
    announce(info);
    throw;
  }
  return info.id;
}

void PluginManager::Impl::load_steps(const PluginSpec& spec, PluginInfo& info, Instance& instance) {
  const auto reach = [&](PluginState state) {
    info.state = state;
    announce(info);
  };
  const auto check = [](const std::optional<Error>& error) {
    if (error) throw Error(*error);
  };
  reach(PluginState::discovered);
  auto image = std::make_unique<PluginImage>(spec.path,
                                             platform_detail::PathRules{.folder = options_.folder});
  for (const std::string& warning : image->warnings()) warn(info, warning);
  reach(PluginState::validated);

  instance = make_instance(std::move(image), info.id);
  check(instance->open(spec.id, options_.call_timeout));
  const PluginInstance::Facts& facts = instance->facts();
  info.id = facts.id;
  info.version = facts.version;
  info.description = facts.description;
  info.required = facts.required;
  info.generation = next_generation(info.id);
  require_free(info.id, spec.path);
  reach(PluginState::loaded);

  check(instance->create(options_.call_timeout));
  check(instance->setup(spec.config.is_null() ? "{}" : spec.config.dump(), options_.call_timeout));
  info.state = PluginState::created;
  commit(info, instance);
  announce(info);
}

Instance PluginManager::Impl::make_instance(std::unique_ptr<PluginImage> image,
                                            const std::string& name) {
  return std::make_shared<PluginInstance>(
      *bus_, std::move(image), name,
      [this](PluginInstance& from, std::string_view message) { report(from, message); },
      [this] {
        { const std::lock_guard lock(mutex_); }  // so that no wait misses it
        source_changed_.notify_all();
      });
}

void PluginManager::Impl::commit(const PluginInfo& info, Instance instance) {
  const std::lock_guard lock(mutex_);
  Record* record = find(info.id);
  if (record == nullptr) {
    records_.push_back(std::make_unique<Record>());
    record = records_.back().get();
  }
  record->info = info;
  record->instance = std::move(instance);
}

std::uint64_t PluginManager::Impl::next_generation(std::string_view id) const {
  const Record* record = find(id);
  return record == nullptr ? 1 : record->info.generation + 1;
}

void PluginManager::Impl::require_free(std::string_view id, const std::string& path) const {
  const Record* record = find(id);
  if (record == nullptr || record->instance == nullptr) return;
  throw Error(ErrorCode::already_exists,
              "a plugin " + quote(id) + " is loaded already, from " + quote(record->info.path) +
                  "; unload it first, or give " + quote(path) + " another id");
}

// -- Starting and stopping ------------------------------------------------------------------------

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
  record.instance->open_gate();
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
  if (const std::size_t left = record.instance->drain(options_.drain_timeout); left != 0) {
    report(record.info, std::to_string(left) +
                            " events were still queued for it when its time to handle them was "
                            "over; they are dropped");
  }
  const auto error = record.instance->stop(options_.call_timeout);
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

void PluginManager::Impl::unload(const Change& change, Record& record) {
  if (record.instance == nullptr) {
    throw Error(ErrorCode::plugin_state, "the plugin " + quote(record.info.id) + " is " +
                                             std::string(to_string(record.info.state)) +
                                             "; there is nothing to unload");
  }
  std::optional<Error> problem;
  const auto note = [&](const std::optional<Error>& error) {
    if (error && !problem) problem = error;
  };
  if (record.info.state == PluginState::running) {
    require_no_dependant(record);
    try {
      stop(change, record);
    } catch (const Error& error) {
      note(error);
    }
  }
  if (!record.instance->hung()) note(record.instance->teardown(options_.call_timeout));
  const bool unmapped = record.instance->dismantle(options_.call_timeout);
  Instance instance;
  {
    const std::lock_guard lock(mutex_);
    instance = std::exchange(record.instance, nullptr);
    record.info.still_mapped = !unmapped;
    record.info.source = PluginSource::none;
  }
  if (instance->hung()) {
    leave_behind(instance);
    const std::string error = "the plugin " + quote(record.info.id) +
                              " hangs in a call and cannot be unloaded; its thread and its code "
                              "stay in the process";
    set_state(record, PluginState::failed, error);
    throw Error(ErrorCode::plugin_failed, error);
  }
  instance.reset();
  if (!unmapped) {
    report(record.info,
           "its library is still mapped after it was closed: a thread of its own still runs, or "
           "it has unique symbols or a thread_local with a destructor; build it with "
           "busway_add_plugin()");
  }
  set_state(record, PluginState::unloaded, problem ? problem->what() : "");
}

std::vector<std::string> PluginManager::Impl::order() const {
  std::vector<plugin_host_detail::Requirement> loaded;
  for (const auto& record : records_) {
    if (record->instance != nullptr) loaded.push_back({record->info.id, record->info.required});
  }
  return plugin_host_detail::load_order(loaded);
}

std::vector<PluginProblem> PluginManager::Impl::start_all(const Change& change) {
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
  return problems;
}

std::vector<PluginProblem> PluginManager::Impl::stop_all(const Change& change) {
  std::vector<PluginProblem> problems;
  // Among those that run, whatever one requires runs too: its start() saw to that.
  std::vector<plugin_host_detail::Requirement> running;
  for (const auto& record : records_) {
    if (record->info.state == PluginState::running) {
      running.push_back({record->info.id, record->info.required});
    }
  }
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
    return {PluginHealthInfo::Level::failing, record.info.last_error.empty()
                                                  ? std::string("it is not loaded")
                                                  : record.info.last_error};
  }
  PluginHealthInfo out;
  if (const auto error = record.instance->health(out, options_.call_timeout)) {
    return {PluginHealthInfo::Level::failing, error->what()};
  }
  return out;
}

// -- Looking --------------------------------------------------------------------------------------

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

std::vector<PluginInfo> PluginManager::Impl::list() const {
  const std::lock_guard lock(mutex_);
  std::vector<PluginInfo> all;
  for (const auto& record : records_) {
    all.push_back(record->info);
    if (record->instance != nullptr) all.back().source = record->instance->source();
  }
  return all;
}

std::vector<Instance> PluginManager::Impl::instances() const {
  const std::lock_guard lock(mutex_);
  std::vector<Instance> all;
  for (const auto& record : records_) {
    if (record->instance != nullptr) all.push_back(record->instance);
  }
  return all;
}

bool PluginManager::Impl::sources_active() const {
  const std::vector<Instance> all = instances();
  return std::any_of(all.begin(), all.end(), [](const Instance& instance) {
    return instance->source() == PluginSource::active;
  });
}

bool PluginManager::Impl::idle() const {
  if (sources_active()) return false;
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
      const bool ended = source_changed_.wait_until(lock, deadline, [&] {
        return std::none_of(records_.begin(), records_.end(), [](const auto& record) {
          return record->instance != nullptr && record->instance->source() == PluginSource::active;
        });
      });
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

// -- Telling --------------------------------------------------------------------------------------

void PluginManager::Impl::set_state(Record& record, PluginState state, const std::string& error) {
  PluginInfo info;
  {
    const std::lock_guard lock(mutex_);
    record.info.state = state;
    if (!error.empty()) record.info.last_error = error;
    info = record.info;
  }
  info.last_error = error;
  announce(info);
}

namespace {

PluginEventData event_data(const PluginInfo& info) {
  return {.plugin_name = info.id,
          .plugin_version = info.version,
          .path = info.path,
          .generation = info.generation,
          .error = info.last_error};
}

EventOptions manager_options() { return {.source = "plugin_manager", .origin = Origin::system}; }

}  // namespace

void PluginManager::Impl::announce(const PluginInfo& info) noexcept {
  try {
    if (info.state == PluginState::failed) warn(info, info.last_error);
    (void)bus_->publish(plugin_state(to_string(info.state), event_data(info), manager_options()));
  } catch (const std::exception& error) {
    warn(info, error.what());
  }
}

void PluginManager::Impl::report(PluginInstance& instance, std::string_view message) noexcept {
  try {
    PluginInfo info;
    info.id = instance.id();
    info.version = instance.facts().version;
    {
      const std::lock_guard lock(mutex_);
      if (Record* record = find(info.id); record != nullptr) {
        info.path = record->info.path;
        info.generation = record->info.generation;
        record->info.last_error = message;
      }
    }
    report(info, message);
  } catch (const std::exception&) {
    // Out of memory: there is nobody to tell.
  }
}

void PluginManager::Impl::report(const PluginInfo& info, std::string_view message) noexcept {
  try {
    warn(info, std::string(message));
    (void)bus_->publish(plugin_error(event_data(info), message, manager_options()));
  } catch (const std::exception& error) {
    warn(info, error.what());
  }
}

void PluginManager::Impl::warn(const PluginInfo& info, const std::string& message) const noexcept {
  const std::array fields{LogField{"plugin", info.id}};
  detail::Dispatch::core_of(*bus_).log(LogLevel::warning, message, fields);
}

// -- The public class -----------------------------------------------------------------------------

PluginManager::PluginManager(Bus& bus, PluginManagerOptions options)
    : impl_(std::make_unique<Impl>(nullptr, &bus, std::move(options))) {}

PluginManager::PluginManager(const BusOptions& bus, PluginManagerOptions options) {
  auto own = std::make_unique<Bus>(bus);
  Bus* const made = own.get();
  impl_ = std::make_unique<Impl>(std::move(own), made, std::move(options));
}

PluginManager::~PluginManager() = default;

Bus& PluginManager::bus() noexcept { return impl_->bus(); }

std::string PluginManager::load(const PluginSpec& spec) {
  return impl_->load(Impl::Change(*impl_), spec);
}

void PluginManager::start(std::string_view id) {
  const Impl::Change change(*impl_);
  impl_->start(change, impl_->require(id));
}

std::vector<PluginProblem> PluginManager::start_all() {
  return impl_->start_all(Impl::Change(*impl_));
}

void PluginManager::stop(std::string_view id) {
  const Impl::Change change(*impl_);
  impl_->stop(change, impl_->require(id));
}

std::vector<PluginProblem> PluginManager::stop_all() {
  return impl_->stop_all(Impl::Change(*impl_));
}

void PluginManager::unload(std::string_view id) {
  const Impl::Change change(*impl_);
  impl_->unload(change, impl_->require(id));
}

std::vector<PluginProblem> PluginManager::unload_all() {
  return impl_->unload_all(Impl::Change(*impl_));
}

std::vector<PluginInfo> PluginManager::list() const { return impl_->list(); }

std::optional<PluginInfo> PluginManager::find(std::string_view id) const {
  for (PluginInfo& info : impl_->list()) {
    if (info.id == id) return std::move(info);
  }
  return std::nullopt;
}

PluginHealthInfo PluginManager::health(std::string_view id) {
  const Impl::Change change(*impl_);
  return impl_->health(change, impl_->require(id));
}

bool PluginManager::idle() const { return impl_->idle(); }

bool PluginManager::wait_until_idle(std::chrono::nanoseconds timeout) const {
  return impl_->wait_until_idle(timeout);
}

}  // namespace busway
