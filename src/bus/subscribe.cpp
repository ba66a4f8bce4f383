// Subscriptions: checked, registered, ended, listed.
#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/duration_words.hpp"
#include "base/escape.hpp"
#include "base/utf8.hpp"
#include "bus/add_counters.hpp"
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

[[noreturn]] void not_yet(std::string_view field) {
  throw Error(ErrorCode::not_yet, "subscribe: the option " + std::string(field) +
                                      " is not offered yet by this version; leave it unset");
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

/// A pattern in words: what it says, what it is shown as, or what reads the same.
bool is_worded(const Pattern& pattern, std::string_view text, const std::optional<Pattern>& read) {
  return pattern.text() == text || to_string(pattern) == text || (read && pattern == *read);
}

}  // namespace

void refuse_empty_handler() {
  throw Error(ErrorCode::invalid_argument, "subscribe: the handler holds nothing to call");
}

Mode BusCore::mode_of(const SubscriptionOptions& options, const Subscriber& subscriber) const {
  if (subscriber.returns == Returns::when_done) return options.mode.value_or(options_.mode);
  if (options.mode == Mode::sync) {
    bad_option("mode", "sync", "async or unset for a handler that is a coroutine");
  }
  return Mode::async;
}

void BusCore::check_options(const SubscriptionOptions& options,
                            const Subscriber& subscriber) const {
  if (!options.durable.empty()) not_yet("durable");
  if (options.replay.from == Replay::From::sequence) not_yet("replay from a sequence");
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
  extra->name = options.name;
  extra->owner = options.owner;
  extra->filter = options.filter;
  if (options.dedupe) extra->dedupe = std::make_unique<delivery_detail::SeenIds>(*options.dedupe);
  extra->once = options.once;
  extra->retry = options.retry;
  extra->timeout = timeout;
  if (options.breaker) {
    extra->breaker.store(new delivery_detail::Breaker(*options.breaker), std::memory_order_relaxed);
  }
  if (async && !extra->retry) extra->retry = options_.retry;
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
    if (options.replay.from != Replay::From::none) extra->mailbox->hold();
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

  // One exact topic, the usual case, needs no Pattern.
  std::string_view exact;
  std::vector<Pattern> list;
  if (patterns.size() == 1 && patterns[0].pattern() == nullptr &&
      is_plainly_exact(patterns[0].text())) {
    exact = patterns[0].text();
  } else {
    list = read(patterns);
  }
  Text topic;
  if (list.size() == 1 && list.front().kind() == PatternKind::exact) {
    topic = Text(list.front().text());
    exact = topic.view();
    list.clear();
  }
  equip(*subscriber, options, std::move(list));
  const bool replaying = options.replay.from != Replay::From::none;
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
  if (replaying) begin_replay(*subscriber, options.replay);
  return subscriber;
}

