// The public faces: Bus, Subscription, Topic, Context, PublishResult.
#include "busway/bus.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <mutex>
#include <utility>

#include "base/deadline.hpp"
#include "base/escape.hpp"
#include "bus/bus_core.hpp"
#include "busway/manual_executor.hpp"
#include "busway/topic_name.hpp"
#include "event/text_field.hpp"

namespace busway {

using detail::BusCore;
using detail::Dispatch;
using detail::Draft;

namespace {

/// The core, for the length of a call that may outlast the Bus.
class HeldCore {
 public:
  explicit HeldCore(BusCore& core) noexcept : core_(core) { core_.retain(); }
  HeldCore(const HeldCore&) = delete;
  HeldCore& operator=(const HeldCore&) = delete;
  ~HeldCore() { core_.release(); }
  BusCore* operator->() const noexcept { return &core_; }

 private:
  BusCore& core_;
};

/// A payload's block, held for the length of a call.
class HeldBlock {
 public:
  explicit HeldBlock(Payload payload) noexcept : block_(payload.take()) {}
  HeldBlock(const HeldBlock&) = delete;
  HeldBlock& operator=(const HeldBlock&) = delete;
  ~HeldBlock() {
    if (block_ != nullptr) detail::release(block_);
  }
  [[nodiscard]] Draft draft(const EventOptions* options = nullptr) const noexcept {
    return {.type = nullptr, .object = nullptr, .block = block_, .options = options};
  }

 private:
  detail::PayloadBlock* block_;
};

}  // namespace

namespace detail {

BusCore& Dispatch::core_of(const Bus& bus) noexcept { return *bus.core_; }

PublishResult publish_typed(const Bus& bus, std::string_view topic, const PayloadType& type,
                            const void* value, const EventOptions* options) {
  return Dispatch::core_of(bus).publish(topic, {&type, value, nullptr, options});
}

PublishResult publish_typed(BusCore& core, TopicEntry* entry, const PayloadType& type,
                            const void* value, const EventOptions* options) {
  return core.publish(entry, {&type, value, nullptr, options});
}

}  // namespace detail

// -- Bus ------------------------------------------------------------------------------------------

Bus::Bus(BusOptions options) : core_(new BusCore(std::move(options))) {}

Bus::~Bus() {
  core_->close();
  core_->release();
}

Subscription Bus::adopt(detail::Subscriber* subscriber, const Patterns& patterns,
                        const SubscriptionOptions& options) {
  return Dispatch::make_subscription(core_->subscribe(subscriber, patterns, options));
}

Subscription Bus::subscribe(std::shared_ptr<EventHandler> handler, SubscriptionOptions options) {
  if (handler == nullptr)
    throw Error(ErrorCode::invalid_argument, "subscribe: the EventHandler is null");
  if (options.name.empty()) options.name = handler->name();
  if (!options.timeout) options.timeout = handler->timeout();
  const std::vector<std::string> patterns = handler->patterns();
  return subscribe(
      patterns,
      [handler = std::move(handler)](const Event& event, Context& context) {
        return handler->handle(event, context);
      },
      options);
}

bool Bus::unsubscribe(SubscriptionId id) { return core_->unsubscribe(id); }
std::size_t Bus::unsubscribe(std::string_view pattern, std::string_view owner) {
  return core_->unsubscribe({.pattern = pattern, .owner = owner, .name = {}});
}
std::size_t Bus::unsubscribe(const SubscriptionQuery& query) { return core_->unsubscribe(query); }
std::size_t Bus::unsubscribe_all(std::string_view owner) {
  if (owner.empty())
    throw Error(ErrorCode::invalid_argument, "unsubscribe_all: the owner is empty");
  return core_->unsubscribe({.pattern = {}, .owner = owner, .name = {}});
}
std::vector<SubscriptionInfo> Bus::subscriptions(std::string_view owner) const {
  return core_->subscriptions(owner);
}

PublishResult Bus::publish(const Event& event) { return core_->publish(event); }
PublishResult Bus::publish(std::string_view topic, Payload payload) {
  if (payload.empty()) return core_->publish_empty(topic);
  const HeldBlock block(std::move(payload));
  return core_->publish(topic, block.draft());
}
PublishResult Bus::publish(std::string_view topic, Payload payload, const PublishOptions& options) {
  const HeldBlock block(std::move(payload));
  return core_->publish(topic, block.draft(&options));
}
PublishResult Bus::publish(std::string_view topic, Json payload, const PublishOptions& options) {
  return publish(topic, Payload::json(std::move(payload)), options);
}

Receipt Bus::publish_async(Event event) { return core_->publish_async(std::move(event)); }
Receipt Bus::publish_async(std::string_view topic, Payload payload, const PublishOptions& options) {
  return core_->publish_async(Event(topic, std::move(payload), options));
}
Receipt Bus::publish_async(std::string_view topic, Json payload, const PublishOptions& options) {
  return publish_async(topic, Payload::json(std::move(payload)), options);
}

std::vector<PublishResult> Bus::publish_batch(std::span<const Event> events) {
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (const auto fault = check_topic(events[i].topic())) {
      throw Error(ErrorCode::invalid_topic,
                  "publish_batch: event " + std::to_string(i) + " of the batch: " + *fault);
    }
  }
  return core_->publish_batch(events);
}

