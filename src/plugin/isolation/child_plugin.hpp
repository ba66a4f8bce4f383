// plugin/isolation/child_plugin.hpp -- a plugin whose library runs in a process of its own.
// Layer: plugin
//
// Model      To the rest of the host a plugin as any other: a table of functions, which hand each
//            call to the process and wait for what it returns. While they wait they do what the
//            process asks of the host. Events that are about to come are sent ahead (coming()), so
//            that a run of them is one exchange; each is then accounted for in its turn, by the
//            call that brings it. Invariants:
//              1. What the process asks for while it handles an event is done inside the call that
//              brings that event, on the plugin's worker.
//              2. An event counts as handled when the process has said so, or has noted it in the
//              memory that both share.
//              3. When the process ends, however that comes, and is to go on, the worker starts it
//              again: it is set up and started as before, and keeps its subscriptions. Events that
//              were sent and not handled are sent again; the one it died on once more, and if it
//              dies on that again it is a dead letter.
//              4. Before anything else goes to the process than the next event of those sent ahead,
//              the rest of them is taken back: the process skips it, and says so.
// Threads    [plugin-worker], which is its one caller at a time, but for what says otherwise.
//            Beside it an Attendant for each process, and a thread for each further thread of the
//            plugin that calls the host.
// Ownership  Borrows the library's copy. Its host's table and the busway_host outlive it.
// Errors     open() throws Error(bad_plugin_file, plugin_abi, plugin_failed). Calls answer with a
//            status and words, as those of a plugin do.
// Cost       A process, 2 threads; a call is two switches between processes.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "busway/event.hpp"
#include "busway/limits.hpp"
#include "busway/plugin.h"
#include "busway/plugin_rules.hpp"
#include "platform/descriptor.hpp"
#include "plugin/isolation/channel.hpp"
#include "plugin/isolation/requests.hpp"
#include "plugin/isolation/restart_policy.hpp"
#include "plugin/isolation/wire.hpp"

namespace busway::plugin_host_detail {

class Attendant;

/// An event that a mailbox is about to hand over.
struct ComingEvent {
  const Event* event = nullptr;
  std::uint32_t attempt = 1;
  std::uint32_t flags = 0;         // BUSWAY_DELIVERY_
  std::int64_t time_left_ns = -1;  // from when it is begun, as of busway_delivery
};

class ChildPlugin {
 public:
  struct Options {
    std::string program;  // busway-plugin-host
    int library = -1;     // a descriptor of the checked copy
    wire::Opening opening;
    PluginRules rules;
    std::chrono::nanoseconds call_timeout{};
    std::size_t payload_bytes_max = limits::kPayloadBytesMax;  // of the bus
    std::function<void()> on_gone;  // it is not started again any more; on the worker
  };
  explicit ChildPlugin(Options options);
  ChildPlugin(const ChildPlugin&) = delete;
  ChildPlugin& operator=(const ChildPlugin&) = delete;
  ~ChildPlugin();

  /// Starts the process and lets it open the library.
  void open();
  /// After open().
  [[nodiscard]] const busway_plugin_api& api() const noexcept { return table_; }
  /// In place of the table's create().
  [[nodiscard]] busway_status create(const busway_host_api& api, busway_host* host,
                                     busway_plugin** out);
  /// What to do when a process has ended, its threads with it.
  struct OnEnd {
    std::function<void()> at_once;    // on a thread of ours; the worker may be in a call for it
    std::function<void()> on_worker;  // then, before the next one begins
  };
  /// Before create().
  void tell_of_ends(OnEnd on_end) { on_end_ = std::move(on_end); }
  /// They will be handed over next, in this order, and nothing else before them. False: they have
  /// not been sent.
  [[nodiscard]] bool coming(std::uint64_t tag, std::span<const ComingEvent> events);

