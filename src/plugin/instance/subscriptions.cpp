// What a plugin listens to, as one instance of it asks for it and lets go of it.
#include <algorithm>
#include <chrono>
#include <string>
#include <thread>
#include <utility>

#include "base/deadline.hpp"
#include "plugin/plugin_instance.hpp"

namespace busway::plugin_host_detail {

namespace {

/// What was handled live is settled within that, as a rule; else it comes once more at the next
/// start. Others may publish all the time, so it is not waited for without a bound.
constexpr std::chrono::milliseconds kForWhatIsStored(500);

}  // namespace

std::uint64_t PluginInstance::subscribe(Wanted wanted) {
  if (may_subscribe_) require_may_subscribe(wanted.patterns);
  const PluginDurability rule = rules().durable.value_or(PluginDurability::instance);
  wanted.signature.append(1, ';').append(std::to_string(static_cast<unsigned>(rule)));
  // What it asks for later, and lets go of again, would leave names behind. (A process that was
  // started again asks for what it has, and gets it.)
  if (!started_.load(std::memory_order_relaxed)) wanted.durability = rule;
  std::uint64_t id = 0;
  const bool open =
      unless_retired([&] { id = line_->subscribe(shared_from_this(), std::move(wanted)); });
  if (open) return id;
  throw Error(ErrorCode::plugin_state, "the plugin " + facts_.id + " has been unloaded");
}

void PluginInstance::unsubscribe(std::uint64_t id) {
  // The worker must not wait for a publisher that waits for the worker.
  line_->unsubscribe(*this, id, worker_->pumped_by_this_thread() ? MayWait::no : MayWait::yes);
}

std::size_t PluginInstance::drain(std::chrono::nanoseconds timeout) {
  line_->set_open(*this, false);
  const auto deadline = deadline_after(timeout);
  const auto stored_until = std::min(deadline, std::chrono::steady_clock::now() + kForWhatIsStored);
  for (;;) {
    const bool idle = worker_->wait_idle(deadline);
    const auto now = std::chrono::steady_clock::now();
    if (now < stored_until && line_->stored_busy(*this)) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      continue;
    }
    line_->hold_stored(*this);
    const std::size_t left = line_->queued(*this);
    if ((left == 0 && idle) || now >= deadline) return left;
    std::this_thread::yield();
  }
}

void PluginInstance::release_all(MayWait may_wait) {
  line_->end_all(*this, hung() ? MayWait::no : may_wait);
  worker_->cancel_timers();
}

}  // namespace busway::plugin_host_detail