Topic Bus::topic(std::string_view name) {
  detail::TopicEntry* entry = core_->pin_topic(name);
  core_->retain();
  return Dispatch::make_topic(core_, entry);
}

RequestResult Bus::request(std::string_view topic, Payload payload,
                           std::chrono::nanoseconds timeout, const PublishOptions& options) {
  const HeldCore inside(*core_);
  const HeldBlock block(std::move(payload));
  return inside->request(topic, block.draft(&options), timeout);
}
RequestResult Bus::request(std::string_view topic, Json payload, std::chrono::nanoseconds timeout,
                           const PublishOptions& options) {
  return request(topic, Payload::json(std::move(payload)), timeout, options);
}

void Bus::add_filter(std::string name, std::function<bool(const Event&)> predicate) {
  core_->add_filter(std::move(name), std::move(predicate));
}
bool Bus::remove_durable(std::string_view name) { return core_->remove_durable(name); }
std::vector<DurableInfo> Bus::durables() const {
  detail::StoreLink* const link = core_->link();
  return link != nullptr ? link->store().durables() : std::vector<DurableInfo>();
}
std::shared_ptr<Store> Bus::store() const noexcept {
  detail::StoreLink* const link = core_->link();
  return link != nullptr ? link->shared() : nullptr;
}
bool Bus::remove_filter(std::string_view name) { return core_->remove_filter(name); }

std::vector<Event> Bus::history(const Patterns& pattern, std::size_t limit, WallTime since) const {
  return core_->history(pattern, limit, since);
}
ReplayResult Bus::replay(const ReplayRequest& request) {
  const HeldCore inside(*core_);
  return inside->replay(request);
}
Stats Bus::stats() const { return core_->stats(); }
std::optional<EventStatusInfo> Bus::event_status(const EventId& id) const {
  return core_->event_status(id);
}
const std::string& Bus::instance_id() const noexcept { return core_->options().instance_id; }
const BusOptions& Bus::options() const noexcept { return core_->options(); }

DeadLetters Bus::dead_letters() const noexcept { return DeadLetters(*core_); }

std::size_t Bus::poll(std::size_t max) {
  auto* manual = dynamic_cast<ManualExecutor*>(core_->options().executor.get());
  if (manual == nullptr) return 0;
  std::size_t ran = 0;
  // A retry that is due puts its event into a mailbox, which posts a task.
  const auto more = [this] {
    const bool due = core_->run_due() != 0;
    const bool fetched = core_->link() != nullptr && core_->link()->feeds().turn();
    return due || fetched;
  };
  do {
    (void)more();
    ran += manual->run(max - ran);
  } while (ran < max && more());
  return ran;
}
bool Bus::idle() const { return core_->idle(); }
bool Bus::wait_idle(std::chrono::nanoseconds timeout) const {
  const HeldCore inside(*core_);
  return inside->wait_drained(deadline_after(timeout));
}
StopResult Bus::stop(std::chrono::nanoseconds deadline) {
  const HeldCore inside(*core_);
  return inside->stop(deadline);
}

