#include "plugin/plugin_line.hpp"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "bus/bus_core.hpp"
#include "bus/dispatch.hpp"
#include "busway/middleware.hpp"
#include "plugin/handler_scope.hpp"
#include "plugin/line/durable_name.hpp"
#include "plugin/plugin_instance.hpp"
#include "plugin/sync_delivery.hpp"

namespace busway::plugin_host_detail {
namespace {

constexpr std::size_t kSubscriptionsMax = 65'536;

void must_return(SyncDelivery& delivery) {
  const std::lock_guard lock(delivery.mutex);
  delivery.must_return = true;
  delivery.changed.notify_all();
}

}  // namespace

PluginLine::PluginLine(Bus& bus, std::shared_ptr<const PluginMiddleware> middleware)
    : bus_(bus), core_(detail::Dispatch::core_of(bus)), middleware_(std::move(middleware)) {}

PluginLine::~PluginLine() = default;

void PluginLine::begin(const PluginInstance& heard, const std::string& id) {
  const std::lock_guard lock(mutex_);
  heard_ = &heard;
  id_ = id;
}

// -- Subscriptions --------------------------------------------------------------------------------

std::uint64_t PluginLine::subscribe(const std::shared_ptr<PluginInstance>& by, Wanted wanted) {
  if (wanted.patterns.empty()) {
    throw Error(ErrorCode::invalid_pattern, "a subscription needs at least one pattern");
  }
  const auto replaced = [this] {
    return Error(ErrorCode::plugin_state, "the plugin " + id_ +
                                              " has been replaced by a later instance; it "
                                              "subscribes to nothing more");
  };
  {
    const std::lock_guard lock(mutex_);
    if (by.get() != heard_ && by.get() != successor_) throw replaced();
    if (by.get() == successor_) {
      if (const auto id = claim(wanted)) return *id;
    }
    if (listenings_.size() >= kSubscriptionsMax) {
      throw Error(ErrorCode::too_many, "the plugin " + id_ + " has " +
                                           std::to_string(kSubscriptionsMax) +
                                           " subscriptions, which is the limit");
    }
    name_durable(*by, wanted);
  }
  const NamingScope naming(*this, *by, wanted.durable);
  Listening made = listen(by, wanted);
  if (const auto id = take_in(*by, made, wanted)) return *id;
  end(std::move(made), MayWait::no);
  throw replaced();
}

/// Unless its instance has been replaced meanwhile.
std::optional<std::uint64_t> PluginLine::take_in(const PluginInstance& by, Listening& made,
                                                 Wanted& wanted) {
  Holds holds;
  std::uint64_t id = 0;
  {
    const std::lock_guard lock(mutex_);
    if (&by != heard_ && &by != successor_) return std::nullopt;
    id = next_id_++;
    const Listening& one = listenings_.emplace(id, std::move(made)).first->second;
    if (&by == successor_) {
      claims_.emplace(id, std::move(wanted));
    } else {
      set_open(one, open_, holds);
      if (!parked_) one.addressee->unpark();
    }
  }
  hold(holds);
  return id;
}

/// With mutex_ held. The first that the earlier instance made of those that nobody has claimed.
std::optional<std::uint64_t> PluginLine::claim(const Wanted& wanted) {
  for (const auto& [id, listening] : listenings_) {
    const Addressee& earlier = *listening.addressee;
    if (earlier.signature() != wanted.signature || claims_.contains(id) ||
        !earlier.stands_for(*heard_) || !listening.subscription.active()) {
      continue;
    }
    // A new one of the same patterns has come first, and has its name.
    const bool is_renamed =
        !listening.durable.empty() && (naming_.contains({successor_, listening.durable}) ||
                                       std::any_of(claims_.begin(), claims_.end(),
                                                   [&, name = listening.durable](const auto& one) {
                                                     return one.second.durable == name;
                                                   }));
    if (is_renamed) continue;
    claims_.emplace(id, wanted).first->second.durable = listening.durable;
    return id;
  }
  return std::nullopt;
}

/// With the middleware around it, if there is one.
PluginLine::Handler PluginLine::with_middleware(Handler handler) const {
  if (middleware_ == nullptr) return handler;
  return [id = id_, around = middleware_, handler = std::move(handler)](const Event& event,
                                                                        Context& context) {
    const auto rest = [&] { return handler(event, context); };
    return (*around)(id, event, context, Next(rest));
  };
}

/// With the lock held. The name under which the store remembers the subscription, if it is to.
void PluginLine::name_durable(const PluginInstance& by, Wanted& wanted) {
  const SubscriptionOptions& options = wanted.options;
  const bool is_sync = options.mode == Mode::sync;
  if (wanted.durability == PluginDurability::none || !core_.store_lasts() ||
      !options.durable.empty() || options.once || options.replay.from != Replay::From::none ||
      (!is_sync && options.retry && options.retry->total)) {
    return;
  }
  const auto is_taken = [&](const std::string& name) {
    if (naming_.contains({&by, name})) return true;
    if (&by == successor_) {
      return std::any_of(claims_.begin(), claims_.end(),
                         [&](const auto& one) { return one.second.durable == name; });
    }
    return std::any_of(listenings_.begin(), listenings_.end(), [&](const auto& one) {
      return one.second.durable == name && one.second.addressee->stands_for(by);
    });
  };
  const bool is_shared = wanted.durability == PluginDurability::shared && !is_sync;
  const std::string_view instance =
      is_shared ? std::string_view() : std::string_view(core_.options().instance_id);
  std::size_t ordinal = 1;
  do {
    wanted.durable = durable_name(id_, wanted.patterns, options.name, ordinal++, instance);
  } while (is_taken(wanted.durable));
  // Until take_in() it is not among the others, and another thread may want one meanwhile.
  naming_.insert({&by, wanted.durable});
}

/// Parked until it is among the others. One that waits for its instance's turn is closed till then,
/// unless it begins with a replay: then it must not miss what comes in between.
PluginLine::Listening PluginLine::listen(const std::shared_ptr<PluginInstance>& by,
                                         const Wanted& wanted) {
  auto addressee = std::make_shared<Addressee>(wanted.signature, by, wanted.tag);
  {
    const std::lock_guard lock(mutex_);
    addressee->set_open(by.get() != successor_ ? open_
                                               : wanted.options.replay.from != Replay::From::none);
  }
  SubscriptionOptions options = wanted.options;
  options.owner = id_;
  Listening made{
      .addressee = addressee, .subscription = {}, .stored = {}, .durable = wanted.durable};
  if (options.mode != Mode::sync) {
    made.subscription = listen_async(addressee, wanted, std::move(options));
  } else if (wanted.durable.empty()) {
    made.subscription = listen_sync(addressee, wanted, std::move(options));
  } else {
    {
      // A subscription of before may have handled what comes from the store now.
      const std::lock_guard lock(mutex_);
      std::shared_ptr<HandledEvents>& handled = handled_[wanted.durable];
      if (handled == nullptr) {
        handled = std::make_shared<HandledEvents>(
            options.retry ? HandledEvents::Failures::tried_again : HandledEvents::Failures::final);
      }
      addressee->note_handled(handled);
    }
    made.subscription = listen_sync(addressee, wanted, options);
    made.stored = listen_stored(addressee, wanted, std::move(options));
  }
  Holds holds;
  set_open(made, addressee->open(), holds);
  hold(holds);
  return made;
}

/// What a durable one does not take while it is closed stays in the store, so it has no filter.
Subscription PluginLine::listen_async(const std::shared_ptr<Addressee>& addressee,
                                      const Wanted& wanted, SubscriptionOptions options) {
  options.executor = addressee;
  if (!wanted.durable.empty()) {
    options.durable = wanted.durable;
    options.on_change = OnChange::replace;  // a later build may want another order
    options.overflow.reset();
  }
  if (options.durable.empty()) {
    options.filter = [addressee](const Event&) { return addressee->open(); };
  }
  Subscription made = bus_.subscribe(
      wanted.patterns, with_middleware([addressee](const Event& event, Context& context) {
        return addressee->here().call(addressee->tag(), event, &context, nullptr);
      }),
      options);
  // With a middleware each event waits for what it says: none is sent to a process ahead of it.
  if (middleware_ != nullptr) return made;
  core_.look_ahead(made.id(), [addressee](std::span<const delivery_detail::Delivery> coming,
                                          std::optional<std::chrono::nanoseconds> timeout) {
    return addressee->here().coming(addressee->tag(), coming, timeout);
  });
  return made;
}

Subscription PluginLine::listen_sync(const std::shared_ptr<Addressee>& addressee,
                                     const Wanted& wanted, SubscriptionOptions options) {
  options.filter = [addressee](const Event&) { return addressee->open(); };
  // The wait for the worker is what it bounds, and no attempt has longer than all of them.
  std::optional<std::chrono::nanoseconds> timeout = std::exchange(options.timeout, std::nullopt);
  if (options.retry && options.retry->total) {
    timeout = std::min(timeout.value_or(kSyncTimeoutDefault), *options.retry->total);
  }
  Subscription made =
      bus_.subscribe(wanted.patterns,
                     with_middleware([listener = SyncListener{id_, addressee, timeout}](
                                         const Event& event, Context& context) {
                       return deliver_sync(listener, event, context);
                     }),
                     options);
  if (timeout && *timeout != timeout->max()) core_.set_own_timeout(made.id(), *timeout);
  return made;
}

/// What listen_sync() has not handled. The middleware hears of that alone.
Subscription PluginLine::listen_stored(const std::shared_ptr<Addressee>& addressee,
                                       const Wanted& wanted, SubscriptionOptions options) {
  options.mode = Mode::async;
  options.executor = addressee;
  options.durable = wanted.durable;
  options.on_change = OnChange::replace;
  if (!options.retry) options.retry = RetryPolicy{.max_retries = 0};
  options.retry->total.reset();
  options.filter = [addressee](const Event& event) {
    return !addressee->handled()->was_done_live(event.id());
  };
  const Handler call = with_middleware([addressee](const Event& event, Context& context) {
    return addressee->here().call(addressee->tag(), event, &context, nullptr);
  });
  Subscription made = bus_.subscribe(
      wanted.patterns,
      [addressee, call](const Event& event, Context& context) {
        return addressee->handled()->call_stored(event.id(), [&] { return call(event, context); });
      },
      options);
  core_.only_from_store(made.id());
  return made;
}

/// With the lock held, or before anybody knows it.
void PluginLine::set_open(const Listening& one, bool open, Holds& holds) {
  one.addressee->set_open(open);
  holds.emplace_back((one.stored.id() != 0 ? one.stored : one.subscription).id(), !open);
}

void PluginLine::hold(const Holds& holds) {
  for (const auto& [id, held] : holds) core_.hold_durable(id, held);
}

void PluginLine::unsubscribe(const PluginInstance& by, std::uint64_t id, MayWait may_wait) {
  Listening ending;
  {
    const std::lock_guard lock(mutex_);
    // What the one that stops lets go of, its successor may want.
    if (&by == heard_ && stopping_) return;
    const bool claimed = &by == successor_ && claims_.erase(id) != 0;
    const auto found = listenings_.find(id);
    const bool own = found != listenings_.end() && found->second.addressee->stands_for(by);
    if (claimed && (!own || &by == heard_)) return;  // taken over by nobody, it ends in time
    if (!own && &by != heard_ && &by != successor_) return;  // it was handed over
    if (!own) {
      throw Error(ErrorCode::not_found,
                  "the plugin " + id_ + " has no subscription " + std::to_string(id));
    }
    ending = std::move(found->second);
    listenings_.erase(found);
  }
  end(std::move(ending), may_wait);
}

void PluginLine::set_open(const PluginInstance& of, bool open) {
  Holds holds;
  {
    const std::lock_guard lock(mutex_);
    if (&of == heard_) open_ = open;
    for (const auto& [id, listening] : listenings_) {
      if (!listening.addressee->stands_for(of)) continue;
      set_open(listening, open, holds);
      // It goes on until it has come upon what was handled live; then hold_stored().
      if (!open && listening.stored.id() != 0) holds.pop_back();
    }
  }
  hold(holds);
}

bool PluginLine::stored_busy(const PluginInstance& of) const {
  std::vector<SubscriptionId> ids;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, one] : listenings_) {
      if (one.stored.id() != 0 && one.addressee->stands_for(of)) ids.push_back(one.stored.id());
    }
  }
  return std::any_of(ids.begin(), ids.end(),
                     [this](SubscriptionId id) { return core_.durable_busy(id); });
}

