// Past events once more: into a prefix of topics, or into one subscription.
#include "bus/replaying.hpp"

#include <algorithm>
#include <cmath>
#include <exception>
#include <iterator>
#include <limits>
#include <utility>

#include "base/escape.hpp"
#include "bus/bus_core.hpp"
#include "busway/limits.hpp"
#include "busway/topic_name.hpp"

namespace busway::detail {
namespace {

constexpr std::size_t kReplayPage = 256;
/// Sequences that one question to the store is about, so that a stop is noticed also where few
/// match.
constexpr std::uint64_t kReplayWindow = 65'536;
constexpr auto kLookForRoom = std::chrono::milliseconds(1);
constexpr auto kLookForStop = std::chrono::milliseconds(50);
/// So many groups a second where there is a rate.
constexpr double kGroupsASecond = 20;

[[noreturn]] void bad_request(std::string_view field, const std::string& value,
                              std::string_view right) {
  throw Error(ErrorCode::invalid_option,
              "replay: " + std::string(field) + " is " + value + "; it is " + std::string(right));
}

bool any_matches(const std::vector<Pattern>& patterns, std::string_view topic) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [topic](const Pattern& one) { return one.matches(topic); });
}

/// Those of a subscription; one that listens to one topic alone has none of its own.
std::vector<Pattern> patterns_of(const Subscriber& one) {
  if (one.topic != nullptr) return {Pattern::exact(one.topic->view())};
  return one.extra->patterns;
}

/// References that end with the list.
struct Listeners {
  explicit Listeners(std::vector<Subscriber*> list) : all(std::move(list)) {}
  Listeners(const Listeners&) = delete;
  Listeners& operator=(const Listeners&) = delete;
  ~Listeners() {
    for (Subscriber* const one : all) release(one);
  }
  std::vector<Subscriber*> all;
};

/// The instance that publishes it is this one; all else stays.
RareFields* without_instance(const RareFields& rare) {
  RareValues values;
  for (std::size_t i = 0; i < kRareTexts; ++i)
    values.texts[i] = rare.text(static_cast<RareText>(i));
  values[RareText::instance_id] = {};
  values.metadata = rare.metadata;
  values.extensions = rare.extensions;
  return RareFields::make(std::move(values));
}

bool waits_for(const Subscriber& one) {
  return one.extra->feed == nullptr && state_of(one) == SubscriberState::active;
}

}  // namespace

Replaying::Replaying(BusCore& core, const ReplayRequest& request, std::vector<Pattern> patterns)
    : core_(core), request_(request), patterns_(std::move(patterns)) {
  check();
  StoreLink* const link = core_.link();
  is_stored_ = link != nullptr;
  find_target();
  try {
    find_range();
    if (durable_.empty()) remember();
  } catch (...) {
    if (subscriber_ != nullptr) release(subscriber_);
    throw;
  }
}

Replaying::~Replaying() {
  if (subscriber_ != nullptr) release(subscriber_);
}

// -- What is asked for ----------------------------------------------------------------------------

void Replaying::check() const {
  const double rate = request_.events_per_second;
  if (request_.act > ReplayRequest::Act::count) {
    bad_request("act", std::to_string(static_cast<unsigned>(request_.act)),
                "replay (0) or count (1)");
  }
  if (!(rate >= 0) || std::isinf(rate)) {
    bad_request("events_per_second", std::to_string(rate),
                "more than 0, or 0 for as fast as it goes");
  }
  const auto& from = request_.from;
  const auto& to = request_.to;
  for (const auto* const point : {&from, &to}) {
    if (*point && (*point)->at == ReplayPoint::At::sequence && core_.link() == nullptr) {
      bad_request(point == &from ? "from" : "to", "sequence " + std::to_string((*point)->position),
                  "a time or an event on a bus without a store");
    }
  }
  if (from && to && from->at == ReplayPoint::At::time && to->at == ReplayPoint::At::time &&
      from->moment > to->moment) {
    bad_request("from", "later than to", "not later than it");
  }
  if (request_.into.kind != ReplayInto::Kind::prefix) return;
  if (request_.into.text.empty()) {
    bad_request("the prefix", "empty",
                "what each topic is to begin with, such as \"again.\"; without one the events "
                "would come to those who have had them");
  }
  // With any topic behind it.
  if (const auto fault = check_topic(request_.into.text + 'a')) {
    throw Error(ErrorCode::invalid_topic, "replay: the prefix " + quote(request_.into.text) +
                                              " is the beginning of no topic: " + *fault);
  }
}

