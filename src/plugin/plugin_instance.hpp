// plugin/plugin_instance.hpp -- one generation of a plugin: its image, its worker, its instance,
// and what it holds of the bus.
// Layer: plugin
//
// Model      What plugins know as busway_host. Everything of the plugin that the host keeps is
//            here: the table's address and the instance's. What it hears it shares with the other
//            generations of the plugin: its PluginLine.
//            All calls into the plugin are made on its worker, one after the other, but for
//            deliveries that were left behind at their deadline: those go on beside, each on the
//            thread it has. What a call knows of itself is a PluginCall on its thread's stack.
// Threads    Functions say which thread; the rest is [any-thread].
// Ownership  Shared by the manager and by publishers that wait for a delivery, which may see it
//            dismantled. Subscriptions end before the instance does. One whose thread does not come
//            back is retired and kept for ever; it holds the core of its bus, which may end
//            meanwhile.
// Errors     Calls into the plugin return what it said as an Error value, never throw.
// Cost       One worker thread.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "busway/bus.hpp"
#include "busway/clock.hpp"
#include "busway/error.hpp"
#include "busway/log.hpp"
#include "busway/plugin.h"
#include "busway/plugin_info.hpp"
#include "busway/plugin_rules.hpp"
#include "delivery/mailbox.hpp"
#include "plugin/allowed_topics.hpp"
#include "plugin/instance/health_answer.hpp"
#include "plugin/instance/plugin_call.hpp"
#include "plugin/instance/request_stops.hpp"
#include "plugin/plugin_image.hpp"
#include "plugin/plugin_line.hpp"
#include "plugin/worker.hpp"

/// The C name of what plugins get; PluginInstance is the one class behind it.
struct busway_host {
 protected:
  busway_host() = default;
  ~busway_host() = default;
};