void PluginLine::hold_stored(const PluginInstance& of) {
  Holds holds;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, one] : listenings_) {
      if (one.stored.id() != 0 && one.addressee->stands_for(of)) {
        holds.emplace_back(one.stored.id(), true);
      }
    }
  }
  hold(holds);
}

std::size_t PluginLine::queued(const PluginInstance& of) const {
  return add_up(of, &SubscriptionInfo::queued);
}

std::size_t PluginLine::waiting_again(const PluginInstance& of) const {
  return add_up(of, &SubscriptionInfo::retries_waiting);
}

std::size_t PluginLine::add_up(const PluginInstance& of,
                               std::size_t SubscriptionInfo::*number) const {
  std::unordered_set<SubscriptionId> ids;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, listening] : listenings_) {
      if (!listening.addressee->stands_for(of)) continue;
      ids.insert(listening.subscription.id());
      ids.insert(listening.stored.id());
    }
  }
  std::size_t count = 0;
  if (ids.empty()) return count;
  for (const SubscriptionInfo& info : bus_.subscriptions(id_)) {
    if (ids.contains(info.id)) count += info.*number;
  }
  return count;
}

/// Those for which it holds, out of the map.
std::vector<PluginLine::Listening> PluginLine::take(
    const std::function<bool(const Listening&)>& which) {
  std::vector<Listening> taken;
  for (auto at = listenings_.begin(); at != listenings_.end();) {
    if (which(at->second)) {
      taken.push_back(std::move(at->second));
      at = listenings_.erase(at);
    } else {
      ++at;
    }
  }
  return taken;
}