  /// [any-thread] Kills the process; it is not started again. The call under way fails.
  void give_up() noexcept;
  /// The end: of the process, and of the threads that serve it.
  void close();
  /// [any-thread]
  [[nodiscard]] std::uint64_t restarts() const noexcept {
    return restarts_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::chrono::nanoseconds hard_deadline() const noexcept { return hard_deadline_; }
  /// [any-thread] Why it is not started again any more; empty while it is.
  [[nodiscard]] std::string gone_because() const;
  /// [any-thread] The process now; 0: there is none.
  [[nodiscard]] int process_id() const noexcept {
    return process_id_.load(std::memory_order_relaxed);
  }

 private:
  using Time = std::chrono::steady_clock::time_point;

  /// An event that was sent and not accounted for yet.
  struct Sent {
    std::uint64_t number = 0;
    std::uint64_t run = 0;  // those of one frame
    std::uint64_t tag = 0;
    std::uint32_t attempt = 1;
    std::uint8_t id[16] = {};
  };
  /// What the process said of one that went wrong.
  struct Failed {
    std::uint64_t number = 0;
    busway_status status = BUSWAY_FAILED;
    std::string words;
    std::int64_t retry_delay_ns = 0;
  };
  struct Returned {
    busway_status status = BUSWAY_FAILED;
    std::string words;
    std::string value;  // the rest of the frame
  };

  /// The tag of a timer that tells of the end of a process; of no other.
  static constexpr std::uint64_t kLookAfterProcess = 0;

  [[nodiscard]] static std::string key_of(std::uint64_t tag, const std::uint8_t (&id)[16]);
  /// How long to wait for something of the process.
  struct Wait {
    Time deadline;                 // then it is killed
    Time revoke_at = Time::max();  // then what was sent ahead is taken back
    std::string_view what{};       // it is busy with, for people
  };

  // child_plugin.cpp
  [[nodiscard]] static ChildPlugin& of(busway_plugin* plugin) noexcept {
    return *reinterpret_cast<ChildPlugin*>(plugin);
  }
  void fill_table();  // child_functions.cpp
  [[nodiscard]] Returned call(wire::Call what, std::string_view argument, Time deadline);
  [[nodiscard]] busway_status plain_call(wire::Call what, std::string_view argument = {});
  [[nodiscard]] busway_status answer_with(Returned returned);
  [[nodiscard]] busway_status on_timer(std::uint64_t tag);

  // child_events.cpp
  [[nodiscard]] busway_status on_event(std::uint64_t tag, const busway_event& event,
                                       const busway_delivery& delivery);
  [[nodiscard]] busway_status on_nested_event(std::uint64_t tag, const busway_event& event,
                                              const busway_delivery& delivery);
  [[nodiscard]] unsigned deaths_of(std::uint64_t tag, const busway_event& event) const;
  [[nodiscard]] Wait wait_for(const busway_event& event, const busway_delivery& delivery) const;

  /// Inside a call of the process, so that what comes is nested.
  [[nodiscard]] bool busy() const noexcept {
    return !deliveries_.empty() || !calls_.empty() || taking_back_;
  }

  // exchange.cpp: what goes to the process and what comes back
  void put_event(wire::Writer& frame, const Sent& as, const busway_event& event,
                 const busway_delivery& delivery);
  [[nodiscard]] bool send_ahead(std::uint64_t tag, std::span<const ComingEvent> events);
  [[nodiscard]] std::uint64_t send_one(std::uint64_t tag, const busway_event& event,
                                       const busway_delivery& delivery);
  [[nodiscard]] std::deque<Sent>::iterator find_sent(std::uint64_t tag,
                                                     const std::uint8_t (&id)[16],
                                                     std::uint32_t attempt);
  [[nodiscard]] bool is_sent(std::uint64_t number) const;
  [[nodiscard]] bool is_open(const Sent& one) const;
  void forget(std::uint64_t number);
  /// [any-thread] Of all that was sent nothing begins any more.
  void revoke() noexcept;
  /// Takes back what was sent ahead and has not begun, and waits for what has.
  void take_back();
  /// Until it is enough, or the process has ended, perhaps because it was killed at the deadline.
  void read_until(const std::function<bool()>& enough, const Wait& wait);
  /// Throws WireError for a number of nothing that this process was sent.
  [[nodiscard]] std::uint64_t number_it_was_sent(std::uint64_t number) const;
  void look_at_progress();
  void take(std::string_view frame);
  void take_failed(wire::Reader& in);
  void take_skipped(std::uint64_t number);
  void drop_rest_of_run(std::deque<Sent>::iterator from);
  void serve(std::string_view frame);

  // accounting.cpp
  void broke_the_rules(const wire::WireError& error);
  /// Accounts for a process that has ended, or is to: then why.
  void ended(std::string_view why);
  void take_what_it_said();
  void blame(std::uint64_t number);

  [[nodiscard]] bool alive() const noexcept { return channel_ != nullptr; }

  // restarting.cpp
  void start_process();
  void map_progress();
  void let_go_of_process(Time deadline);
  /// As far as the earlier process had come, but for start().
  [[nodiscard]] bool bring_up();
  [[nodiscard]] bool step(wire::Call what, std::string_view argument, std::string_view name);
  [[nodiscard]] bool revive();
  [[nodiscard]] bool start_again();
  [[nodiscard]] bool wait_before_restart(std::chrono::nanoseconds delay);
  void begin_next_epoch();
  void process_has_ended() noexcept;
  void look_after_process() noexcept;
  void close_process(Time deadline);
  void set_gone(std::string why);

  const Options options_;
  const std::chrono::nanoseconds hard_deadline_;
  const std::size_t frame_bytes_max_;
  RestartPolicy restart_policy_;
  busway_plugin_api table_{};
  wire::Facts facts_;
  std::vector<busway_view> required_;
  const busway_host_api* api_ = nullptr;
  busway_host* host_ = nullptr;
  std::unique_ptr<HostRequests> requests_;
  OnEnd on_end_;

  // The process. Null, the one and the other: there is none.
  std::unique_ptr<Channel> channel_;
  std::unique_ptr<Attendant> attendant_;
  std::vector<std::unique_ptr<Attendant>> earlier_;  // with threads still at work
  platform_detail::Descriptor progress_memory_;
  wire::Progress* progress_ = nullptr;  // mapped, for all processes that follow

  // How far its life has come, to be repeated.
  std::optional<std::string> config_;
  bool started_ = false;
  bool sources_begun_ = false;
  bool sources_ending_ = false;
  bool reviving_ = false;
  bool taking_back_ = false;

  HostRequests::Deliveries deliveries_;        // under way, the innermost last
  std::atomic<std::uint64_t> last_number_{0};  // of those given to events
  std::uint64_t numbers_before_ = 0;           // of them, those that went to earlier processes
  std::uint64_t next_run_ = 1;
  std::uint64_t next_call_ = 1;
  std::uint64_t handled_ = 0;  // all up to it are
  std::deque<Sent> sent_;
  std::map<std::uint64_t, Failed> failed_;                  // by number
  std::map<std::uint64_t, std::optional<Returned>> calls_;  // under way
  std::map<std::string, unsigned> deaths_;                  // by tag and id of an event
  std::string last_end_;                                    // how the process ended last

  std::atomic<std::uint64_t> restarts_{0};
  std::atomic<int> process_id_{0};
  std::atomic<bool> closing_{false};
  std::atomic<bool> watched_{false};  // its host can be told that a process has ended
  mutable std::mutex mutex_;
  std::condition_variable closing_changed_;
  std::string gone_because_;       // guarded by mutex_
  Attendant* killable_ = nullptr;  // guarded by mutex_
};

}  // namespace busway::plugin_host_detail