namespace busway::plugin_host_detail {

class PluginInstance final : public busway_host,
                             public std::enable_shared_from_this<PluginInstance> {
 public:
  struct Facts {
    std::string id;
    std::string version;
    std::string description;
    std::vector<std::string> required;
  };
  using Report = std::function<void(PluginInstance&, std::string_view message)>;

  /// What it was denied, and how many such before it were not told.
  using Denied =
      std::function<void(PluginInstance&, std::string_view message, std::uint64_t untold)>;

  /// on_error gets what the plugin reports outside calls; on_source is told of each change.
  PluginInstance(Bus& bus, std::shared_ptr<PluginLine> line, std::unique_ptr<PluginImage> image,
                 std::shared_ptr<const PluginRules> rules, std::string thread_name, Report on_error,
                 Denied on_denied, std::function<void()> on_source);
  PluginInstance(const PluginInstance&) = delete;
  PluginInstance& operator=(const PluginInstance&) = delete;
  ~PluginInstance();

  [[nodiscard]] static PluginInstance& of(busway_host* host) noexcept {
    return *static_cast<PluginInstance*>(host);
  }

  /// Of its bus; also when that is gone, and then it refuses what it is asked.
  [[nodiscard]] detail::BusCore& core() const noexcept { return core_; }
  [[nodiscard]] PluginWorker& worker() const noexcept { return *worker_; }
  [[nodiscard]] const std::shared_ptr<PluginWorker>& shared_worker() const noexcept {
    return worker_;
  }
  [[nodiscard]] PluginLine& line() const noexcept { return *line_; }
  [[nodiscard]] const std::shared_ptr<PluginLine>& shared_line() const noexcept { return line_; }
  [[nodiscard]] PluginImage& image() const noexcept { return *image_; }
  [[nodiscard]] const std::string& id() const noexcept { return facts_.id; }
  [[nodiscard]] const Facts& facts() const noexcept { return facts_; }
  /// The spec's before the manifest's.
  [[nodiscard]] const PluginRules& rules() const noexcept { return *rules_; }

  // -- Lifecycle, by the manager on its own thread; each runs on the worker. No value: it went
  // well.

  /// Opens the image and reads its facts; the given id takes the place of the plugin's own.
  [[nodiscard]] std::optional<Error> open(std::string id, std::chrono::nanoseconds timeout);
  [[nodiscard]] std::optional<Error> create(std::chrono::nanoseconds timeout);
  [[nodiscard]] std::optional<Error> setup(const std::string& config,
                                           std::chrono::nanoseconds timeout);
  [[nodiscard]] std::optional<Error> start(std::chrono::nanoseconds timeout);
  /// Lets the sources begin, once after each start(). Does not wait: a source that cannot begin is
  /// reported like one that breaks later.
  void begin_sources();
  /// Asks the sources to end, once. Does not wait: on_source tells when source_ends() may have
  /// changed.
  void ask_sources_to_end();
  void give_up_sources() noexcept { source_ends_.store(false, std::memory_order_release); }
  /// What its own threads wait for in request() ends, and until it starts, or its sources begin,
  /// they make no other.
  void end_own_requests() { request_stops_.end_own_threads(); }
  /// Whether the sources have been asked to end, will say when they have, and have not yet.
  [[nodiscard]] bool source_ends() const noexcept {
    return source_ends_.load(std::memory_order_acquire) && source() == PluginSource::active;
  }
  [[nodiscard]] std::optional<Error> stop(std::chrono::nanoseconds timeout);
  /// Whether stop() has been called since start().
  [[nodiscard]] bool stopped() const noexcept { return stopped_; }
  [[nodiscard]] std::optional<Error> teardown(std::chrono::nanoseconds timeout);
  [[nodiscard]] std::optional<Error> health(PluginHealthInfo& out,
                                            std::chrono::nanoseconds timeout);
  /// [any-thread] Asks one that runs, and waits for nothing. Who asks before the last question has
  /// been answered shares it, so that a plugin that hangs does not collect questions.
  [[nodiscard]] std::shared_ptr<HealthAnswer> ask_health();

  /// Takes no new events, and waits until what was queued has been handled. Returns how many events
  /// were left at the deadline.
  std::size_t drain(std::chrono::nanoseconds timeout);
  /// Ends all subscriptions and timers.
  void release_all(MayWait may_wait = MayWait::yes);
  /// Ends its subscriptions and waits for the deliveries that were left behind, so that none goes
  /// on beside what follows. At the deadline it counts as hung.
  [[nodiscard]] std::optional<Error> await_left_behind(std::chrono::nanoseconds timeout);
  /// Destroys the plugin's instance, joins the worker, closes the image. False: it stays mapped.
  [[nodiscard]] bool dismantle(std::chrono::nanoseconds timeout);
  /// It is not to be called any more: what waits for it becomes dead letters for this reason. One
  /// in this process counts as hung from then on; a process of its own is killed.
  void quarantine(const std::string& reason);
  /// For one that is hung: from now on it tells the manager nothing, holds nothing of the bus that
  /// could end, and runs nothing more. Waits for those who are just telling.
  void retire();

  // -- Being replaced, by the manager on its own thread.

  /// What an instance hands to the one that follows it; no value: nothing.
  struct State {
    std::uint32_t version = 0;
    std::string bytes;
  };
  /// Waits until what was posted before has run.
  [[nodiscard]] std::optional<Error> rest(std::chrono::nanoseconds timeout);
  /// As rest(), then asks for its state, and holds its worker from then on.
  [[nodiscard]] std::optional<Error> rest_and_save_state(std::optional<State>& out,
                                                         std::chrono::nanoseconds timeout);
  /// As start(), once it has taken over the state, if there is one.
  [[nodiscard]] std::optional<Error> restore_state_and_start(std::optional<State> state,
                                                             std::chrono::nanoseconds timeout);
  /// It goes on as if nothing had been.
  void go_on() { worker_->go_on(); }
  /// Its sources, if they have been asked to end, begin again.
  void begin_sources_again();
  /// Whether its sources have been told to begin since it started, and not to end.
  [[nodiscard]] bool sources_begun() const noexcept { return sources_ == Sources::begun; }

  /// Whether its worker is in a call, and a number that changes with each.
  [[nodiscard]] bool busy() const { return worker_->busy(); }
  [[nodiscard]] std::uint64_t steps() const {
    return worker_->begun() + next_delivery_.load(std::memory_order_relaxed);
  }

  /// True once a call did not come back in time: its thread and image cannot be taken away.
  [[nodiscard]] bool hung() const noexcept { return hung_.load(std::memory_order_relaxed); }
  [[nodiscard]] PluginSource source() const noexcept {
    return source_.load(std::memory_order_acquire);  // what the source did before is seen
  }

  // -- For the host's table.

  /// Throws Error(denied) unless the rules allow the topic.
  void require_may_publish(std::string_view topic) {
    if (may_publish_ && !may_publish_->holds(topic)) deny_publish(topic);
  }
  [[nodiscard]] std::uint64_t subscribe(Wanted wanted);
  void unsubscribe(std::uint64_t id);
  void set_message(std::string_view message) const;
  [[nodiscard]] std::uint64_t schedule(std::chrono::nanoseconds delay, std::uint64_t tag);
  void set_source(PluginSource source);
  void report_error(std::string_view message);
  void log(LogLevel level, std::string_view message);
  /// Within a delivery, on its thread; throws Error(plugin_state) for a delivery that is over.
  [[nodiscard]] bool reply(std::uint64_t delivery_id, Payload payload);
  void set_retry_delay(std::uint64_t delivery_id, std::chrono::nanoseconds delay);
  [[nodiscard]] bool stop_requested(std::uint64_t delivery_id);
  void write_state(std::string_view bytes);

  /// Ends a request that this thread is about to make.
  [[nodiscard]] std::stop_token request_stop() const {
    return request_stops_.token(worker_->pumped_by_this_thread() ? RequestStops::Whose::worker
                                                                 : RequestStops::Whose::own_thread);
  }
  /// While the worker waits for the reply to a request; elsewhere it does nothing.
  class RequestScope {
   public:
    explicit RequestScope(PluginInstance& plugin);
    RequestScope(const RequestScope&) = delete;
    RequestScope& operator=(const RequestScope&) = delete;
    ~RequestScope();

   private:
    PluginLine* line_;
  };

  // -- Deliveries.

  /// [plugin-worker] The call into the plugin. `sync` is set for one that was posted; its context
  /// may go away at any time, else `context` lasts for the call. Past its deadline the thread may
  /// be left behind in it.
  [[nodiscard]] Outcome call(std::uint64_t tag, const Event& event, Context* context,
                             SyncDelivery* sync);
  /// [plugin-worker] What call() will get next, and how long each will have from then on.
  [[nodiscard]] bool coming(std::uint64_t tag,
                            std::span<const delivery_detail::Delivery> deliveries,
                            std::optional<std::chrono::nanoseconds> timeout) const;

 private:
  /// What a call that did not come back in time means: left_behind, nothing can follow it.
  enum class Late : unsigned char { left_behind, forgiven };
  struct Step {
    std::string_view what;  // of the program's own text
    std::function<busway_status()> f;
    Late late = Late::left_behind;
  };
  /// One after the other until one fails, each with this time; at its end none begins any more. One
  /// way to the worker and back is most of what a call costs. While the first waits for the worker,
  /// requests that it makes get half of the time, like those of a source that is to end; those of
  /// a step nine tenths. Where a step may be late they have all their time.
  [[nodiscard]] std::optional<Error> on_worker(std::vector<Step> steps,
                                               std::chrono::nanoseconds timeout);
  [[nodiscard]] std::optional<Error> on_worker(std::string_view what,
                                               std::function<busway_status()> f,
                                               std::chrono::nanoseconds timeout,
                                               Late late = Late::left_behind);
  struct Progress;
  void run_steps(Progress& progress);
  [[nodiscard]] Step rest_step() const;
  [[nodiscard]] Step start_step();
  [[nodiscard]] Error describe(std::string_view what, busway_status status);
  [[nodiscard]] PluginCall& delivery(std::uint64_t delivery_id) const;
  /// Runs f unless retired; then false. retire() waits for f.
  bool unless_retired(const std::function<void()>& f);
  void tell_no_more();
  [[nodiscard]] busway_status read_health(PluginHealthInfo& out);
  void run_timer(std::uint64_t tag);
  void require_may_subscribe(const std::vector<std::string>& patterns);
  [[noreturn]] void deny_publish(std::string_view topic);
  [[noreturn]] void deny(const std::string& message);
  void read_facts(std::string id);

  Bus& bus_;  // not once retired
  detail::BusCore& core_;
  const std::shared_ptr<PluginLine> line_;
  const std::shared_ptr<Clock> clock_;
  // These outlive the image, whose process tells them of its end.
  const std::shared_ptr<PluginWorker> worker_;
  RequestStops request_stops_;
  std::unique_ptr<PluginImage> image_;
  const std::shared_ptr<const PluginRules> rules_;
  const std::optional<AllowedTopics> may_publish_;  // none: all
  const std::optional<AllowedTopics> may_subscribe_;
  const Report on_error_;
  const Denied on_denied_;
  const std::function<void()> on_source_;
  Facts facts_;
  std::atomic<PluginSource> source_{PluginSource::none};
  std::atomic<bool> source_ends_{false};
  std::atomic<bool> hung_{false};
  std::atomic<bool> started_{false};  // between the end of start() and the beginning of stop()
  enum class Sources : unsigned char { held, begun, asked_to_end };
  Sources sources_ = Sources::held;  // by the manager only
  bool stopped_ = false;             // by the manager only

  std::atomic<std::uint64_t> next_delivery_{1};

  // [plugin-worker]
  busway_plugin* plugin_ = nullptr;
  std::string* state_ = nullptr;  // where write_state() appends

  std::mutex mutex_;
  // Guarded by mutex_, never held while the bus or the plugin is called.
  std::weak_ptr<HealthAnswer> health_;  // the last question
  std::size_t telling_ = 0;
  bool retired_ = false;
  std::condition_variable told_;
};

}  // namespace busway::plugin_host_detail
