// plugin/line/addressee.hpp -- who handles the events of one of a plugin's subscriptions now.
// Layer: plugin
//
// Model      The executor of the subscription: passes what is posted to the worker of the instance
//            it stands for, in order. Parked, it keeps what is posted, until it is unparked, maybe
//            for another instance. Invariants:
//              1. It begins parked. After park() has returned nothing more is posted to the
//              worker, and what was posted before has run when a later task of it begins.
//              2. It stands for another instance only while it is parked and nothing of it runs.
// Threads    [any-thread]; park(), hand_over() and unpark() by the manager.
// Ownership  Holds the instance until forget(), after which it stands for nobody.
// Errors     post() says refused after forget(), and what the worker says.
// Cost       One lock a post, which is one for a run of deliveries.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "busway/event.hpp"
#include "busway/executor.hpp"
#include "plugin/line/handled_events.hpp"

namespace busway::plugin_host_detail {

class PluginInstance;

class Addressee final : public Executor {
 public:
  /// What tells subscriptions of two generations apart: of the same words, the later takes the
  /// earlier's place.
  Addressee(std::string signature, std::shared_ptr<PluginInstance> instance, std::uint64_t tag);
  ~Addressee() override;

  Posted post(Task task) override;
  /// Parked, also on the workers of the plugin's other instances.
  [[nodiscard]] bool pumped_by_this_thread() const override;
  bool leave_behind(std::thread::id thread) override;

  [[nodiscard]] const std::string& signature() const noexcept { return signature_; }
  /// Null after forget().
  [[nodiscard]] std::shared_ptr<PluginInstance> instance() const;
  [[nodiscard]] bool stands_for(const PluginInstance& instance) const;
  /// [plugin-worker] In a task that was posted: whose worker this is.
  [[nodiscard]] PluginInstance& here() const noexcept {
    return *current_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t tag() const noexcept { return tag_.load(std::memory_order_relaxed); }

  /// Before it is shared: its events come live and from the store.
  void note_handled(std::shared_ptr<HandledEvents> handled) { handled_ = std::move(handled); }
  /// Null: they come one way.
  [[nodiscard]] HandledEvents* handled() const noexcept { return handled_.get(); }

  /// Whether new events come in; closed while the plugin drains.
  [[nodiscard]] bool open() const noexcept { return open_.load(std::memory_order_relaxed); }
  void set_open(bool open) noexcept { open_.store(open, std::memory_order_relaxed); }

  /// Whether the subscription has ended; shared with deliveries that were posted.
  [[nodiscard]] bool ended() const noexcept { return ended_.load(std::memory_order_acquire); }
  void end() noexcept { ended_.store(true, std::memory_order_release); }
  /// When the subscription has ended: it may keep its executor for longer than the plugin lives.
  void forget();

  [[nodiscard]] bool parked() const;
  void park();
  void hand_over(std::shared_ptr<PluginInstance> instance, std::uint64_t tag);
  void unpark();

 private:
  const std::string signature_;
  std::atomic<PluginInstance*> current_;
  std::atomic<std::uint64_t> tag_;
  std::atomic<bool> open_{true};
  std::atomic<bool> ended_{false};
  std::shared_ptr<HandledEvents> handled_;  // constant once shared

  mutable std::mutex mutex_;
  // Guarded by mutex_.
  std::shared_ptr<PluginInstance> instance_;
  bool parked_ = true;
  std::vector<Task> kept_;
};

}  // namespace busway::plugin_host_detail