void PluginLine::end_all(const PluginInstance& of, MayWait may_wait) {
  std::vector<Listening> ending;
  {
    const std::lock_guard lock(mutex_);
    ending = take([&](const Listening& one) { return one.addressee->stands_for(of); });
    for (const Listening& one : ending) one.addressee->end();
    for (SyncDelivery* delivery : waiting_) {
      if (delivery->addressee->ended()) must_return(*delivery);
    }
  }
  for (Listening& one : ending) end(std::move(one), may_wait);
}

void PluginLine::bury(const PluginInstance& of, const std::string& reason) {
  std::vector<SubscriptionId> ids;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, one] : listenings_) {
      if (!one.addressee->stands_for(of)) continue;
      ids.push_back(one.subscription.id());
      if (one.stored.id() != 0) ids.push_back(one.stored.id());
    }
  }
  for (const SubscriptionId id : ids) core_.bury(id, reason);
  end_all(of, MayWait::no);
}

void PluginLine::end(Listening listening, MayWait may_wait) {
  listening.addressee->end();
  // What was kept is not made any more, and a publisher that waits for it would wait in vain.
  if (listening.addressee->parked()) {
    const std::lock_guard lock(mutex_);
    for (SyncDelivery* delivery : waiting_) {
      if (delivery->addressee == listening.addressee) must_return(*delivery);
    }
  }
  if (may_wait == MayWait::yes) {
    listening.stored.reset();
    listening.subscription.reset();
  } else {
    const Event none;
    const HandlerScope inside(core_, none);  // within a handler the bus waits for nobody
    listening.stored.reset();
    listening.subscription.reset();
  }
  listening.addressee->forget();
}

