#include "bus/receipt_callbacks.hpp"

#include <cxxabi.h>

#include <array>
#include <exception>
#include <string>
#include <utility>

#include "bus/bus_core.hpp"

namespace busway::detail {
namespace {

/// Inside a callback the bus must not wait for what may wait for the callback.
struct InsideCallback {
  InsideCallback() noexcept { ++thread_locals.callbacks; }
  InsideCallback(const InsideCallback&) = delete;
  InsideCallback& operator=(const InsideCallback&) = delete;
  ~InsideCallback() { --thread_locals.callbacks; }
};

void call(BusCore& core, const Receipt& receipt, const SettledCallback& callback) {
  const auto tell = [&](std::string_view reason) {
    const std::string id = to_string(receipt.id());
    const std::array fields{LogField{"event", id}, LogField{"reason", reason}};
    core.log(LogLevel::warning, "a callback of a receipt threw", fields);
  };
  try {
    callback(receipt);
  } catch (const std::exception& error) {
    tell(error.what());
  } catch (const abi::__forced_unwind&) {
    throw;
  } catch (...) {
    tell("it threw what is no std::exception");
  }
}

/// False: the executor will not run it.
bool post(BusCore& core, Executor::Task task) {
  try {
    return core.executor().post(std::move(task)) == Executor::Posted::accepted;
  } catch (const std::exception&) {
    return false;  // the pool has gone, or there is no memory for a task
  }
}

}  // namespace

void ReceiptCallbacks::call_later(BusCore& core, Receipt receipt,
                                  std::vector<SettledCallback> callbacks) {
  std::uint64_t number = 0;
  bool finished = false;
  {
    const std::lock_guard lock(shared_->mutex);
    number = shared_->next++;
    finished = shared_->finished;
    shared_->waiting.emplace(number, Entry{core, std::move(receipt), std::move(callbacks)});
  }
  const auto shared = shared_;
  if (!finished && post(core, [shared, number] { run(*shared, number); })) return;
  run(*shared, number);
}

void ReceiptCallbacks::run(Shared& shared, std::uint64_t number) {
  {
    std::map<std::uint64_t, Entry>::node_type taken;
    {
      const std::lock_guard lock(shared.mutex);
      taken = shared.waiting.extract(number);
      if (taken.empty()) return;  // finish() ran it
      ++shared.running;
    }
    const InsideCallback inside;
    Entry& entry = taken.mapped();
    for (const SettledCallback& callback : entry.callbacks)
      call(entry.core, entry.receipt, callback);
    // What the callbacks held goes before they count as run.
    entry.callbacks.clear();
  }
  const std::lock_guard lock(shared.mutex);
  --shared.running;
  shared.changed.notify_all();
}

std::size_t ReceiptCallbacks::waiting() const {
  const std::lock_guard lock(shared_->mutex);
  return shared_->waiting.size();
}

std::size_t ReceiptCallbacks::running() const {
  const std::lock_guard lock(shared_->mutex);
  return shared_->running;
}

bool ReceiptCallbacks::wait_idle(std::chrono::steady_clock::time_point deadline) const {
  std::unique_lock lock(shared_->mutex);
  return shared_->changed.wait_until(
      lock, deadline, [this] { return shared_->waiting.empty() && shared_->running == 0; });
}

void ReceiptCallbacks::finish() {
  for (;;) {
    std::uint64_t number = 0;
    {
      const std::lock_guard lock(shared_->mutex);
      shared_->finished = true;
      if (shared_->waiting.empty()) break;
      number = shared_->waiting.begin()->first;
    }
    run(*shared_, number);
  }
  if (thread_locals.callbacks != 0) return;
  std::unique_lock lock(shared_->mutex);
  shared_->changed.wait(lock, [this] { return shared_->running == 0; });
}

}  // namespace busway::detail
