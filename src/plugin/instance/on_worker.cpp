// Calls into a plugin: on its worker, one step after the other, each with its time.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "plugin/plugin_instance.hpp"

namespace busway::plugin_host_detail {
namespace {

constexpr std::chrono::seconds kToKill(10);

/// A request within a step ends so early that the step can still come back in its time.
[[nodiscard]] std::chrono::nanoseconds time_for_requests(std::chrono::nanoseconds timeout) {
  return timeout - std::min<std::chrono::nanoseconds>(timeout / 10, std::chrono::seconds(1));
}

}  // namespace

struct PluginInstance::Progress {
  std::vector<Step> steps;
  std::atomic<PluginWorker::RealTime> step_begun{};
  std::optional<Error> error;

  std::mutex mutex;
  // Guarded by mutex.
  std::size_t begun = 0;  // how many steps have
  bool given_up = false;  // no more will

  /// The step that is waited for: the one that runs, or the first.
  [[nodiscard]] const Step& step() const { return steps[begun == 0 ? 0 : begun - 1]; }
};

std::optional<Error> PluginInstance::on_worker(std::string_view what,
                                               std::function<busway_status()> f,
                                               std::chrono::nanoseconds timeout, Late late) {
  std::vector<Step> steps;
  steps.push_back({.what = what, .f = std::move(f), .late = late});
  return on_worker(std::move(steps), timeout);
}

/// [plugin-worker]
void PluginInstance::run_steps(Progress& progress) {
  for (std::size_t i = 0; i < progress.steps.size() && !progress.error; ++i) {
    {
      const std::lock_guard lock(progress.mutex);
      if (progress.given_up) return;
      progress.begun = i + 1;
      progress.step_begun.store(std::chrono::steady_clock::now(), std::memory_order_relaxed);
      request_stops_.allow_worker(RequestStops::Because::step_waits);
    }
    Step& step = progress.steps[i];
    const PluginCall call(*this);
    try {
      const busway_status status = step.f();
      if (status != BUSWAY_OK) progress.error = describe(step.what, status);
    } catch (const Error& error) {
      progress.error = error;
    }
    step.f = nullptr;  // what it held goes before its caller goes on
  }
}

std::optional<Error> PluginInstance::on_worker(std::vector<Step> steps,
                                               std::chrono::nanoseconds timeout) {
  const auto progress = std::make_shared<Progress>();
  progress->steps = std::move(steps);
  const auto end_requests = [&](bool of_the_step) {
    const std::lock_guard lock(progress->mutex);
    if (progress->step().late == Late::left_behind && (progress->begun != 0) == of_the_step)
      request_stops_.refuse_worker(RequestStops::Because::step_waits);
  };
  PluginWorker::Waiting waiting{.step_begun = &progress->step_begun};
  waiting.marks.push_back({timeout / 2, [&] { end_requests(false); }});
  waiting.marks.push_back({time_for_requests(timeout), [&] { end_requests(true); }});
  bool came_back = worker_->run(
      [this, progress] { run_steps(*progress); },
      // A process that does not come back is killed at the time-out, so that the call does.
      image_->child() != nullptr ? timeout + kToKill : timeout, waiting);
  if (came_back) {
    request_stops_.allow_worker(RequestStops::Because::step_waits);
    return progress->error;
  }
  Late late{};
  std::string_view what;
  {
    // Nobody waits for it any more: what it has not begun must not happen behind everyone's back.
    const std::lock_guard lock(progress->mutex);
    progress->given_up = true;
    late = progress->step().late;
    what = progress->step().what;
  }
  if (late == Late::left_behind && image_->child() != nullptr) {
    // The worker is behind something else; without its process that ends too.
    image_->child()->give_up();
    request_stops_.end_all();
    came_back = worker_->run([] {}, kToKill);
  }
  const bool hangs = late == Late::left_behind && !came_back;
  if (hangs) {
    hung_.store(true, std::memory_order_relaxed);
  } else {
    request_stops_.allow_worker(RequestStops::Because::step_waits);
  }
  return Error(
      ErrorCode::timed_out,
      "the plugin " + facts_.id + " did not come back from " + std::string(what) + " within " +
          std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(timeout).count()) +
          (hangs                       ? " ms; its thread is left behind"
           : late == Late::left_behind ? " ms; its process was killed"
                                       : " ms; it is busy with something else, or hangs"));
}

}  // namespace busway::plugin_host_detail
