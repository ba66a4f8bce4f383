#include "busway/plugin_manager.hpp"

#include <string>
#include <utility>

#include "bus/bus_core.hpp"
#include "bus/dispatch.hpp"
#include "plugin/host_api.hpp"
#include "plugin/manager/impl.hpp"
#include "plugin/worker.hpp"

namespace busway {

PluginManager::Impl::Impl(std::unique_ptr<Bus> own, Bus* bus, PluginManagerOptions options)
    : own_bus_(std::move(own)),
      bus_(bus),
      options_(std::move(options)),
      middleware_(options_.middleware
                      ? std::make_shared<const PluginMiddleware>(options_.middleware)
                      : nullptr) {
  if (options_.call_timeout <= std::chrono::nanoseconds::zero()) {
    throw Error(ErrorCode::invalid_option, "call_timeout of PluginManagerOptions is " +
                                               std::to_string(options_.call_timeout.count()) +
                                               " ns; it takes more than 0");
  }
  if (options_.drain_timeout < std::chrono::nanoseconds::zero()) {
    throw Error(ErrorCode::invalid_option, "drain_timeout of PluginManagerOptions is " +
                                               std::to_string(options_.drain_timeout.count()) +
                                               " ns; it takes 0 or more");
  }
}

// -- Changes --------------------------------------------------------------------------------------

PluginManager::Impl::Change::Change(Impl& impl) : impl_(impl) {
  if (plugin_host_detail::PluginWorker::current() != nullptr ||
      plugin_host_detail::inside_call_of_plugin()) {
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
  watch_.reset();
  end_supervisor();
  try {
    const Change change(*this);
    (void)stop_all(change);
    (void)unload_all(change);
  } catch (const Error& error) {
    detail::Dispatch::core_of(*bus_).log(LogLevel::error, error.what(), {});
  }
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
  Impl::Record& record = impl_->require(id);
  impl_->start(change, record);
  record.instance->begin_sources();
}

std::vector<PluginProblem> PluginManager::start_all(PluginSources sources) {
  return impl_->start_all(Impl::Change(*impl_), sources);
}

void PluginManager::begin_sources() { impl_->begin_sources(Impl::Change(*impl_)); }

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

void PluginManager::reload(std::string_view id) {
  const Impl::Change change(*impl_);
  impl_->reload(change, impl_->require(id));
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

std::vector<PluginInfo> PluginManager::examine(std::chrono::nanoseconds patience) const {
  return impl_->examine(patience);
}

bool PluginManager::idle() const { return impl_->idle(); }

bool PluginManager::wait_until_idle(std::chrono::nanoseconds timeout) const {
  return impl_->wait_until_idle(timeout);
}

}  // namespace busway
