#include "plugin/line/addressee.hpp"

#include <utility>

#include "plugin/plugin_instance.hpp"

namespace busway::plugin_host_detail {

Addressee::Addressee(std::string signature, std::shared_ptr<PluginInstance> instance,
                     std::uint64_t tag)
    : signature_(std::move(signature)),
      current_(instance.get()),
      tag_(tag),
      instance_(std::move(instance)) {}

Addressee::~Addressee() = default;

Executor::Posted Addressee::post(Task task) {
  const std::lock_guard lock(mutex_);
  if (instance_ == nullptr) return Posted::refused;
  if (parked_) {
    if (ended()) return Posted::refused;
    kept_.push_back(std::move(task));
    return Posted::accepted;
  }
  return instance_->worker().post(std::move(task));
}

bool Addressee::pumped_by_this_thread() const {
  const std::lock_guard lock(mutex_);
  if (instance_ == nullptr) return false;
  if (instance_->worker().pumped_by_this_thread()) return true;
  // Parked, it waits for what the plugin's other instance does.
  const PluginWorker* const here = PluginWorker::current();
  return parked_ && here != nullptr && here->whose() == instance_->worker().whose();
}

bool Addressee::leave_behind(std::thread::id thread) {
  const std::shared_ptr<PluginInstance> mine = instance();
  return mine != nullptr && mine->worker().leave_behind(thread);
}

std::shared_ptr<PluginInstance> Addressee::instance() const {
  const std::lock_guard lock(mutex_);
  return instance_;
}

bool Addressee::stands_for(const PluginInstance& instance) const {
  const std::lock_guard lock(mutex_);
  return instance_.get() == &instance;
}

bool Addressee::parked() const {
  const std::lock_guard lock(mutex_);
  return parked_;
}

void Addressee::forget() {
  std::shared_ptr<PluginInstance> last;
  std::vector<Task> dropped;  // destroyed without the lock
  const std::lock_guard lock(mutex_);
  last = std::exchange(instance_, nullptr);
  dropped.swap(kept_);
}

void Addressee::park() {
  const std::lock_guard lock(mutex_);
  parked_ = true;
}

void Addressee::hand_over(std::shared_ptr<PluginInstance> instance, std::uint64_t tag) {
  const std::lock_guard lock(mutex_);
  current_.store(instance.get(), std::memory_order_relaxed);
  tag_.store(tag, std::memory_order_relaxed);
  instance_.swap(instance);
}

void Addressee::unpark() {
  const std::lock_guard lock(mutex_);
  parked_ = false;
  if (instance_ == nullptr) return;
  for (Task& task : std::exchange(kept_, {})) (void)instance_->worker().post(std::move(task));
}

}  // namespace busway::plugin_host_detail
