// plugin/plugin_line.hpp -- what a plugin keeps from one generation to the next: its subscriptions,
// and who waits for it.
// Layer: plugin
//
// Model      The generations of a plugin form a line, of which one instance at a time is heard. A
//            subscription is data (patterns, options, tag) and has an Addressee, which says which
//            instance handles its events. What a successor subscribes to before its turn has come
//            is claimed: a subscription of the earlier instance with the same words is taken over
//            in time, with its id and what is queued in it; one that is new is made at once, but
//            hears nothing yet. take_over() is the turn: what was not claimed stays with the
//            earlier instance, which still handles what is queued there.
//            With a store that lasts a subscription gets a durable name, by its patterns. One that
//            makes publishers wait stays live, and has a second one beside it that gets from the
//            store what the first has not handled: HandledEvents.
// Threads    [any-thread]; what is parked and handed over is the manager's, one at a time.
// Ownership  Shared by the instances of the line. A subscription ends with the instance that it
//            stands for, at the latest.
// Errors     Throws Error: not_found, too_many, and what Bus::subscribe() throws.
// Cost       One lock a call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "busway/bus.hpp"
#include "busway/plugin_spec.hpp"
#include "plugin/denials.hpp"
#include "plugin/line/addressee.hpp"

namespace busway::plugin_host_detail {

class PluginInstance;
struct SyncDelivery;

/// What a plugin wants to hear.
struct Wanted {
  std::vector<std::string> patterns;
  SubscriptionOptions options;
  std::uint64_t tag = 0;
  std::string signature;  // of patterns and options
  PluginDurability durability = PluginDurability::none;
  std::string durable{};  // the name that the line gives it for that; none: it is not durable
};

enum class MayWait : unsigned char { yes, no };

class PluginLine final {
 public:
  /// The middleware may be null.
  PluginLine(Bus& bus, std::shared_ptr<const PluginMiddleware> middleware);
  PluginLine(const PluginLine&) = delete;
  PluginLine& operator=(const PluginLine&) = delete;
  ~PluginLine();

  /// The first instance of the line, before it is made, and the plugin's id.
  void begin(const PluginInstance& heard, const std::string& id);

  [[nodiscard]] Denials& denials() noexcept { return denials_; }

  // -- Subscriptions.

  /// By the instance that is heard, or its successor; throws plugin_state for an earlier one.
  [[nodiscard]] std::uint64_t subscribe(const std::shared_ptr<PluginInstance>& by, Wanted wanted);
  void unsubscribe(const PluginInstance& by, std::uint64_t id, MayWait may_wait);
  /// No event comes in any more, or again; also for what it subscribes to from now on.
  void set_open(const PluginInstance& of, bool open);
  /// Whether what takes from the store beside a live subscription has something to come upon.
  [[nodiscard]] bool stored_busy(const PluginInstance& of) const;
  /// Closed, it takes nothing from the store any more either.
  void hold_stored(const PluginInstance& of);
  /// How many events wait for it.
  [[nodiscard]] std::size_t queued(const PluginInstance& of) const;
  /// Events of it that have failed and wait to be tried again.
  [[nodiscard]] std::size_t waiting_again(const PluginInstance& of) const;
  /// Ends all of its subscriptions without waiting for a call that runs; what waits for them, and
  /// what runs, become dead letters.
  void bury(const PluginInstance& of, const std::string& reason);
  /// Ends all of its subscriptions; publishers that wait for it cease to.
  void end_all(const PluginInstance& of, MayWait may_wait);

  // -- From one instance to the next.

  /// From now on what this one subscribes to is claimed. It may be the one that is heard, which
  /// starts again.
  void expect(const PluginInstance& successor);
  /// It does not come. What was made for it has ended, or ends with it.
  void expect_no_more();
  /// Ends what take_over() left with an earlier instance.
  void end_left();
  /// Keeps what comes for the instance that is heard from its worker. A publisher that waits inside
  /// a handler ceases to: its delivery is queued.
  void park();
  /// Parked, the one that is heard stops before its successor is made: nobody waits for it then,
  /// and what it unsubscribes from its successor may still take over.
  void begin_stop();
  /// Passes on what was kept, of each subscription in the order it came.
  void unpark();
  /// While parked, with nothing of the earlier one running: from now on the successor is heard, and
  /// still parked. What it has not claimed takes no new events and is no longer parked.
  void take_over(const std::shared_ptr<PluginInstance>& successor);