// -- Subscription ---------------------------------------------------------------------------------

void Subscription::reset() noexcept {
  detail::Subscriber* subscriber = std::exchange(subscriber_, nullptr);
  if (subscriber == nullptr) return;
  const std::array one{subscriber};
  BusCore* core = subscriber->core;
  core->retain();
  core->end(one);
  core->release();
}

bool Subscription::wait_idle(std::chrono::steady_clock::time_point deadline) const {
  return subscriber_ == nullptr || subscriber_->core->wait_idle(*subscriber_, deadline);
}

SubscriptionId Subscription::release() noexcept {
  detail::Subscriber* subscriber = std::exchange(subscriber_, nullptr);
  if (subscriber == nullptr) return 0;
  const SubscriptionId id = subscriber->id;
  detail::release(subscriber);
  return id;
}

void Subscription::pause() noexcept {
  if (subscriber_ != nullptr) subscriber_->core->pause(*subscriber_);
}
void Subscription::resume() noexcept {
  if (subscriber_ != nullptr) subscriber_->core->resume(*subscriber_);
}
SubscriptionId Subscription::id() const noexcept {
  return subscriber_ != nullptr ? subscriber_->id : 0;
}
bool Subscription::active() const noexcept {
  return subscriber_ != nullptr && detail::state_of(*subscriber_) != detail::SubscriberState::ended;
}

std::string_view to_string(SubscriptionInfo::State state) noexcept {
  switch (state) {
    case SubscriptionInfo::State::active: return "active";
    case SubscriptionInfo::State::paused: return "paused";
    case SubscriptionInfo::State::replaying: return "replaying";
    case SubscriptionInfo::State::ended: return "ended";
  }
  return "ended";
}
std::string_view to_string(BreakerState state) noexcept {
  switch (state) {
    case BreakerState::none: return "none";
    case BreakerState::closed: return "closed";
    case BreakerState::open: return "open";
    case BreakerState::half_open: return "half_open";
  }
  return "none";
}
std::string_view to_string(Mode mode) noexcept { return mode == Mode::sync ? "sync" : "async"; }

// -- Topic ----------------------------------------------------------------------------------------

Topic::Topic(const Topic& other) noexcept : core_(other.core_), entry_(other.entry_) {
  if (core_ == nullptr) return;
  core_->retain();
  core_->repin_topic(entry_);
}
Topic::Topic(Topic&& other) noexcept
    : core_(std::exchange(other.core_, nullptr)), entry_(std::exchange(other.entry_, nullptr)) {}
Topic& Topic::operator=(Topic other) noexcept {
  std::swap(core_, other.core_);
  std::swap(entry_, other.entry_);
  return *this;
}
Topic::~Topic() {
  if (core_ == nullptr) return;
  core_->unpin_topic(entry_);
  core_->release();
}

std::string_view Topic::name() const noexcept {
  return entry_ != nullptr ? entry_->text->view() : std::string_view{};
}

namespace {
void require_handle(const void* core) {
  if (core == nullptr) {
    throw Error(ErrorCode::invalid_argument,
                "publish: the Topic is empty; make one with bus.topic(name)");
  }
}
}  // namespace

PublishResult Topic::publish(Payload payload) const {
  require_handle(core_);
  if (payload.empty()) return core_->publish_empty(entry_);
  const HeldBlock block(std::move(payload));
  return core_->publish(entry_, block.draft());
}
PublishResult Topic::publish(Payload payload, const PublishOptions& options) const {
  require_handle(core_);
  const HeldBlock block(std::move(payload));
  return core_->publish(entry_, block.draft(&options));
}
PublishResult Topic::publish(Json payload, const PublishOptions& options) const {
  return publish(Payload::json(std::move(payload)), options);
}

// -- Publisher ------------------------------------------------------------------------------------

Publisher Bus::publisher(std::string_view source, Origin origin) {
  if (source.empty()) throw Error(ErrorCode::invalid_argument, "publisher: the source is empty");
  detail::require_text_field("source", source);
  Publisher made = Dispatch::make_publisher(core_, source, origin);
  core_->retain();
  return made;
}

