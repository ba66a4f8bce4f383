// Subscriptions: checked and registered.
#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <utility>

#include "base/duration_words.hpp"
#include "base/escape.hpp"
#include "base/utf8.hpp"
#include "bus/bus_core.hpp"
#include "bus/coroutine_sink.hpp"
#include "busway/topic_name.hpp"
#include "delivery/retry_schedule.hpp"

namespace busway::detail {
namespace {

[[noreturn]] void bad_option(std::string_view field, const std::string& value,
                             std::string_view right) {
  throw Error(ErrorCode::invalid_option, "subscribe: " + std::string(field) + " is " + value +
                                             "; it is " + std::string(right));
}

/// What a durable subscription cannot be told, and why.
void check_durable(const SubscriptionOptions& options) {
  const auto unset = [](std::string_view field, std::string_view why) {
    throw Error(ErrorCode::invalid_option,
                "subscribe: " + std::string(field) +
                    " goes with no durable subscription: " + std::string(why));
  };
  if (options.mode == Mode::sync) {
    bad_option("mode", "sync",
               "async or unset for a durable subscription: it gets its events from "
               "the store");
  }
  if (options.once) unset("once", "what ends it is remove_durable()");
  if (options.overflow) unset("overflow", "it fetches when there is room, and never overflows");
  if (options.retry && options.retry->total) {
    unset("retry.total", "its retries outlive the process; max_retries bounds them");
  }
}

template <class Enum>
void check_name(std::string_view field, Enum value, Enum last, std::string_view right) {
  if (value > last) bad_option(field, std::to_string(static_cast<unsigned>(value)), right);
}

/// A number that a cast made an enumerator would be taken for some other one further on.
void check_names(const SubscriptionOptions& options) {
  if (options.mode) check_name("mode", *options.mode, Mode::async, "sync (0) or async (1)");
  if (options.overflow) {
    check_name("overflow", *options.overflow, Overflow::drop_newest,
               "reject (0), block (1), drop_oldest (2) or drop_newest (3)");
  }
  check_name("order_by", options.order_by, OrderBy::key, "none (0) or key (1)");
  check_name("replay.from", options.replay.from, Replay::From::beginning,
             "none (0), last (1), since (2), sequence (3) or beginning (4)");
}

void check_texts(const SubscriptionOptions& options) {
  const auto check = [](std::string_view field, std::string_view text) {
    if (text.size() > limits::kTextBytesMax) {
      bad_option(field, std::to_string(text.size()) + " bytes long",
                 "at most " + std::to_string(limits::kTextBytesMax));
    }
    const std::size_t bad = find_invalid_utf8(text);
    if (bad == std::string_view::npos) return;
    bad_option(field, quote(text) + ", which is not valid UTF-8 at byte " + std::to_string(bad),
               "UTF-8 of at most " + std::to_string(limits::kTextBytesMax) + " bytes");
  };
  check("name", options.name);
  check("owner", options.owner);
}

/// beginning and since ask for what there is, and are told that it is not all; last asks for a
/// number.
void check_replay(const Replay& replay, std::size_t history) {
  if (replay.from != Replay::From::last) return;
  if (replay.count == 0) {
    bad_option("replay.count", "0", "1 or more; for no past events leave replay unset");
  }
  if (history == 0) {
    bad_option("replay", "last(" + std::to_string(replay.count) + ')',
               "unset on a bus that keeps no past events: BusOptions: history is 0");
  }
}

/// A name that is plainly an exact topic: letters, digits, _ - / : and single inner dots. Others
/// are read in full.
bool is_plainly_exact(std::string_view text) noexcept {
  if (text.empty() || text.size() > kTopicBytesMax) return false;
  bool after_dot = true;
  for (const char c : text) {
    if (c == '.') {
      if (after_dot) return false;
      after_dot = true;
      continue;
    }
    after_dot = false;
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '_' || c == '-' || c == '/';
    if (!plain) return false;
  }
  return !after_dot;
}

/// Frees a subscriber that was never registered.
struct DiscardUnlessTaken {
  Subscriber* subscriber;
  ~DiscardUnlessTaken() {
    if (subscriber != nullptr) release(subscriber);
  }
};

}  // namespace

void refuse_empty_handler() {
  throw Error(ErrorCode::invalid_argument, "subscribe: the handler holds nothing to call");
}

Mode BusCore::mode_of(const SubscriptionOptions& options, const Subscriber& subscriber) const {
  if (subscriber.returns == Returns::when_done) {
    return !options.durable.empty() ? Mode::async : options.mode.value_or(options_.mode);
  }
  if (options.mode == Mode::sync) {
    bad_option("mode", "sync", "async or unset for a handler that is a coroutine");
  }
  return Mode::async;
}

void BusCore::check_options(const SubscriptionOptions& options,
                            const Subscriber& subscriber) const {
  if (!options.durable.empty()) check_durable(options);
  if (options.durable.empty() && options.replay.from == Replay::From::sequence) {
    bad_option("replay", "from a sequence",
               "last, since or beginning for a subscription that is not durable");
  }
  check_names(options);
  check_texts(options);
  check_replay(options.replay, options_.history);
  const bool async = mode_of(options, subscriber) == Mode::async;
  if (options.retry) {
    delivery_detail::check_retry(*options.retry, async ? Mode::async : Mode::sync);
    if (options.retry->order == RetryOrder::strict && options.concurrency > 1 &&
        options.order_by != OrderBy::key) {
      bad_option("retry.order", "strict with concurrency " + std::to_string(options.concurrency),
                 "strict with concurrency 1, or with order_by key");
    }
  }
  if (options.breaker) delivery_detail::check_breaker(*options.breaker);
  if (options.queue_capacity > limits::kQueueMax) {
    bad_option("queue_capacity", std::to_string(options.queue_capacity),
               "1 to " + std::to_string(limits::kQueueMax) + ", or 0 for the bus's default");
  }
  if (options.concurrency == 0 || options.concurrency > limits::kConcurrencyMax) {
    bad_option("concurrency", std::to_string(options.concurrency),
               "1 to " + std::to_string(limits::kConcurrencyMax));
  }
  if (options.block_timeout < std::chrono::nanoseconds::zero()) {
    bad_option("block_timeout", duration_words(options.block_timeout), "0 or longer");
  }
  if (options.timeout && *options.timeout <= std::chrono::nanoseconds::zero()) {
    bad_option("timeout", duration_words(*options.timeout),
               "longer than 0; nanoseconds::max() for none");
  }
  if (options.dedupe && *options.dedupe <= std::chrono::nanoseconds::zero()) {
    bad_option("dedupe", duration_words(*options.dedupe),
               "longer than 0: the window in which an id counts as seen");
  }
  if (async) return;
  const auto async_only = [](std::string_view field) {
    throw Error(ErrorCode::invalid_option,
                "subscribe: " + std::string(field) +
                    " needs mode async: a synchronous handler runs on the "
                    "publisher's thread and has no mailbox");
  };
  if (options.executor != nullptr) async_only("executor");
  if (options.queue_capacity != 0) async_only("queue_capacity");
  if (options.overflow) async_only("overflow");
  if (options.concurrency != 1) async_only("concurrency");
  if (options.order_by != OrderBy::none) async_only("order_by");
  if (options.replay.from != Replay::From::none) async_only("replay");
}

Pattern BusCore::read(const PatternArg& argument) const {
  Pattern pattern = argument.pattern() == nullptr
                        ? Pattern::parse(argument.text(), options_.wildcards)
                        : *argument.pattern();
  if (pattern.kind() == PatternKind::exact) {
    if (const auto fault = check_topic(pattern.text())) {
      throw Error(ErrorCode::invalid_pattern,
                  "the exact pattern " + quote(pattern.text()) + " can match no topic: " + *fault);
    }
  }
  return pattern;
}

std::vector<Pattern> BusCore::read(const Patterns& patterns) const {
  if (patterns.size() == 0) {
    throw Error(ErrorCode::invalid_pattern, "the list of patterns is empty; name at least one");
  }
  if (patterns.size() > limits::kPatternsPerSubscriptionMax) {
    throw Error(ErrorCode::too_many, "a list of " + std::to_string(patterns.size()) +
                                         " patterns; at most " +
                                         std::to_string(limits::kPatternsPerSubscriptionMax) +
                                         " belong to one subscription");
  }
  std::vector<Pattern> out;
  out.reserve(patterns.size());
  for (std::size_t i = 0; i < patterns.size(); ++i) {
    Pattern pattern = read(patterns[i]);
    if (std::find(out.begin(), out.end(), pattern) == out.end()) out.push_back(std::move(pattern));
  }
  return out;
}

/// Gives a subscription what a plain one does not need.
void BusCore::equip(Subscriber& subscriber, const SubscriptionOptions& options,
                    std::vector<Pattern> patterns) {
  const bool async = mode_of(options, subscriber) == Mode::async;
  std::optional<std::chrono::nanoseconds> timeout = options.timeout;
  if (!timeout && async) timeout = limits::kAsyncTimeoutDefault;
  if (timeout == std::chrono::nanoseconds::max()) timeout.reset();
  if (patterns.empty() && options.name.empty() && options.owner.empty() && !options.filter &&
      !options.dedupe && !options.once && !options.retry && !options.breaker && !timeout &&
      !async) {
    return;
  }
  auto extra = std::make_unique<SubscriberExtra>();
  extra->patterns = std::move(patterns);
  extra->name = options.name.empty() ? options.durable : options.name;
  extra->owner = options.owner;
  extra->filter = options.filter;
  if (options.dedupe) extra->dedupe = std::make_unique<delivery_detail::SeenIds>(*options.dedupe);
  extra->once = options.once;
  extra->retry = options.retry;
  if (options.breaker) {
    extra->breaker.store(new delivery_detail::Breaker(*options.breaker), std::memory_order_relaxed);
  }
  if (async && !extra->retry) extra->retry = options_.retry;
  // No attempt is given longer than all of them together.
  if (timeout && extra->retry && extra->retry->total) {
    timeout = std::min(*timeout, *extra->retry->total);
  }
  extra->timeout = timeout;
  // While the one event waits for a retry no other may take its place.
  if (options.once && extra->retry) extra->retry->order = RetryOrder::strict;
  if (async) {
    const delivery_detail::MailboxOptions mailbox{
        .capacity = options.queue_capacity != 0 ? options.queue_capacity : options_.queue_capacity,
        .overflow = options.overflow.value_or(options_.overflow),
        .block_timeout = options.block_timeout,
        // One event needs one call.
        .concurrency = options.once ? 1 : options.concurrency,
        .order_by = options.once ? OrderBy::none : options.order_by,
        .timeout = timeout.value_or(std::chrono::nanoseconds::max()),
        .may_suspend = subscriber.returns == Returns::suspended};
    const std::shared_ptr<Executor>& executor =
        options.executor != nullptr ? options.executor : options_.executor;
    if (mailbox.may_suspend) {
      extra->sink = std::make_unique<CoroutineSink>(subscriber, executor);
    } else {
      extra->sink = std::make_unique<SubscriberSink>(subscriber);
    }
    extra->mailbox = std::make_unique<delivery_detail::Mailbox>(
        *extra->sink, mailbox, executor == nullptr ? &pool() : nullptr, executor);
    if (options.replay.from != Replay::From::none && options.durable.empty()) {
      extra->replays = true;
      extra->mailbox->hold();
    }
  }
  subscriber.extra = extra.release();
}

Subscriber* BusCore::subscribe(Subscriber* subscriber, const Patterns& patterns,
                               const SubscriptionOptions& options) {
  DiscardUnlessTaken discard{subscriber};
  subscriber->core = this;
  retain();
  check_options(options, *subscriber);
  subscriber->priority = options.priority;

  // One exact topic, the usual case, needs no Pattern. A durable one tells its store.
  const bool durable = !options.durable.empty();
  std::string_view exact;
  std::vector<Pattern> list;
  if (!durable && patterns.size() == 1 && patterns[0].pattern() == nullptr &&
      is_plainly_exact(patterns[0].text())) {
    exact = patterns[0].text();
  } else {
    list = read(patterns);
  }
  Text topic;
  if (!durable && list.size() == 1 && list.front().kind() == PatternKind::exact) {
    topic = Text(list.front().text());
    exact = topic.view();
    list.clear();
  }
  equip(*subscriber, options, std::move(list));
  if (durable) open_durable(*subscriber, options);
  const bool replaying = !durable && options.replay.from != Replay::From::none;
  subscriber->state.store(
      static_cast<std::uint8_t>(replaying ? SubscriberState::replaying : SubscriberState::active),
      std::memory_order_relaxed);
  subscriber->invoke.store(invoke_of(*subscriber), std::memory_order_relaxed);

  Garbage garbage;
  {
    const std::lock_guard lock(mutex_);
    if ((gate_.load(std::memory_order_relaxed) & (kClosed | kStopped | kStopping)) != 0) {
      throw Error(ErrorCode::stopped, "subscribe: the bus has stopped or is stopping");
    }
    TopicEntry* entry = exact.empty() ? nullptr : entry_of(exact, garbage);
    std::uint32_t slot = 0;
    if (free_slots_.empty()) {
      if (slots_.size() >= (std::size_t{1} << kSlotBits)) {
        throw Error(ErrorCode::too_many, "subscribe: a bus holds at most 16777216 subscriptions");
      }
      slot = static_cast<std::uint32_t>(slots_.size());
      slots_.push_back(nullptr);
    } else {
      slot = free_slots_.back();
      free_slots_.pop_back();
    }
    subscriber->id = next_sequence_++ << kSlotBits | slot;
    if (subscriber->extra != nullptr) {
      SubscriberExtra& extra = *subscriber->extra;
      if (extra.mailbox != nullptr) join_async(subscriber);
      for (const Pattern& pattern : extra.patterns) {
        extra.handles.push_back(
            index_.add(pattern, reinterpret_cast<PatternIndex::Value>(subscriber)));
        if (pattern.kind() == PatternKind::exact) {
          topic_changed(pattern.text());
        } else {
          wildcard_changed(pattern);
        }
      }
    }
    if (entry != nullptr) {
      subscriber->topic = entry->text;
      acquire(subscriber->topic);
      gain_use(*entry);
      link_exact(*entry, *subscriber);
      list_into_route(*entry, *subscriber);
    }
    slots_[slot] = subscriber;
    ++subscription_count_;
    detail::retain(subscriber);  // one for the registration, one for the caller
    collect_if_due(garbage);
  }
  discard.subscriber = nullptr;
  if (durable) link()->feeds().add(subscriber->extra->feed);
  if (replaying) begin_replay(*subscriber, options.replay);
  return subscriber;
}

/// Opens its name at the store, and makes what carries its events here.
void BusCore::open_durable(Subscriber& subscriber, const SubscriptionOptions& options) {
  SubscriberExtra& extra = *subscriber.extra;
  DurableSpec spec{.name = options.durable,
                   .patterns = extra.patterns,
                   .start = options.replay,
                   .order = DurableOrder::relaxed,
                   .on_change = options.on_change,
                   .lease = options.lease};
  if (extra.retry && extra.retry->order == RetryOrder::strict) {
    spec.order = DurableOrder::strict;
  } else if (options.order_by == OrderBy::key) {
    spec.order = DurableOrder::key;
  }
  busway::check_durable(spec);
  StoreLink& store = link_or_make();
  // In memory there is nothing to come back to, so what nobody listens to is not kept.
  if (options_.opened_store == nullptr && !options_.keep &&
      store.store().info().durability == Durability::memory) {
    keep_also(spec.patterns);
  }
  store.feeds().begin();  // what fails in it fails before anything is there
  extra.feed = std::make_shared<DurableFeed>(store.feeds(), subscriber, store.store().open(spec),
                                             spec, extra.mailbox->options().capacity);
}

/// Live events queue since the subscription was registered; what the history holds goes before
/// them.
void BusCore::begin_replay(Subscriber& subscriber, const Replay& replay) {
  bool cut = false;  // older events may have fallen out of the history
  std::vector<Pattern> patterns = subscriber.extra->patterns;
  if (subscriber.topic != nullptr) patterns = {Pattern::exact(subscriber.topic->view())};
  StoreLink* const store = link();
  if (store != nullptr && store->keeps_any() && replay.from != Replay::From::last) {
    return begin_paged_replay(subscriber, replay, std::move(patterns));
  }
  // Newest first. What a filter rejects does not count among the last n.
  const bool counted = replay.from == Replay::From::last && !subscriber.extra->filter;
  std::vector<delivery_detail::PastEvent> all =
      past_events_of(patterns, counted ? replay.count : 0,
                     replay.from == Replay::From::since ? replay.time : WallTime{}, &cut);
  // The oldest that is kept tells how far the history reaches back.
  if (replay.from == Replay::From::since && !all.empty() && all.back().event.time() < replay.time) {
    cut = false;
  }
  std::vector<delivery_detail::PastEvent> past;
  for (delivery_detail::PastEvent& one : all) {
    const Event& event = one.event;
    if (replay.from == Replay::From::last && past.size() >= replay.count) {
      cut = false;
      break;
    }
    // Stamps may be out of order: one that is older says nothing of those behind it.
    if (replay.from == Replay::From::since && event.time() < replay.time) continue;
    try {
      if (subscriber.extra->filter && !subscriber.extra->filter(event)) continue;
    } catch (...) {
      continue;
    }
    if (subscriber.extra->dedupe != nullptr &&
        subscriber.extra->dedupe->seen(event.id(), steady_now().time_since_epoch().count())) {
      continue;
    }
    past.push_back(std::move(one));
  }
  if (replay.from == Replay::From::last && past.size() >= replay.count) cut = false;
  std::reverse(past.begin(), past.end());
  end_replay_state(subscriber);
  if (cut) warn_of_cut(subscriber);
  const std::size_t put = subscriber.extra->mailbox->begin_with(past, cut);
  subscriber.extra->sink->replayed.fetch_add(put, std::memory_order_relaxed);
}

void BusCore::end_replay_state(Subscriber& subscriber) {
  const std::lock_guard lock(mutex_);
  if (state_of(subscriber) != SubscriberState::replaying) return;
  subscriber.state.store(static_cast<std::uint8_t>(SubscriberState::active),
                         std::memory_order_release);
  subscriber.invoke.store(invoke_of(subscriber), std::memory_order_release);
}

void BusCore::warn_of_cut(const Subscriber& subscriber) {
  const std::string name = subscriber_name(subscriber);
  const std::array fields{LogField{"subscription", name}};
  log(LogLevel::warning, "the history does not reach back as far as the replay asked", fields);
}

}  // namespace busway::detail
