// How plugins come into the process, and how they leave it.
#include <algorithm>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>

#include "base/escape.hpp"
#include "busway/json.hpp"
#include "plugin/manager/impl.hpp"

namespace busway {
namespace {

/// What a plugin is called until it has said so itself.
std::string provisional_id(const PluginSpec& spec) {
  if (!spec.id.empty()) return spec.id;
  std::string stem = spec.path.substr(spec.path.find_last_of("/:") + 1);
  const bool manifest = plugin_host_detail::names_manifest(stem);
  stem = stem.substr(
      0, manifest ? stem.size() - plugin_host_detail::kManifestSuffix.size() : stem.rfind('.'));
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

/// Plugins whose thread never came back: what it stands on must stay for ever, but needs neither
/// the manager nor the bus.
void PluginManager::Impl::leave_behind(Instance instance) {
  instance->retire();
  static std::mutex* const mutex = new std::mutex;
  static auto* const all = new std::vector<Instance>;
  const std::lock_guard lock(*mutex);
  all->push_back(std::move(instance));
}

/// One that does not run. False: its code stays in the process.
bool PluginManager::Impl::take_away(const Instance& instance) {
  if (!instance->hung()) (void)instance->await_left_behind(options_.call_timeout);
  if (!instance->hung()) (void)instance->teardown(options_.call_timeout);
  const bool unmapped = instance->dismantle(options_.call_timeout);
  if (instance->hung()) leave_behind(instance);
  return unmapped;
}

std::string PluginManager::Impl::load(const Change& /*change*/, const PluginSpec& spec) {
  check_spec(spec);
  if (!spec.id.empty()) require_free(spec.id, spec.path);
  PluginInfo info;
  info.id = provisional_id(spec);
  info.path = spec.path;
  info.place = spec.place;
  info.generation = next_generation(info.id);
  watch(info);  // first: what is built from now on is seen
  Plan plan;
  Instance instance;
  try {
    load_steps(spec, plan, info, instance);
  } catch (const Error& error) {
    info.state = PluginState::failed;
    info.last_error = error.what();
    if (instance != nullptr) info.still_mapped = !take_away(instance);
    const Record* existing = find(info.id);
    if (existing == nullptr || existing->instance == nullptr) commit(info, nullptr, spec, plan);
    announce(info);
    throw;
  }
  return info.id;
}

void PluginManager::Impl::load_steps(const PluginSpec& spec, Plan& plan, PluginInfo& info,
                                     Instance& instance) {
  const auto reach = [&](PluginState state) {
    info.state = state;
    announce(info);
  };
  const auto check = [](const std::optional<Error>& error) {
    if (error) throw Error(*error);
  };
  reach(PluginState::discovered);
  plan = make_plan(spec, info);
  auto image = open_file(info, plan);
  reach(PluginState::validated);

  instance = make_instance(std::move(image), plan, info.id,
                           std::make_shared<plugin_host_detail::PluginLine>(*bus_, middleware_));
  check(instance->open(spec.id, options_.call_timeout));
  const PluginInstance::Facts& facts = instance->facts();
  info.id = facts.id;
  info.version = facts.version;
  info.description = facts.description;
  info.required = facts.required;
  plugin_host_detail::add_required(plan.manifest.get(), info.required);
  info.generation = next_generation(info.id);
  require_free(info.id, spec.path);
  instance->line().begin(*instance, info.id);
  reach(PluginState::loaded);

  check(instance->create(options_.call_timeout));
  check(instance->setup(plan.config, options_.call_timeout));
  info.state = PluginState::created;
  commit(info, instance, spec, plan);
  announce(info);
}

/// From now on the plugin's path is that of its library.
PluginManager::Impl::Plan PluginManager::Impl::make_plan(const PluginSpec& spec,
                                                         PluginInfo& info) const {
  Plan plan = plugin_host_detail::make_plan(spec, bus_->options().wildcards);
  info.path = plan.library;
  if (plan.manifest != nullptr) {
    for (const ConfigIssue& warning : plan.manifest->warnings) {
      log(LogLevel::warning, info, to_string(warning));
    }
  }
  return plan;
}

std::unique_ptr<PluginManager::Impl::PluginImage> PluginManager::Impl::open_file(PluginInfo& info,
                                                                                 const Plan& plan) {
  auto image = std::make_unique<PluginImage>(
      plan.library, platform_detail::PathRules{.folder = options_.folder}, plan.manifest);
  for (const std::string& warning : image->warnings()) log(LogLevel::warning, info, warning);
  const PluginRules& rules = *plan.rules;
  supervise_with(rules);
  info.isolation = rules.isolation.value_or(PluginIsolation::none);
  if (rules.isolation == PluginIsolation::process) {
    if (plugin_host().empty()) {
      throw Error(
          ErrorCode::plugin_failed,
          "the plugin " + quote(info.id) +
              " is to run in a process of its own, and there is no busway-plugin-host: name "
              "it in PluginManagerOptions::plugin_host or in the environment's "
              "BUSWAY_PLUGIN_HOST, or put it beside this program");
    }
    image->isolate(plugin_host(), rules, options_.call_timeout, bus_->options().max_payload,
                   [this] { look_soon(); });
  } else if (!image->is_static() && !image->is_vouched_for()) {
    try_out(*image, info);
  }
  return image;
}

/// A library that its headers do not show to be damaged, and that nothing vouches for.
void PluginManager::Impl::try_out(const PluginImage& image, const PluginInfo& info) const {
  if (plugin_host().empty()) {
    log(LogLevel::warning, info,
        "its library was not tried out before it was opened, for there is no busway-plugin-host");
    return;
  }
  image.probe(plugin_host(), options_.call_timeout);
}

PluginManager::Impl::Instance PluginManager::Impl::make_instance(
    std::unique_ptr<PluginImage> image, const Plan& plan, const std::string& name,
    std::shared_ptr<plugin_host_detail::PluginLine> line) {
  return std::make_shared<PluginInstance>(
      *bus_, std::move(line), std::move(image), plan.rules, name,
      [this](PluginInstance& from, std::string_view message) { report(from, message); },
      [this](PluginInstance& from, std::string_view message, std::uint64_t untold) {
        report_denied(from, message, untold);
      },
      [this] {
        { const std::lock_guard lock(mutex_); }  // so that no wait misses it
        source_changed_.notify_all();
      });
}

void PluginManager::Impl::commit(const PluginInfo& info, Instance instance, const PluginSpec& spec,
                                 const Plan& plan) {
  const std::lock_guard lock(mutex_);
  Record* record = find(info.id);
  if (record == nullptr) {
    records_.push_back(std::make_unique<Record>());
    record = records_.back().get();
  }
  record->info = info;
  record->instance = std::move(instance);
  record->spec = spec;
  record->rules = plan.rules != nullptr ? *plan.rules : spec.rules;
  record->manifest = plan.manifest;
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
  if (!record.instance->hung()) note(record.instance->await_left_behind(options_.call_timeout));
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
    std::string error = "the plugin " + quote(record.info.id) +
                        " hangs in a call and cannot be unloaded; its thread and its code stay in "
                        "the process";
    if (problem) error += " (" + std::string(problem->what()) + ")";
    set_state(record, PluginState::failed, error);
    throw Error(ErrorCode::plugin_failed, error);
  }
  instance.reset();
  if (!unmapped) {
    report(record,
           "its library is still mapped after it was closed: a thread of its own still runs, or "
           "it has unique symbols or a thread_local with a destructor; build it with "
           "busway_add_plugin()");
  }
  set_state(record, PluginState::unloaded, problem ? problem->what() : "");
}

}  // namespace busway