Publisher::Publisher(const Publisher& other)
    : core_(other.core_), source_(other.source_), origin_(other.origin_) {
  if (core_ != nullptr) core_->retain();
}
Publisher::Publisher(Publisher&& other) noexcept
    : core_(std::exchange(other.core_, nullptr)),
      source_(std::move(other.source_)),
      origin_(other.origin_) {}
Publisher& Publisher::operator=(Publisher other) noexcept {
  std::swap(core_, other.core_);
  std::swap(source_, other.source_);
  std::swap(origin_, other.origin_);
  return *this;
}
Publisher::~Publisher() {
  if (core_ != nullptr) core_->release();
}

PublishResult Publisher::publish(std::string_view topic, Payload payload,
                                 const PublishOptions& options) const {
  if (core_ == nullptr) {
    throw Error(ErrorCode::invalid_argument,
                "publish: the Publisher is empty; make one with bus.publisher()");
  }
  const HeldBlock block(std::move(payload));
  PublishOptions mine = options;
  if (mine.source.empty()) mine.source = source_;
  if (mine.origin == Origin::internal) mine.origin = origin_;
  return core_->publish(topic, block.draft(&mine));
}
PublishResult Publisher::publish(std::string_view topic, Json payload,
                                 const PublishOptions& options) const {
  return publish(topic, Payload::json(std::move(payload)), options);
}

// -- Context --------------------------------------------------------------------------------------

PublishResult Context::publish(std::string_view topic, std::nullptr_t,
                               const EventOptions& options) {
  return publish(topic, Payload(), options);
}

std::stop_token Context::stop_token() const {
  auto& dispatch = const_cast<Dispatch&>(static_cast<const Dispatch&>(*this));
  if (dispatch.call != nullptr) return dispatch.call->stop_source().get_token();
  dispatch.stop_asked.store(true, std::memory_order_relaxed);
  dispatch.adjusted.store(true, std::memory_order_relaxed);
  return core_->watchdog().stop_token(dispatch.frame, dispatch.running());
}

std::string_view Context::subscription() const noexcept {
  const detail::Subscriber* subscriber = static_cast<const Dispatch&>(*this).running();
  if (subscriber == nullptr) return {};
  if (subscriber->extra != nullptr && !subscriber->extra->name.empty())
    return subscriber->extra->name;
  if (subscriber->topic != nullptr) return subscriber->topic->view();
  return subscriber->extra->patterns.front().text();
}

const Clock& Context::clock() const noexcept { return *core_->options().clock; }

bool Context::reply(Payload payload) { return core_->reply(event_->id(), std::move(payload)); }
bool Context::reply(const Json& json) { return reply(Payload::json(json)); }

namespace {

/// Makes what is published on this thread count as caused by a dispatch, also on a thread the
/// handler started.
struct CausedBy {
  explicit CausedBy(Context& context) noexcept : before(detail::thread_locals.current) {
    for (const Dispatch* one = before; one != nullptr; one = one->outer) {
      if (one == &static_cast<Dispatch&>(context)) return;
    }
    detail::thread_locals.current = &static_cast<Dispatch&>(context);
    changed = true;
  }
  CausedBy(const CausedBy&) = delete;
  CausedBy& operator=(const CausedBy&) = delete;
  ~CausedBy() {
    if (changed) detail::thread_locals.current = before;
  }
  Dispatch* before;
  bool changed = false;
};

}  // namespace

PublishResult Context::publish(std::string_view topic, Payload payload,
                               const EventOptions& options) {
  const CausedBy cause(*this);
  const HeldBlock block(std::move(payload));
  return core_->publish(topic, block.draft(&options));
}
PublishResult Context::publish(std::string_view topic, Json payload, const EventOptions& options) {
  return publish(topic, Payload::json(std::move(payload)), options);
}

// -- PublishResult --------------------------------------------------------------------------------

std::string PublishResult::message() const {
  if (ok()) return "ok";
  if (failures.empty()) return std::string(explain(code));
  const DeliveryFailure& first = failures.front();
  std::string text =
      first.subscription != 0 ? quote(first.name) + ": " + first.reason : first.reason;
  if (failures.size() > 1) text += " (and " + std::to_string(failures.size() - 1) + " more)";
  return text;
}

}  // namespace busway