// -- From one instance to the next ----------------------------------------------------------------

void PluginLine::expect(const PluginInstance& successor) {
  const std::lock_guard lock(mutex_);
  successor_ = &successor;
}

void PluginLine::expect_no_more() {
  const std::lock_guard lock(mutex_);
  successor_ = nullptr;
  claims_.clear();
}

void PluginLine::end_left() {
  std::vector<Listening> ending;
  {
    const std::lock_guard lock(mutex_);
    for (const std::uint64_t id : std::exchange(left_, {})) {
      if (auto found = listenings_.extract(id)) ending.push_back(std::move(found.mapped()));
    }
  }
  for (Listening& one : ending) end(std::move(one), MayWait::no);  // its instance waits for them
}

void PluginLine::begin_stop() {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  for (SyncDelivery* delivery : waiting_) must_return(*delivery);
}

void PluginLine::park() {
  const std::lock_guard lock(mutex_);
  parked_ = true;
  for (const auto& [id, listening] : listenings_) listening.addressee->park();
  for (SyncDelivery* delivery : waiting_) {
    if (delivery->in_handler) must_return(*delivery);
  }
}

void PluginLine::unpark() {
  const std::lock_guard lock(mutex_);
  parked_ = false;
  stopping_ = false;
  for (const auto& [id, listening] : listenings_) {
    if (listening.addressee->stands_for(*heard_)) listening.addressee->unpark();
  }
}

