#include "busway/host.hpp"

#include <algorithm>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/escape.hpp"
#include "bus/bus_core.hpp"
#include "bus/dispatch.hpp"
#include "busway/config_error.hpp"
#include "busway/default_bus.hpp"
#include "busway/error.hpp"
#include "busway/events/config_changed.hpp"
#include "busway/events/plugin_event_data.hpp"
#include "busway/events/system_event_data.hpp"
#include "host/control_requests.hpp"
#include "host/control_server.hpp"
#include "host/host_config.hpp"
#include "host/plugin_paths.hpp"
#include "host/run_summaries.hpp"
#include "plugin/plugin_image.hpp"

namespace busway {

using host_detail::HostConfig;

namespace {

constexpr std::string_view kComponent = "host";

EventOptions host_event() { return {.source = kComponent, .origin = Origin::system}; }

/// Reads the file or throws what initialize() promises.
HostConfig require_config(const std::string& path, const InitializeOptions& options,
                          std::vector<ConfigIssue>& warnings) {
  config::Issues issues(path);
  HostConfig config = host_detail::read_host_config(path, issues, options.secret_keys);
  if (options.store.empty()) issues.add(host_detail::durability_issues(config));
  issues.throw_if_errors();
  if (options.store.empty()) {
    const std::vector<ConfigIssue> refused = host_detail::provider_issues(config);
    if (!refused.empty()) throw Error(ErrorCode::not_yet, to_string(refused.front()));
  }
  warnings = issues.sorted();
  return config;
}

}  // namespace

class Host::Impl {
 public:
  Impl(const std::string& path, const InitializeOptions& options);
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl();

  void start();
  ReloadResult reload();
  HostStopResult stop(std::chrono::nanoseconds deadline, std::string_view reason);
  [[nodiscard]] HostReport report() const;

  Bus& bus() noexcept { return *bus_; }
  PluginManager& plugins() noexcept { return plugins_; }
  [[nodiscard]] const PluginManager& plugins() const noexcept { return plugins_; }
  [[nodiscard]] const std::vector<ConfigIssue>& warnings() const noexcept { return warnings_; }
  [[nodiscard]] const std::vector<PluginProblem>& problems() const noexcept { return problems_; }

 private:
  void open_control(const InitializeOptions& options);
  void load(const config::PluginSection& plugin, std::size_t index);
  void give_up_dependants();
  void end_plugins(HostStopResult& result);
  void log(LogLevel level, const std::string& message) const {
    detail::Dispatch::core_of(*bus_).log(level, message, {});
  }

  // Constant after the constructor:
  std::string path_;
  InitializeOptions options_;
  std::vector<ConfigIssue> warnings_;
  HostConfig config_;
  host_detail::PluginPlaces places_;
  std::shared_ptr<Bus> bus_;

  host_detail::RunSummaries summaries_;
  PluginManager plugins_;
  std::vector<PluginProblem> problems_;  // constant after start()

  std::mutex stop_mutex_;  // held through a stop, so that a second one waits
  HostStopResult stop_result_;
  bool stopped_ = false;

  mutable std::mutex mutex_;
  std::vector<PluginInfo> last_infos_;  // guarded by mutex_; as the plugins stopped, empty before