/// Live events queue since the subscription was registered; what the history holds goes before
/// them.
void BusCore::begin_replay(Subscriber& subscriber, const Replay& replay) {
  bool cut = false;  // older events may have fallen out of the history
  std::vector<delivery_detail::PastEvent> all = past_events(&cut);  // newest first
  std::vector<delivery_detail::PastEvent> past;
  const auto matches = [&](const Event& event) {
    if (subscriber.topic != nullptr) return subscriber.topic->view() == event.topic();
    return std::any_of(subscriber.extra->patterns.begin(), subscriber.extra->patterns.end(),
                       [&](const Pattern& pattern) { return pattern.matches(event.topic()); });
  };
  for (delivery_detail::PastEvent& one : all) {
    const Event& event = one.event;
    if (replay.from == Replay::From::last && past.size() >= replay.count) {
      cut = false;
      break;
    }
    if (replay.from == Replay::From::since && event.time() < replay.time) {
      cut = false;
      break;
    }
    if (!matches(event)) continue;
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
  {
    const std::lock_guard lock(mutex_);
    if (state_of(subscriber) == SubscriberState::replaying) {
      subscriber.state.store(static_cast<std::uint8_t>(SubscriberState::active),
                             std::memory_order_release);
      subscriber.invoke.store(invoke_of(subscriber), std::memory_order_release);
    }
  }
  if (cut) {
    const std::string name = subscriber_name(subscriber);
    const std::array fields{LogField{"subscription", name}};
    log(LogLevel::warning, "the history does not reach back as far as the replay asked", fields);
  }
  const std::size_t put = subscriber.extra->mailbox->begin_with(past, cut);
  subscriber.extra->sink->replayed.fetch_add(put, std::memory_order_relaxed);
}

bool BusCore::unsubscribe(SubscriptionId id) {
  Subscriber* found = nullptr;
  {
    const std::lock_guard lock(mutex_);
    const std::size_t slot = id & ((std::uint64_t{1} << kSlotBits) - 1);
    if (slot < slots_.size() && slots_[slot] != nullptr && slots_[slot]->id == id) {
      found = slots_[slot];
      detail::retain(found);
    }
  }
  if (found == nullptr) return false;
  const std::array one{found};
  end(one);
  return true;
}

std::size_t BusCore::unsubscribe(const SubscriptionQuery& query) {
  if (query.pattern.empty() && query.owner.empty() && query.name.empty()) {
    throw Error(ErrorCode::invalid_argument,
                "unsubscribe: pattern, owner and name are all empty; give at least one");
  }
  std::optional<Pattern> worded;  // none: no pattern can be made of the text, so none was
  if (!query.pattern.empty()) {
    try {
      worded = Pattern::parse(query.pattern, options_.wildcards);
    } catch (const Error&) {
    }
  }
  std::vector<Subscriber*> found;
  {
    const std::lock_guard lock(mutex_);
    for (Subscriber* one : slots_) {
      if (one == nullptr) continue;
      if (!query.owner.empty() && owner_of(*one) != query.owner) continue;
      if (!query.name.empty() && (one->extra == nullptr || one->extra->name != query.name))
        continue;
      if (!query.pattern.empty()) {
        const bool same =
            one->topic != nullptr
                ? one->topic->view() == query.pattern ||
                      (worded && worded->kind() == PatternKind::exact &&
                       one->topic->view() == worded->text())
                : std::any_of(one->extra->patterns.begin(), one->extra->patterns.end(),
                              [&](const Pattern& pattern) {
                                return is_worded(pattern, query.pattern, worded);
                              });
        if (!same) continue;
      }
      detail::retain(one);
      found.push_back(one);
    }
  }
  end(found);
  return found.size();
}

void BusCore::end(std::span<Subscriber* const> subscribers, Waiting waiting) {
  if (subscribers.empty()) return;
  const bool inside = waiting == Waiting::never || inside_handler();
  std::vector<Subscriber*> ending;  // by this call, and not by another thread
  ending.reserve(subscribers.size());
  Garbage garbage;
  {
    const std::lock_guard lock(mutex_);
    for (Subscriber* one : subscribers) {
      if (state_of(*one) == SubscriberState::ended) continue;
      one->state.store(static_cast<std::uint8_t>(SubscriberState::ended),
                       std::memory_order_release);
      one->invoke.store(&invoke_ended, std::memory_order_release);
      const std::size_t slot = one->id & ((std::uint64_t{1} << kSlotBits) - 1);
      slots_[slot] = nullptr;
      free_slots_.push_back(static_cast<std::uint32_t>(slot));
      --subscription_count_;
      garbage.add(one);  // the registration's reference
      ending.push_back(one);
      if (one->entry != nullptr) {
        unlist_from_route(*one);
        unlink_exact(*one->entry, *one);
        lose_use(*one->entry);
        one->entry = nullptr;
      }
      if (one->extra == nullptr) continue;
      for (const PatternIndex::Handle handle : one->extra->handles) index_.remove(handle);
      one->extra->handles.clear();
      for (const Pattern& pattern : one->extra->patterns) {
        if (pattern.kind() == PatternKind::exact) {
          topic_changed(pattern.text());
        } else {
          wildcard_changed(pattern);
        }
      }
    }
    collect_if_due(garbage);
  }
  for (Subscriber* one : ending) {
    if (one->extra == nullptr || one->extra->mailbox == nullptr) continue;
    one->extra->mailbox->close();
    one->extra->mailbox->request_stop();
    one->extra->sink->drop_retries();
  }
  for (const Subscriber* one : ending) {
    if (one->extra == nullptr || one->extra->mailbox == nullptr) watchdog_.request_stop(one);
  }
  wait_for_calls(subscribers, ending, inside);
  for (Subscriber* one : subscribers) garbage.add(one);
}

/// Passes the barrier once; outside handlers waits for running calls; destroys the callables that
/// nobody runs.
void BusCore::wait_for_calls(std::span<Subscriber* const> all, std::span<Subscriber* const> ending,
                             bool inside) {
  const std::unordered_set<const Subscriber*> ours(all.size() > 8 ? all.begin() : all.end(),
                                                   all.end());
  const auto is_ours = [&](const Subscriber* one) {
    return ours.empty() ? std::find(all.begin(), all.end(), one) != all.end() : ours.contains(one);
  };
  std::unordered_set<const Subscriber*> running;
  std::unordered_set<const Subscriber*> left;  // called within a call that was given up: for ever
  for (int round = 0;; ++round) {
    running.clear();
    left.clear();
    {
      const std::lock_guard lock(mutex_);
      if (round == 0 && !only_this_thread()) platform_detail::heavy_barrier();
      for (const auto& thread : threads_) {
        thread->for_each_frame([&](const Frame& frame) {
          const Subscriber* current = frame.current.load(std::memory_order_seq_cst);
          if (current == nullptr || !is_ours(current)) return;
          (left_behind_.contains(thread->thread) ? left : running).insert(current);
        });
      }
    }
    if (running.empty() || inside) break;
    if (round < 64) {
      std::this_thread::yield();
    } else {
      std::this_thread::sleep_for(std::chrono::microseconds(std::min(round, 1000)));
    }
  }
  for (Subscriber* one : ending) {
    if (running.contains(one) || left.contains(one)) continue;
    if (one->extra != nullptr && one->extra->mailbox != nullptr) {
      auto& mailbox = *one->extra->mailbox;
      if (inside) {
        if (mailbox.on_threads() != 0) continue;
      } else {
        mailbox.wait_idle(delivery_detail::Mailbox::Idle::no_thread,
                          std::chrono::steady_clock::time_point::max());
      }
    }
    // A call that was given up or is suspended goes on with it, and the last of them destroys it.
    if (one->extra != nullptr && has_calls_elsewhere(*one)) {
      one->extra->orphaned.store(true, std::memory_order_seq_cst);
      if (has_calls_elsewhere(*one)) continue;
    }
    end_callable(*one);
  }
  if (inside) return;
  // Those that another thread is ending: their calls are waited for as well.
  for (Subscriber* one : all) {
    if (one->extra != nullptr && one->extra->mailbox != nullptr) {
      one->extra->mailbox->wait_idle(delivery_detail::Mailbox::Idle::no_thread,
                                     std::chrono::steady_clock::time_point::max());
    }
  }
}

void BusCore::pause(Subscriber& subscriber) {
  {
    const std::lock_guard lock(mutex_);
    if (state_of(subscriber) != SubscriberState::active) return;
    subscriber.state.store(static_cast<std::uint8_t>(SubscriberState::paused),
                           std::memory_order_release);
    subscriber.invoke.store(invoke_of(subscriber), std::memory_order_release);
  }
  if (subscriber.extra != nullptr && subscriber.extra->mailbox != nullptr)
    subscriber.extra->mailbox->pause();
}

void BusCore::resume(Subscriber& subscriber) {
  {
    const std::lock_guard lock(mutex_);
    if (state_of(subscriber) != SubscriberState::paused) return;
    subscriber.state.store(static_cast<std::uint8_t>(SubscriberState::active),
                           std::memory_order_release);
    subscriber.invoke.store(invoke_of(subscriber), std::memory_order_release);
  }
  if (subscriber.extra != nullptr && subscriber.extra->mailbox != nullptr)
    subscriber.extra->mailbox->resume();
}

bool BusCore::wait_idle(Subscriber& subscriber, std::chrono::steady_clock::time_point deadline) {
  for (const Dispatch* one = thread_locals.current; one != nullptr; one = one->outer) {
    if (one->running() == &subscriber) return false;  // it would wait for itself
  }
  if (subscriber.extra != nullptr && subscriber.extra->mailbox != nullptr) {
    return subscriber.extra->mailbox->wait_idle(delivery_detail::Mailbox::Idle::no_call, deadline);
  }
  for (int round = 0;; ++round) {
    bool running = false;
    {
      const std::lock_guard lock(mutex_);
      if (!only_this_thread()) platform_detail::heavy_barrier();
      for (const auto& thread : threads_) {
        thread->for_each_frame([&](const Frame& frame) {
          running = running || frame.current.load(std::memory_order_seq_cst) == &subscriber;
        });
      }
    }
    if (!running) return true;
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(std::chrono::microseconds(std::min(round + 1, 1000)));
  }
}

void BusCore::sample(Subscriber& subscriber, std::uint64_t ns) {
  SubscriberExtra* extra = subscriber.extra;
  LatencyHistogram* histogram = extra != nullptr
                                    ? extra->latency.load(std::memory_order_acquire)
                                    : subscriber.plain_latency.load(std::memory_order_acquire);
  if (histogram == nullptr) {
    auto made = std::make_unique<LatencyHistogram>();
    auto& place = extra != nullptr ? extra->latency : subscriber.plain_latency;
    if (place.compare_exchange_strong(histogram, made.get(), std::memory_order_acq_rel)) {
      histogram = made.release();
    }
  }
  histogram->record(ns);
}

std::vector<SubscriptionInfo> BusCore::subscriptions(std::string_view owner) {
  std::vector<SubscriptionInfo> out;
  const std::lock_guard lock(mutex_);
  // What live routes have counted and not folded yet.
  std::unordered_map<const Subscriber*, std::uint64_t> counted;
  const auto add_route = [&](Route& route) {
    settle_credit(route);
    for (const auto& thread : threads_) {
      if (route.index >= thread->counts_size) continue;
      const RouteCount& record = thread->counts[route.index];
      const std::uint64_t key = record.key.load(std::memory_order_relaxed);
      const std::uint64_t count = record.count.load(std::memory_order_relaxed);
      if (key >> 32U != route.serial || count == 0) continue;
      for (std::uint32_t i = 0; i < static_cast<std::uint32_t>(key); ++i) {
        counted[route.subscribers()[i].load(std::memory_order_relaxed)] += count;
      }
    }
  };
  topics_.for_each([&](TopicEntry& entry) {
    if (Route* route = entry.route.load(std::memory_order_relaxed)) add_route(*route);
  });
  for (const Retired& one : retired_) {
    if (one.kind == Retired::Kind::route) add_route(*static_cast<Route*>(one.what));
  }
  for (const Subscriber* one : slots_) {
    if (one == nullptr || (!owner.empty() && owner_of(*one) != owner)) continue;
    SubscriptionInfo info;
    info.id = one->id;
    info.patterns = pattern_texts(*one);
    info.owner = std::string(owner_of(*one));
    info.priority = one->priority;
    const SubscriberExtra* extra = one->extra;
    info.name = extra != nullptr ? extra->name : std::string();
    switch (state_of(*one)) {
      case SubscriberState::active: info.state = SubscriptionInfo::State::active; break;
      case SubscriberState::paused: info.state = SubscriptionInfo::State::paused; break;
      case SubscriberState::replaying: info.state = SubscriptionInfo::State::replaying; break;
      case SubscriberState::ended: info.state = SubscriptionInfo::State::ended; break;
    }
    const delivery_detail::Breaker* const breaker =
        extra != nullptr ? extra->breaker.load(std::memory_order_acquire) : nullptr;
    if (breaker != nullptr) {
      using Breaker = delivery_detail::Breaker;
      const Breaker::State state = breaker->state();
      info.breaker = state == Breaker::State::closed ? BreakerState::closed
                     : state == Breaker::State::open ? BreakerState::open
                                                     : BreakerState::half_open;
      info.breaker_opened = breaker->times_opened();
      info.breaker_refused = breaker->refused();
    }
    if (extra != nullptr) info.abandoned = extra->left_behind.load(std::memory_order_relaxed);
    const LatencyHistogram* latency = extra != nullptr
                                          ? extra->latency.load(std::memory_order_acquire)
                                          : one->plain_latency.load(std::memory_order_acquire);
    if (latency != nullptr) info.latency = latency->quantiles();
    if (extra != nullptr && extra->mailbox != nullptr) {
      info.mode = Mode::async;
      info.queue_capacity = extra->mailbox->options().capacity;
      info.counters = extra->sink->counters(*extra->mailbox);
      // Its filter threw: nothing was queued.
      const std::uint32_t not_queued = one->not_delivered.load(std::memory_order_relaxed);
      info.counters.matched += not_queued;
      info.counters.failed += not_queued;
      info.queued = extra->mailbox->waiting();
      info.retries_waiting = extra->mailbox->waiting_again();
    } else {
      const auto live = counted.find(one);
      const std::uint64_t listed = one->base_matched.load(std::memory_order_relaxed) +
                                   (live != counted.end() ? live->second : 0);
      info.counters.matched =
          listed -
          std::min<std::uint64_t>(listed, one->not_matched.load(std::memory_order_relaxed));
      info.counters.matched += one->async_matched.load(std::memory_order_relaxed);
      // A publish that runs meanwhile may have failed here and not been counted above.
      info.counters.failed = std::min<std::uint64_t>(
          info.counters.matched, one->not_delivered.load(std::memory_order_relaxed));
      info.counters.delivered = info.counters.matched - info.counters.failed;
      if (extra != nullptr) {
        info.counters.retried = extra->retried.load(std::memory_order_relaxed);
        info.counters.timed_out = std::min<std::uint64_t>(
            info.counters.failed, extra->timed_out.load(std::memory_order_relaxed));
        info.counters.failed -= info.counters.timed_out;
      }
    }
    out.push_back(std::move(info));
  }
  std::sort(out.begin(), out.end(),
            [](const SubscriptionInfo& a, const SubscriptionInfo& b) { return a.id < b.id; });
  return out;
}

void BusCore::join_async(Subscriber* subscriber) {
  const std::lock_guard lock(async_mutex_);
  subscriber->extra->async_place = async_.size();
  async_.push_back(subscriber);
}

void BusCore::leave_async(Subscriber* subscriber) noexcept {
  const std::lock_guard lock(async_mutex_);
  SubscriberExtra& extra = *subscriber->extra;
  if (extra.async_place >= async_.size() || async_[extra.async_place] != subscriber) return;
  async_.back()->extra->async_place = extra.async_place;
  std::swap(async_[extra.async_place], async_.back());
  async_.pop_back();
  add_counters(extra.sink->counters(*extra.mailbox), async_folded_);
  async_folded_.in_flight = 0;  // it is gone: what was under way has ended
}

/// Each with a reference more; those about to be freed are left out.
std::vector<Subscriber*> BusCore::with_mailbox() {
  std::vector<Subscriber*> out;
  const std::lock_guard lock(async_mutex_);
  for (Subscriber* one : async_) {
    std::uint32_t references = one->references.load(std::memory_order_relaxed);
    while (references != 0 && !one->references.compare_exchange_weak(references, references + 1,
                                                                     std::memory_order_acq_rel)) {
    }
    if (references != 0) out.push_back(one);
  }
  return out;
}

}  // namespace busway::detail
