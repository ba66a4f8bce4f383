#include "plugin/plugin_instance.hpp"

#include <utility>

#include "base/escape.hpp"
#include "bus/bus_core.hpp"
#include "bus/dispatch.hpp"
#include "plugin/abi_values.hpp"
#include "plugin/host_api.hpp"
#include "plugin/status.hpp"

namespace busway::plugin_host_detail {
namespace {

[[nodiscard]] std::string text_of(const busway_view& view) {
  return view.data == nullptr ? std::string() : std::string(view.data, view.size);
}

[[nodiscard]] std::optional<AllowedTopics> allowed(
    const std::optional<std::vector<std::string>>& patterns, const Bus& bus) {
  if (!patterns) return std::nullopt;
  return AllowedTopics(*patterns, bus.options().wildcards);
}

}  // namespace

PluginInstance::PluginInstance(Bus& bus, std::shared_ptr<PluginLine> line,
                               std::unique_ptr<PluginImage> image,
                               std::shared_ptr<const PluginRules> rules, std::string thread_name,
                               Report on_error, Denied on_denied, std::function<void()> on_source)
    : bus_(bus),
      core_(detail::Dispatch::core_of(bus)),
      line_(std::move(line)),
      clock_(bus.options().clock != nullptr ? bus.options().clock : Clock::system()),
      worker_(PluginWorker::start(thread_name, clock_, line_.get())),
      image_(std::move(image)),
      rules_(std::move(rules)),
      may_publish_(allowed(rules_->may_publish, bus)),
      may_subscribe_(allowed(rules_->may_subscribe, bus)),
      on_error_(std::move(on_error)),
      on_denied_(std::move(on_denied)),
      on_source_(std::move(on_source)) {
  core_.retain();
}

PluginInstance::~PluginInstance() {
  release_all();
  if (hung()) {
    worker_->abandon();
  } else {
    worker_->close();
  }
  core_.release();
}

// -- Lifecycle ------------------------------------------------------------------------------------

/// Within the call.
Error PluginInstance::describe(std::string_view what, busway_status status) {
  const std::string message = PluginCall::of(*this)->take_message();
  return Error(ErrorCode::plugin_failed,
               "the plugin " + facts_.id + " failed in " + std::string(what) + ": " +
                   (message.empty() ? std::string(status_name(status)) : message));
}

std::optional<Error> PluginInstance::open(std::string id, std::chrono::nanoseconds timeout) {
  facts_.id = id;
  return on_worker(
      "loading",
      [this, id = std::move(id)] {
        image_->open();
        read_facts(id);
        return BUSWAY_OK;
      },
      timeout);
}

void PluginInstance::read_facts(std::string id) {
  const busway_plugin_api& api = *image_->api();
  facts_.id = id.empty() ? text_of(api.id) : std::move(id);
  facts_.version = escape(text_of(api.version), 64);
  facts_.description = escape(text_of(api.description), 500);
  for (std::size_t i = 0; i < api.requires_count; ++i) {
    std::string required = text_of(api.requires_ids[i]);
    if (!is_plugin_id(required)) {
      throw Error(ErrorCode::plugin_abi, "the plugin " + facts_.id + " requires " +
                                             quote(required) + ", which cannot be a plugin's id");
    }
    facts_.required.push_back(std::move(required));
  }
}

std::optional<Error> PluginInstance::create(std::chrono::nanoseconds timeout) {
  return on_worker(
      "create",
      [this]() -> busway_status {
        if (ChildPlugin* const child = image_->child())
          child->tell_of_ends(
              {.at_once =
                   [this] { request_stops_.refuse_worker(RequestStops::Because::process_ended); },
               .on_worker =
                   [this] {
                     request_stops_.own_threads_are_gone();
                     request_stops_.allow_worker(RequestStops::Because::process_ended);
                   }});
        busway_plugin* made = nullptr;
        const busway_status status = image_->create(host_api(), this, &made);
        if (status != BUSWAY_OK) return status;
        if (made == nullptr) {
          set_message("create gave no instance");
          return BUSWAY_FAILED;
        }
        plugin_ = made;
        return BUSWAY_OK;
      },
      timeout);
}

std::optional<Error> PluginInstance::setup(const std::string& config,
                                           std::chrono::nanoseconds timeout) {
  return on_worker(
      "setup",
      [this, config]() -> busway_status {
        const busway_plugin_api* api = image_->api();
        if (!BUSWAY_HAS(busway_plugin_api, api, setup)) return BUSWAY_OK;
        return api->setup(plugin_, to_view(config));
      },
      timeout);
}

std::optional<Error> PluginInstance::start(std::chrono::nanoseconds timeout) {
  return restore_state_and_start(std::nullopt, timeout);
}

PluginInstance::Step PluginInstance::start_step() {
  return {.what = "start", .f = [this]() -> busway_status {
            const busway_plugin_api* api = image_->api();
            if (!BUSWAY_HAS(busway_plugin_api, api, start)) return BUSWAY_OK;
            return api->start(plugin_);
          }};
}

void PluginInstance::begin_sources() {
  if (sources_ != Sources::held) return;
  sources_ = Sources::begun;
  request_stops_.begin();
  // Not waited for: what it is doing now may take as long as it likes.
  (void)worker_->post([this] {
    const busway_plugin_api* api = image_->api();
    if (plugin_ == nullptr || !BUSWAY_HAS(busway_plugin_api, api, begin_sources)) return;
    const PluginCall call(*this);
    const busway_status status = api->begin_sources(plugin_);
    if (status == BUSWAY_OK) return;
    if (source() == PluginSource::active) set_source(PluginSource::ended);
    report_error(describe("begin_sources", status).what());
  });
}

void PluginInstance::ask_sources_to_end() {
  const busway_plugin_api* api = image_->api();
  if (sources_ == Sources::asked_to_end || source() != PluginSource::active || hung() ||
      !BUSWAY_HAS(busway_plugin_api, api, end_sources)) {
    return;
  }
  sources_ = Sources::asked_to_end;
  source_ends_.store(true, std::memory_order_release);
  (void)worker_->post([this, api] {
    const PluginCall call(*this);
    const busway_status status = api->end_sources(plugin_);
    if (status == BUSWAY_OK) return;
    give_up_sources();
    (void)unless_retired(on_source_);
    if (status != BUSWAY_NOT_FOUND) report_error(describe("end_sources", status).what());
  });
}

std::optional<Error> PluginInstance::stop(std::chrono::nanoseconds timeout) {
  stopped_ = true;
  started_.store(false, std::memory_order_relaxed);
  end_own_requests();  // stop() may wait for the threads that wait in them
  return on_worker(
      "stop",
      [this]() -> busway_status {
        const busway_plugin_api* api = image_->api();
        if (!BUSWAY_HAS(busway_plugin_api, api, stop)) return BUSWAY_OK;
        return api->stop(plugin_);
      },
      timeout);
}

std::optional<Error> PluginInstance::teardown(std::chrono::nanoseconds timeout) {
  started_.store(false, std::memory_order_relaxed);
  return on_worker(
      "teardown",
      [this]() -> busway_status {
        const busway_plugin_api* api = image_->api();
        if (plugin_ == nullptr || !BUSWAY_HAS(busway_plugin_api, api, teardown)) return BUSWAY_OK;
        return api->teardown(plugin_);
      },
      timeout);
}

/// [plugin-worker] Within a call.
busway_status PluginInstance::read_health(PluginHealthInfo& out) {
  const busway_plugin_api* api = image_->api();
  if (plugin_ == nullptr || !BUSWAY_HAS(busway_plugin_api, api, health)) return BUSWAY_OK;
  std::uint32_t level = BUSWAY_HEALTH_OK;
  const busway_status status = api->health(plugin_, &level);
  if (status != BUSWAY_OK) return status;
  out.level = level == BUSWAY_HEALTH_OK         ? PluginHealthInfo::Level::ok
              : level == BUSWAY_HEALTH_DEGRADED ? PluginHealthInfo::Level::degraded
                                                : PluginHealthInfo::Level::failing;
  out.message = PluginCall::of(*this)->take_message();
  return BUSWAY_OK;
}

std::optional<Error> PluginInstance::health(PluginHealthInfo& out,
                                            std::chrono::nanoseconds timeout) {
  const auto answer = std::make_shared<PluginHealthInfo>();
  std::optional<Error> error = on_worker(
      "health", [this, answer] { return read_health(*answer); }, timeout, Late::forgiven);
  if (!error) out = *answer;
  return error;
}

std::shared_ptr<HealthAnswer> PluginInstance::ask_health() {
  if (hung() || !started_.load(std::memory_order_relaxed)) return nullptr;
  std::shared_ptr<HealthAnswer> answer;
  {
    const std::lock_guard lock(mutex_);
    answer = health_.lock();
    if (answer != nullptr && !answer->is_there()) return answer;
    answer = std::make_shared<HealthAnswer>();
    health_ = answer;
  }
  const Executor::Posted posted = worker_->post([this, answer] {
    std::optional<PluginHealthInfo> info;
    // A stop that began meanwhile has come before it on this thread, or comes behind it.
    if (started_.load(std::memory_order_relaxed)) {
      const PluginCall call(*this);
      try {
        if (const busway_status status = read_health(info.emplace()); status != BUSWAY_OK)
          info =
              PluginHealthInfo{PluginHealthInfo::Level::failing, describe("health", status).what()};
      } catch (const Error& error) {
        info = PluginHealthInfo{PluginHealthInfo::Level::failing, error.what()};
      }
    }
    answer->set(std::move(info));
  });
  return posted == Executor::Posted::accepted ? answer : nullptr;
}

}  // namespace busway::plugin_host_detail