  std::unique_ptr<host_detail::ControlServer> control_;  // last: it ends before what it looks at
};

Host::Impl::Impl(const std::string& path, const InitializeOptions& options)
    : path_(path),
      options_(options),
      config_(require_config(path, options_, warnings_)),
      places_{config_.folder, options.plugin_folders},
      bus_(std::make_shared<Bus>(host_detail::bus_options(config_, options))),
      summaries_(*bus_, config_.document.secrets),
      plugins_(*bus_, {.watch = options.watch_plugins}) {
  for (const ConfigIssue& warning : warnings_) log(LogLevel::warning, to_string(warning));
  open_control(options);
  if (options.default_bus == DefaultBus::set) set_default_bus(bus_);
}

Host::Impl::~Impl() {
  try {
    (void)stop(std::chrono::seconds(30), "the host was destroyed");
  } catch (const std::exception& error) {
    log(LogLevel::error, error.what());
  }
  detail::retire_default_bus(*bus_);
}

// -- Starting -------------------------------------------------------------------------------------

/// Before the plugins, so that one that hangs in its start can be seen.
void Host::Impl::open_control(const InitializeOptions& options) {
  if (options.control.empty()) return;
  try {
    control_ = std::make_unique<host_detail::ControlServer>(
        host_detail::ControlSocket::open(options.control),
        [this](std::string_view line, host_detail::ControlReply& reply) {
          host_detail::answer_control(plugins_, line, reply);
        },
        host_detail::ControlServer::Options{});
  } catch (const Error& error) {
    if (options.control_need == ControlNeed::required) throw;
    log(LogLevel::warning, std::string(error.what()) + "; the host runs without one");
  }
}

void Host::Impl::load(const config::PluginSection& plugin, std::size_t index) {
  const std::string at = "plugins[" + std::to_string(index) + ']';
  const std::string name = plugin.id.value_or(at);
  const auto note = [&](const Error& error) -> const std::string& {
    problems_.push_back(
        {name, error.code(),
         to_string(config_.document.issue_at(at, error.what(), ConfigIssue::Severity::error))});
    return problems_.back().message;
  };
  std::string path = std::string(plugin_host_detail::kStaticPrefix) + plugin.static_name;
  if (plugin.static_name.empty()) {
    try {
      path = host_detail::find_plugin(plugin.path, places_);
    } catch (const Error& error) {
      log(LogLevel::error, note(error));
      (void)bus_->publish(plugin_state(
          to_string(PluginState::failed),
          {.plugin_name = name, .plugin_version = {}, .path = plugin.path, .error = error.what()},
          host_event()));
      return;
    }
  }
  try {
    const ConfigIssue here = config_.document.issue_at(at, {}, ConfigIssue::Severity::error);
    (void)plugins_.load({.path = path,
                         .id = plugin.id.value_or(""),
                         .config = plugin.config,
                         .rules = plugin.rules,
                         .place = here.file + ':' + std::to_string(here.line)});
  } catch (const Error& error) {
    (void)note(error);  // the manager has logged and published it
  }
}

/// Once a plugin could not be loaded, those that require what is not there are its victims, not a
/// fault of the file.
void Host::Impl::give_up_dependants() {
  for (bool again = true; again;) {
    again = false;
    std::map<std::string, PluginInfo> loaded;
    for (PluginInfo& info : plugins_.list()) {
      if (info.state == PluginState::created) loaded.emplace(info.id, std::move(info));
    }
    for (const auto& [id, info] : loaded) {
      const auto missing =
          std::find_if(info.required.begin(), info.required.end(),
                       [&](const std::string& one) { return !loaded.contains(one); });
      if (missing == info.required.end()) continue;
      problems_.push_back({id, ErrorCode::plugin_requires,
                           "the plugin " + quote(id) + " requires " + quote(*missing) +
                               ", which is not loaded; it is left out"});
      log(LogLevel::error, problems_.back().message);
      plugins_.unload(id);
      again = true;
      break;
    }
  }
}

void Host::Impl::start() {
  for (std::size_t i = 0; i < config_.values.plugins.size(); ++i) {
    if (config_.values.plugins[i].enabled) load(config_.values.plugins[i], i);
  }
  if (!problems_.empty()) give_up_dependants();
  for (PluginProblem& problem : plugins_.start_all(PluginSources::hold)) {
    // What a plugin's start() said has been logged; that another one never got to its own has not.
    if (problem.code == ErrorCode::plugin_requires) log(LogLevel::error, problem.message);
    problems_.push_back(std::move(problem));
  }
  (void)bus_->publish(system_startup(kComponent, host_event()));
  plugins_.begin_sources();
}

// -- Running --------------------------------------------------------------------------------------

ReloadResult Host::Impl::reload() {
  ReloadResult result;
  try {
    const HostConfig now = require_config(path_, options_, result.issues);
    result.keys = host_detail::changed_keys(config_.document, now.document);
    (void)bus_->publish(config_changed(path_, result.keys, host_event()));
  } catch (const Error& error) {
    const auto* const faulty = dynamic_cast<const ConfigError*>(&error);
    if (faulty != nullptr) result.issues = faulty->issues();
    result.error = error.what();
    result.keys.clear();
    (void)bus_->publish(system_error("config", result.error, host_event()));
  }
  return result;
}

HostReport Host::Impl::report() const {
  std::vector<PluginInfo> infos;
  {
    const std::lock_guard lock(mutex_);
    infos = last_infos_;
  }
  return summaries_.report(infos.empty() ? plugins_.list() : infos);
}

// -- Stopping -------------------------------------------------------------------------------------

void Host::Impl::end_plugins(HostStopResult& result) {
  const auto add = [&](std::vector<PluginProblem> problems) {
    for (PluginProblem& problem : problems) result.problems.push_back(std::move(problem));
  };
  add(plugins_.stop_all());
  {
    const std::lock_guard lock(mutex_);
    last_infos_ = plugins_.list();
  }
  add(plugins_.unload_all());
}

HostStopResult Host::Impl::stop(std::chrono::nanoseconds deadline, std::string_view reason) {
  if (detail::Dispatch::core_of(*bus_).inside_handler()) {
    throw Error(ErrorCode::would_block,
                "a host cannot be stopped inside a handler, which it would wait for; do it on a "
                "thread of the program");
  }
  const std::lock_guard one_at_a_time(stop_mutex_);
  if (stopped_) return stop_result_;
  (void)bus_->publish(system_shutdown(kComponent, reason, host_event()));
  HostStopResult result;
  end_plugins(result);
  result.bus = bus_->stop(deadline);
  control_.reset();
  stop_result_ = std::move(result);
  stopped_ = true;
  detail::retire_default_bus(*bus_);
  return stop_result_;
}

// -- The public class -----------------------------------------------------------------------------

Host::Host(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
Host::Host(Host&&) noexcept = default;
Host& Host::operator=(Host&&) noexcept = default;
Host::~Host() = default;

Bus& Host::bus() noexcept { return impl_->bus(); }
PluginManager& Host::plugins() noexcept { return impl_->plugins(); }
const std::vector<ConfigIssue>& Host::warnings() const noexcept { return impl_->warnings(); }
const std::vector<PluginProblem>& Host::problems() const noexcept { return impl_->problems(); }
bool Host::idle() const { return impl_->plugins().idle(); }
bool Host::wait_until_idle(std::chrono::nanoseconds timeout) const {
  return impl_->plugins().wait_until_idle(timeout);
}
ReloadResult Host::reload() { return impl_->reload(); }
HostStopResult Host::stop(std::chrono::nanoseconds deadline, std::string_view reason) {
  return impl_->stop(deadline, reason);
}
HostReport Host::report() const { return impl_->report(); }

Host initialize(const std::string& path, const InitializeOptions& options) {
  auto impl = std::make_unique<Host::Impl>(path, options);
  impl->start();
  return Host(std::move(impl));
}

}  // namespace busway