void Replaying::find_target() {
  switch (request_.into.kind) {
    case ReplayInto::Kind::prefix: return;
    case ReplayInto::Kind::durable: return find_durable(request_.into.text);
    case ReplayInto::Kind::subscription: break;
    case ReplayInto::Kind::nothing:
    default: bad_request("into", "not given", "ReplayInto::prefix(), subscription() or durable()");
  }
  const SubscriptionId id = request_.into.subscription_id;
  {
    const std::lock_guard lock(core_.mutex_);
    subscriber_ = core_.find(id);
    if (subscriber_ != nullptr) retain(subscriber_);
  }
  if (subscriber_ == nullptr) {
    throw Error(ErrorCode::not_found, "replay: the bus has no subscription " + std::to_string(id));
  }
  const SubscriberExtra* const extra = subscriber_->extra;
  if (extra != nullptr && extra->mailbox != nullptr && extra->feed == nullptr) {
    listens_ = patterns_of(*subscriber_);
    return;
  }
  const bool is_durable = extra != nullptr && extra->feed != nullptr;
  const std::string name = is_durable ? extra->feed->name() : subscriber_name(*subscriber_);
  release(std::exchange(subscriber_, nullptr));
  if (is_durable) return find_durable(name);
  bad_request("into", "the synchronous subscription " + quote(name),
              "an asynchronous one: a synchronous handler runs on a publisher's thread");
}

void Replaying::find_durable(const std::string& name) {
  if (core_.link() != nullptr) {
    for (DurableInfo& one : core_.link()->store().durables()) {
      if (one.name != name) continue;
      durable_ = name;
      listens_ = std::move(one.patterns);
      return;
    }
  }
  throw Error(ErrorCode::not_found,
              "replay: there is no durable subscription " + quote(name) + "; open it once first");
}

std::uint64_t Replaying::sequence_of(const EventId& id) const {
  const std::optional<StoredEvent> found = core_.link()->store().find(id);
  if (found) return found->sequence;
  throw Error(ErrorCode::not_found, "replay: the store has no event " + to_string(id));
}

/// Of a store: the bound is what there is now.
void Replaying::find_range() {
  using At = ReplayPoint::At;
  if (!is_stored_) return;
  Store& store = core_.link()->store();
  const StorePage oldest = store.read({.limit = 1});
  const StorePage newest =
      store.read({.direction = StoreQuery::Direction::newest_first, .limit = 1});
  query_.patterns = patterns_;
  query_.limit = kReplayPage;
  if (!oldest.events.empty()) query_.after = oldest.events.front().sequence - 1;
  if (!newest.events.empty()) last_ = newest.events.front().sequence;
  const auto position = [&](const ReplayPoint& point) {
    return point.at == At::event ? sequence_of(point.id) : point.position;
  };
  std::uint64_t first = 0;
  if (const auto& from = request_.from) {
    if (from->at == At::time) {
      query_.since = from->moment;
    } else {
      first = position(*from);
      query_.after = std::max(query_.after, first - std::min<std::uint64_t>(first, 1));
    }
  }
  if (const auto& to = request_.to) {
    if (to->at == At::time) {
      query_.until =
          to->moment == WallTime::max() ? to->moment : to->moment + WallTime::duration(1);
    } else {
      const std::uint64_t last = position(*to);
      if (first > last) {
        bad_request("from", "sequence " + std::to_string(first),
                    "not beyond to, which is " + std::to_string(last));
      }
      last_ = std::min(last_, last);
    }
  }
}

/// What the bus remembers and no store has.
void Replaying::remember() {
  using At = ReplayPoint::At;
  const auto is_place = [](const auto& point) { return point && point->at != At::time; };
  StoreLink* const link = core_.link();
  if (is_stored_ && (is_place(request_.from) || is_place(request_.to) || link->keeps_all())) {
    return;
  }
  std::vector<delivery_detail::PastEvent> past = core_.past_events(nullptr);
  std::reverse(past.begin(), past.end());
  const auto place_of = [&](const ReplayPoint& point) {
    const auto found = std::find_if(past.begin(), past.end(),
                                    [&](const auto& one) { return one.event.id() == point.id; });
    if (found == past.end()) {
      throw Error(ErrorCode::not_found,
                  "replay: the bus does not remember the event " + to_string(point.id));
    }
    return static_cast<std::size_t>(found - past.begin());
  };
  const std::size_t first = is_place(request_.from) ? place_of(*request_.from) : 0;
  const std::size_t end = is_place(request_.to) ? place_of(*request_.to) + 1 : past.size();
  if (first >= end && end != past.size()) bad_request("from", "later than to", "not later than it");
  const auto fits = [&](const Event& event) {
    if (request_.from && !is_place(request_.from) && event.time() < request_.from->moment) {
      return false;
    }
    if (request_.to && !is_place(request_.to) && event.time() > request_.to->moment) return false;
    if (!any_matches(patterns_, event.topic())) return false;
    return !is_stored_ ||
           (!link->keeps_topic(event.topic()) && !link->store().find(event.id()).has_value());
  };
  for (std::size_t i = first; i < end; ++i) {
    if (fits(past[i].event)) remembered_.push_back({std::move(past[i].event), 0, 0});
  }
}