void PluginLine::take_over(const std::shared_ptr<PluginInstance>& successor) {
  Holds holds;
  while (!try_take_over(successor, holds)) make_again(successor);
  hold(holds);
}

/// False: the earlier one has ended what the successor has claimed.
bool PluginLine::try_take_over(const std::shared_ptr<PluginInstance>& successor, Holds& holds) {
  const std::lock_guard lock(mutex_);
  const bool all_there = std::all_of(claims_.begin(), claims_.end(), [&](const auto& claimed) {
    const auto found = listenings_.find(claimed.first);
    return found != listenings_.end() && found->second.subscription.active();
  });
  if (!all_there) return false;
  // What is new listens before the other ceases to: rather twice than not at all.
  for (const auto& [id, wanted] : claims_) {
    const Listening& listening = listenings_.at(id);
    listening.addressee->hand_over(successor, wanted.tag);
    set_open(listening, true, holds);
  }
  for (const auto& [id, listening] : listenings_) {
    if (claims_.contains(id) || !listening.addressee->stands_for(*heard_)) continue;
    set_open(listening, false, holds);
    if (!stopping_) listening.addressee->unpark();  // one that has stopped handles nothing more
    left_.insert(id);
  }
  claims_.clear();
  heard_ = successor.get();
  successor_ = nullptr;
  return true;
}

void PluginLine::make_again(const std::shared_ptr<PluginInstance>& successor) {
  std::map<std::uint64_t, Wanted> gone;
  std::vector<Listening> ended;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, wanted] : claims_) {
      const auto found = listenings_.find(id);
      if (found != listenings_.end() && found->second.subscription.active()) continue;
      if (found != listenings_.end()) {
        ended.push_back(std::move(found->second));
        listenings_.erase(found);
      }
      gone.emplace(id, wanted);
    }
  }
  for (Listening& one : ended) end(std::move(one), MayWait::no);
  for (const auto& [id, wanted] : gone) {
    Listening made = listen(successor, wanted);
    const std::lock_guard lock(mutex_);
    listenings_.emplace(id, std::move(made));
  }
}

// -- Who waits ------------------------------------------------------------------------------------

void PluginLine::begin_waiting(const PluginInstance& plugin, SyncDelivery& delivery) {
  const std::lock_guard lock(mutex_);
  waiting_.push_back(&delivery);
  if (stopping_) must_return(delivery);
  if (!delivery.in_handler) return;
  // It was replaced since it was asked for: the edge in the graph of waits leads elsewhere.
  if (!delivery.addressee->stands_for(plugin)) must_return(delivery);
  // Threads that were left behind since wait for nobody's sake.
  const bool worker_waits = std::find(requesting_.begin(), requesting_.end(),
                                      plugin.worker().thread_id().load()) != requesting_.end();
  if (worker_waits || parked_) must_return(delivery);
}

void PluginLine::end_waiting(SyncDelivery& delivery) {
  const std::lock_guard lock(mutex_);
  std::erase(waiting_, &delivery);
}

void PluginLine::begin_request() {
  const std::lock_guard lock(mutex_);
  requesting_.push_back(std::this_thread::get_id());
  for (SyncDelivery* delivery : waiting_) {
    if (delivery->in_handler) must_return(*delivery);
  }
}

void PluginLine::end_request() {
  const std::lock_guard lock(mutex_);
  requesting_.erase(std::find(requesting_.begin(), requesting_.end(), std::this_thread::get_id()));
}

}  // namespace busway::plugin_host_detail