  // -- Publishers that wait for a delivery, and a worker that waits for a reply.

  void begin_waiting(const PluginInstance& plugin, SyncDelivery& delivery);
  void end_waiting(SyncDelivery& delivery);
  void begin_request();
  void end_request();

 private:
  /// A number of its subscriptions.
  [[nodiscard]] std::size_t add_up(const PluginInstance& of,
                                   std::size_t SubscriptionInfo::*number) const;

  struct Listening {
    std::shared_ptr<Addressee> addressee;
    Subscription subscription;
    Subscription stored{};  // beside one that makes publishers wait
    std::string durable{};  // as in Wanted
  };
  /// Of durable subscriptions: whether they take new events from the store. Collected with the
  /// lock, done without it.
  using Holds = std::vector<std::pair<SubscriptionId, bool>>;
  static void set_open(const Listening& one, bool open, Holds& holds);
  void hold(const Holds& holds);
  /// Gives up a name of naming_ at its end.
  struct NamingScope {
    NamingScope(PluginLine& of, const PluginInstance& instance, std::string_view durable)
        : line(of), by(instance), name(durable) {}
    NamingScope(const NamingScope&) = delete;
    NamingScope& operator=(const NamingScope&) = delete;
    ~NamingScope() {
      const std::lock_guard lock(line.mutex_);
      line.naming_.erase({&by, name});
    }
    PluginLine& line;
    const PluginInstance& by;
    const std::string name;
  };

  [[nodiscard]] std::optional<std::uint64_t> claim(const Wanted& wanted);
  [[nodiscard]] bool try_take_over(const std::shared_ptr<PluginInstance>& successor, Holds& holds);
  void make_again(const std::shared_ptr<PluginInstance>& successor);
  using Handler = std::function<Outcome(const Event&, Context&)>;
  [[nodiscard]] Handler with_middleware(Handler handler) const;
  [[nodiscard]] Listening listen(const std::shared_ptr<PluginInstance>& by, const Wanted& wanted);
  [[nodiscard]] std::optional<std::uint64_t> take_in(const PluginInstance& by, Listening& made,
                                                     Wanted& wanted);
  void name_durable(const PluginInstance& by, Wanted& wanted);
  [[nodiscard]] Subscription listen_async(const std::shared_ptr<Addressee>& addressee,
                                          const Wanted& wanted, SubscriptionOptions options);
  [[nodiscard]] Subscription listen_sync(const std::shared_ptr<Addressee>& addressee,
                                         const Wanted& wanted, SubscriptionOptions options);
  [[nodiscard]] Subscription listen_stored(const std::shared_ptr<Addressee>& addressee,
                                           const Wanted& wanted, SubscriptionOptions options);
  void end(Listening listening, MayWait may_wait);
  [[nodiscard]] std::vector<Listening> take(const std::function<bool(const Listening&)>& which);

  Bus& bus_;
  detail::BusCore& core_;
  const std::shared_ptr<const PluginMiddleware> middleware_;
  std::string id_;
  Denials denials_;

  mutable std::mutex mutex_;
  // Guarded by mutex_, never held while the bus or the plugin is called.
  std::map<std::uint64_t, Listening> listenings_;
  std::map<std::string, std::shared_ptr<HandledEvents>> handled_;  // by durable name
  const PluginInstance* heard_ = nullptr;
  const PluginInstance* successor_ = nullptr;
  /// Durable names of subscriptions that are being made.
  std::set<std::pair<const PluginInstance*, std::string>> naming_;
  std::map<std::uint64_t, Wanted> claims_;  // by id; what the successor wants
  std::set<std::uint64_t> left_;            // by take_over()
  bool open_ = true;
  bool parked_ = false;
  bool stopping_ = false;
  std::uint64_t next_id_ = 1;
  std::vector<SyncDelivery*> waiting_;
  std::vector<std::thread::id> requesting_;  // wait for replies; those left behind since, too
};

}  // namespace busway::plugin_host_detail