// -- The past, page by page -----------------------------------------------------------------------

std::vector<StoredEvent> Replaying::next_page() {
  std::vector<StoredEvent> events;
  bool is_last = true;
  if (is_stored_ && query_.after < last_) {
    query_.up_to = last_ - query_.after > kReplayWindow ? query_.after + kReplayWindow : last_;
    StorePage page = core_.link()->store().read(query_);
    result_.corrupt += page.set_aside;
    query_.after = page.more ? page.next : *query_.up_to;
    is_last = query_.after >= last_;
    events = std::move(page.events);
  }
  merge_remembered(events, is_last);
  more_ = !is_last || next_remembered_ != remembered_.size();
  return events;
}

/// By time, as far as the page goes.
void Replaying::merge_remembered(std::vector<StoredEvent>& page, bool is_last) {
  if (next_remembered_ == remembered_.size()) return;
  const auto by_time = [](const StoredEvent& a, const StoredEvent& b) {
    return a.event.time() < b.event.time();
  };
  const auto begin = remembered_.begin() + static_cast<std::ptrdiff_t>(next_remembered_);
  auto end = begin;
  if (is_last) {
    const std::size_t left = remembered_.size() - next_remembered_;
    end = begin + static_cast<std::ptrdiff_t>(std::min(left, kReplayPage));
  } else if (!page.empty()) {
    end = std::find_if(begin, remembered_.end(),
                       [&](const StoredEvent& one) { return by_time(page.back(), one); });
  }
  next_remembered_ += static_cast<std::size_t>(end - begin);
  std::vector<StoredEvent> merged;
  std::merge(std::make_move_iterator(page.begin()), std::make_move_iterator(page.end()),
             std::make_move_iterator(begin), std::make_move_iterator(end),
             std::back_inserter(merged), by_time);
  page.swap(merged);
}

ReplayResult Replaying::run() {
  begun_ = core_.steady_now();
  std::optional<End> end;
  try {
    while (!end && more_) {
      end = asked_to_end();
      if (!end) end = replay(next_page());
      if (request_.progress) request_.progress(result_);
    }
  } catch (const Error& error) {
    end = error.code() == ErrorCode::stopped || error.code() == ErrorCode::not_found ? End::stopped
                                                                                     : End::failed;
    result_.error = error.what();
  }
  result_.end = end.value_or(End::all);
  return std::move(result_);
}

std::optional<ReplayResult::End> Replaying::asked_to_end() const {
  constexpr std::uint32_t kEnding =
      BusCore::kDisabled | BusCore::kStopping | BusCore::kStopped | BusCore::kClosed;
  if (request_.stop.stop_requested()) return End::cancelled;
  if ((core_.gate_.load(std::memory_order_acquire) & kEnding) != 0) return End::stopped;
  if (subscriber_ != nullptr && state_of(*subscriber_) == SubscriberState::ended) {
    return End::stopped;
  }
  return std::nullopt;
}

std::optional<ReplayResult::End> Replaying::replay(Part page) {
  while (!page.empty()) {
    if (request_.limit != 0 && result_.replayed >= request_.limit) return End::limit;
    std::optional<End> end;
    const std::size_t count = room_for(page, end);
    if (count == 0) return end;
    const Part part = page.first(count);
    if (request_.into.kind == ReplayInto::Kind::prefix) {
      end = publish(part);
    } else {
      end = durable_.empty() ? hand_over(part) : give_to_durable(part);
    }
    if (end) return end;
    page = page.subspan(count);
    if (!page.empty() && request_.progress) request_.progress(result_);
  }
  return std::nullopt;
}

void Replaying::dealt_with(const StoredEvent& one) {
  if (one.sequence != 0) result_.last_sequence = one.sequence;
  result_.last_id = one.event.id();
}

void Replaying::refuse(ErrorCode code, const std::string& reason) {
  for (ReplayResult::Refused& known : result_.refused) {
    if (known.code != code) continue;
    ++known.count;
    return;
  }
  result_.refused.push_back({code, 1, reason});
}

// -- Not too fast ---------------------------------------------------------------------------------

