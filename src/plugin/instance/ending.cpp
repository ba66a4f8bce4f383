// How a plugin's instance ends, and what becomes of one that cannot.
#include <array>
#include <string>
#include <thread>
#include <utility>

#include "base/deadline.hpp"
#include "bus/bus_core.hpp"
#include "plugin/plugin_instance.hpp"

namespace busway::plugin_host_detail {

std::optional<Error> PluginInstance::await_left_behind(std::chrono::nanoseconds timeout) {
  const auto deadline = deadline_after(timeout);
  request_stops_.end_all();  // what was left behind may wait in one
  release_all(MayWait::no);  // what runs is waited for below, and not longer than may be
  // What ran until now has come back or was left behind, and nothing follows that could be.
  if (auto error = on_worker(
          "a delivery", [] { return BUSWAY_OK; }, timeout))
    return error;
  if (worker_->wait_for_left_behind(deadline)) return std::nullopt;
  hung_.store(true, std::memory_order_relaxed);
  const std::size_t left = worker_->left_behind();
  return Error(
      ErrorCode::timed_out,
      std::to_string(left) + " of its deliveries, given up at " +
          (left == 1 ? "its deadline, has" : "their deadlines, have") + " not come back within " +
          std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(timeout).count()) +
          " ms more");
}

bool PluginInstance::dismantle(std::chrono::nanoseconds timeout) {
  request_stops_.end_all();
  release_all();
  if (hung()) return false;
  const std::optional<Error> error = on_worker(
      "destroy",
      [this]() -> busway_status {
        if (worker_->left_behind() != 0) {  // in what it subscribed to in teardown()
          hung_.store(true, std::memory_order_relaxed);
          return BUSWAY_WRONG_STATE;
        }
        if (busway_plugin* plugin = std::exchange(plugin_, nullptr)) {
          image_->api()->destroy(plugin);
        }
        return BUSWAY_OK;
      },
      timeout);
  if (error) return false;
  worker_->close();
  tell_no_more();
  release_all();  // what it has subscribed to in destroy()
  bool unmapped = false;
  // On a thread that ends now: what the library's finalisers register for it goes with it.
  std::thread([&] { unmapped = image_->close(); }).join();
  return unmapped;
}

/// Nothing it asks for is done any more; waits for what is just being done.
void PluginInstance::tell_no_more() {
  std::unique_lock lock(mutex_);
  retired_ = true;
  told_.wait(lock, [this] { return telling_ == 0; });
}

void PluginInstance::quarantine(const std::string& reason) {
  if (ChildPlugin* const child = image_->child()) {
    child->give_up();
  } else {
    hung_.store(true, std::memory_order_relaxed);
  }
  request_stops_.end_all();
  line_->bury(*this, reason);
  set_source(PluginSource::ended);
}

void PluginInstance::retire() {
  tell_no_more();
  release_all();  // what it has subscribed to meanwhile
  worker_->abandon();
}

/// Leaves the count of those who tell, also when f throws.
bool PluginInstance::unless_retired(const std::function<void()>& f) {
  struct Telling {
    PluginInstance& mine;
    ~Telling() {
      const std::lock_guard lock(mine.mutex_);
      if (--mine.telling_ == 0) mine.told_.notify_all();
    }
  };
  {
    const std::lock_guard lock(mutex_);
    if (retired_) return false;
    ++telling_;
  }
  const Telling telling{*this};
  f();
  return true;
}

void PluginInstance::report_error(std::string_view message) {
  (void)unless_retired([&] { on_error_(*this, message); });
}

void PluginInstance::log(LogLevel level, std::string_view message) {
  (void)unless_retired([&] {
    const std::array fields{LogField{"plugin", facts_.id}};
    core_.log(level, message, fields);
  });
}

void PluginInstance::set_source(PluginSource source) {
  source_.store(source, std::memory_order_release);
  (void)unless_retired(on_source_);
}

}  // namespace busway::plugin_host_detail