std::size_t Replaying::room_for(Part part, std::optional<End>& end) {
  std::uint64_t count = part.size();
  if (request_.limit != 0) count = std::min(count, request_.limit - result_.replayed);
  if (request_.events_per_second > 0 && !only_counts()) {
    end = wait_for_rate();
    if (end) return 0;
    const double group = std::max(1.0, request_.events_per_second / kGroupsASecond);
    if (group < static_cast<double>(count)) count = static_cast<std::uint64_t>(group);
  }
  part = part.first(static_cast<std::size_t>(count));
  if (!durable_.empty() || only_counts()) return part.size();
  if (subscriber_ == nullptr) {
    end = wait_for_listeners(part);
    if (end) return 0;
    // What has had no room for so long gets its answer as any publish does.
    const std::size_t room = room_of_listeners(part);
    return room == 0 ? part.size() : room;
  }
  for (;;) {
    const delivery_detail::Mailbox& mailbox = *subscriber_->extra->mailbox;
    const std::size_t waiting = mailbox.waiting();
    const std::size_t capacity = mailbox.options().capacity;
    if (waiting < capacity) return std::min(part.size(), capacity - waiting);
    end = wait_a_little();
    if (end) return 0;
  }
}

/// The least of what the queues have that the part will go to.
std::size_t Replaying::room_of_listeners(Part part) const {
  std::size_t room = part.size();
  const Listeners listeners(core_.with_mailbox());
  std::vector<std::string> topics;
  for (const StoredEvent& one : part) {
    std::string topic = request_.into.text + std::string(one.event.topic());
    if (topics.empty() || topics.back() != topic) topics.push_back(std::move(topic));
  }
  for (const Subscriber* const one : listeners.all) {
    if (!waits_for(*one)) continue;
    const delivery_detail::Mailbox& mailbox = *one->extra->mailbox;
    const std::size_t waiting = mailbox.waiting();
    const std::size_t capacity = mailbox.options().capacity;
    const std::size_t free = capacity - std::min(capacity, waiting);
    if (free >= room) continue;
    const std::vector<Pattern> patterns = patterns_of(*one);
    if (std::any_of(topics.begin(), topics.end(),
                    [&](const std::string& topic) { return any_matches(patterns, topic); })) {
      room = free;
    }
  }
  return room;
}

/// As a publisher that `block` holds, but for all overflows: a replay is in no hurry.
std::optional<ReplayResult::End> Replaying::wait_for_listeners(Part part) {
  const auto deadline = std::chrono::steady_clock::now() + limits::kReplayWaitsForRoom;
  while (room_of_listeners(part) == 0 && std::chrono::steady_clock::now() < deadline) {
    if (const auto end = asked_to_end()) return end;
    if (BusCore::inside_handler()) return std::nullopt;
    Executor& own = core_.executor();
    if (own.pumped_by_this_thread()) {
      if (!own.run_one_here()) return std::nullopt;
      continue;
    }
    std::this_thread::sleep_for(kLookForRoom);
  }
  return std::nullopt;
}

/// Until the subscription may have room.
std::optional<ReplayResult::End> Replaying::wait_a_little() {
  using delivery_detail::Mailbox;
  if (const auto end = asked_to_end()) return end;
  if (BusCore::inside_handler()) return End::no_room;
  Mailbox& mailbox = *subscriber_->extra->mailbox;
  Executor& where = mailbox.executor();
  if (where.pumped_by_this_thread()) {
    if (!where.run_one_here()) return End::no_room;
  } else {
    (void)mailbox.wait_idle(Mailbox::Idle::empty, std::chrono::steady_clock::now() + kLookForRoom);
  }
  return std::nullopt;
}

std::optional<ReplayResult::End> Replaying::wait_for_rate() {
  const std::chrono::duration<double> since(static_cast<double>(result_.replayed) /
                                            request_.events_per_second);
  const auto due = begun_ + std::chrono::duration_cast<std::chrono::nanoseconds>(since);
  for (auto now = core_.steady_now(); now < due; now = core_.steady_now()) {
    if (const auto end = asked_to_end()) return end;
    if (!core_.sleep_until(std::min<SteadyTime>(due, now + kLookForStop))) {
      const auto end = asked_to_end();
      return end ? end : End::no_room;
    }
  }
  return std::nullopt;
}

// -- Into a prefix --------------------------------------------------------------------------------

/// No value: it is not to be published, and the result says why.
std::optional<Event> Replaying::again(const Event& original) {
  if (original.topic().starts_with(request_.into.text)) {
    ++result_.skipped;
    return std::nullopt;
  }
  const std::string topic = request_.into.text + std::string(original.topic());
  if (const auto fault = check_topic(topic)) {
    refuse(ErrorCode::invalid_topic, *fault);
    return std::nullopt;
  }
  const unsigned hops = original.hops() + 1U;
  if (hops > core_.options().max_hops) {
    refuse(ErrorCode::hop_limit, quote(topic) + " would be hop " + std::to_string(hops) +
                                     "; max_hops is " + std::to_string(core_.options().max_hops));
    return std::nullopt;
  }
  Event event = original.with_topic(topic);
  EventAccess::set_id(event, core_.make_id());
  EventAccess::set_time(event, core_.wall_ns());
  EventAccess::set_cause(event, original.id(), static_cast<std::uint16_t>(hops));
  if (const RareFields* const rare = EventAccess::rare(event)) {
    EventAccess::adopt_rare(event, without_instance(*rare));
  }
  return event;
}

std::optional<ReplayResult::End> Replaying::publish(Part part) {
  std::vector<Event> events;
  std::vector<const StoredEvent*> originals;
  events.reserve(part.size());
  for (const StoredEvent& one : part) {
    if (std::optional<Event> event = again(one.event)) {
      events.push_back(std::move(*event));
      originals.push_back(&one);
    }
  }
  if (only_counts()) {
    result_.replayed += events.size();
    dealt_with(part.back());
    return std::nullopt;
  }
  const std::vector<PublishResult> results = core_.publish_batch(events);
  std::size_t lost = 0;
  for (std::size_t i = 0; i < results.size(); ++i) {
    const PublishResult& one = results[i];
    if (one.code == ErrorCode::stopped || one.code == ErrorCode::disabled) return End::stopped;
    dealt_with(*originals[i]);
    if (one.code == ErrorCode::ok) {
      ++result_.replayed;
      result_.failures += one.failures.size();
      continue;
    }
    const bool is_lost = one.code == ErrorCode::not_stored || one.code == ErrorCode::store_unknown;
    lost += is_lost ? 1 : 0;
    refuse(one.code,
           one.failures.empty() ? std::string(explain(one.code)) : one.failures.front().reason);
    if (is_lost && result_.error.empty()) result_.error = result_.refused.back().reason;
  }
  if (!results.empty() && lost == results.size()) return End::failed;
  dealt_with(part.back());
  return std::nullopt;
}

// -- Into a subscription --------------------------------------------------------------------------

bool Replaying::listens_to(std::string_view topic) const { return any_matches(listens_, topic); }

std::optional<ReplayResult::End> Replaying::hand_over(Part part) {
  SubscriberExtra& extra = *subscriber_->extra;
  const auto wants = [&](const Event& event) {
    if (!listens_to(event.topic())) return false;
    if (only_counts()) return true;
    try {
      if (extra.filter && !extra.filter(event)) return false;
    } catch (const std::exception&) {
      return false;
    }
    return extra.dedupe == nullptr ||
           !extra.dedupe->seen(event.id(), core_.steady_now().time_since_epoch().count());
  };
  for (const StoredEvent& one : part) {
    if (!wants(one.event)) {
      ++result_.skipped;
    } else if (only_counts()) {
      ++result_.replayed;
    } else if (extra.mailbox->push_redriven(one.event, nullptr) !=
               delivery_detail::Pushed::accepted) {
      return End::stopped;
    } else {
      extra.sink->replayed.fetch_add(1, std::memory_order_relaxed);
      ++result_.replayed;
    }
    dealt_with(one);
  }
  return std::nullopt;
}

std::optional<ReplayResult::End> Replaying::give_to_durable(Part part) {
  std::vector<std::uint64_t> sequences;
  for (const StoredEvent& one : part) {
    if (listens_to(one.event.topic())) sequences.push_back(one.sequence);
  }
  std::size_t given = sequences.size();
  if (given != 0 && !only_counts()) given = core_.link()->store().replay(durable_, sequences);
  result_.replayed += given;
  result_.skipped += part.size() - given;
  dealt_with(part.back());
  return std::nullopt;
}

ReplayResult BusCore::replay(const ReplayRequest& request) {
  return Replaying(*this, request, {read(PatternArg(request.pattern))}).run();
}

}  // namespace busway::detail

namespace busway {

std::string_view to_string(ReplayResult::End end) noexcept {
  switch (end) {
    case ReplayResult::End::all: return "all";
    case ReplayResult::End::limit: return "limit";
    case ReplayResult::End::cancelled: return "cancelled";
    case ReplayResult::End::stopped: return "stopped";
    case ReplayResult::End::no_room: return "no_room";
    case ReplayResult::End::failed: return "failed";
  }
  return "";
}

}  // namespace busway
