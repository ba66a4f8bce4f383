#include "support.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <thread>

#include "busway/clock.hpp"
#include "event/id_generator.hpp"

namespace busway::testing::conformance {

void fail(const char* file, int line, const std::string& what, const std::string& values) {
  throw ConformanceFailure(std::string(file) + ":" + std::to_string(line) + ": " + what +
                           (values.empty() ? " does not hold" : ": " + values));
}

// -- The place ------------------------------------------------------------------------------------

Place::Place(StoreHarness& harness, const StoreOptions& options) : harness_(harness) {
  harness_.fresh();
  store_ = harness_.open(options);
}

Store& Place::other() {
  if (!store_->features().shared) return *store_;
  if (!other_) other_ = harness_.open();
  return *other_;
}

void Place::close() {
  other_.reset();
  store_.reset();
}

void Place::reopen() {
  close();
  harness_.restart();
  store_ = harness_.open();
}

void Place::pass(nanoseconds time) {
  if (const auto clock = harness_.clock()) {
    clock->advance(time);
  } else {
    std::this_thread::sleep_for(time);
  }
}

WallTime Place::now() const {
  const auto clock = harness_.clock();
  return clock ? clock->wall() : Clock::system()->wall();
}

nanoseconds Place::lease() const {
  return is_manual() ? nanoseconds(seconds(60)) : harness_.short_lease();
}

std::size_t Place::many(std::size_t count) const {
  const double scaled = static_cast<double>(count) * harness_.scale();
  return std::max<std::size_t>(static_cast<std::size_t>(scaled), 20);
}

DurableSpec Place::spec(std::string_view name, std::string_view pattern) const {
  DurableSpec spec;
  spec.name = name;
  spec.patterns.push_back(Pattern::parse(pattern));
  return spec;
}

std::unique_ptr<StoreConsumer> Place::open(std::string_view name, std::string_view pattern) {
  return store().open(spec(name, pattern));
}

Event Place::event(std::string_view topic, std::size_t n) const {
  return Event(topic, Payload::json(Json{{"n", n}}), {.id = new_id(), .time = now()});
}

std::vector<Event> Place::events(std::size_t count, std::string_view topic) const {
  std::vector<Event> events;
  events.reserve(count);
  for (std::size_t n = 0; n < count; ++n) events.push_back(event(topic, n));
  return events;
}

std::vector<std::uint64_t> Place::put(std::span<const Event> events) {
  std::vector<AppendResult> results(events.size());
  store().append(events, results);
  std::vector<std::uint64_t> sequences;
  for (const AppendResult& result : results) {
    BUSWAY_CHECK_EQ(result.error, "");
    BUSWAY_CHECK_EQ(result.answer, Appended::stored);
    sequences.push_back(result.sequence);
  }
  return sequences;
}

std::uint64_t Place::put(const Event& event) { return put(std::span(&event, 1)).front(); }

EventId new_id() {
  static thread_local event_detail::IdGenerator ids;
  return ids.next(Clock::system()->wall().time_since_epoch().count());
}

std::size_t number_of(const Event& event) { return event.json().at("n").get<std::size_t>(); }

void check_same(const Event& actual, const Event& expected) {
  BUSWAY_CHECK_EQ(actual.id(), expected.id());
  BUSWAY_CHECK_EQ(actual.topic(), expected.topic());
  BUSWAY_CHECK_EQ(actual.source(), expected.source());
  BUSWAY_CHECK_EQ(actual.time(), expected.time());
  BUSWAY_CHECK_EQ(actual.origin(), expected.origin());
  BUSWAY_CHECK_EQ(actual.priority(), expected.priority());
  BUSWAY_CHECK_EQ(actual.schema_version(), expected.schema_version());
  BUSWAY_CHECK_EQ(actual.hops(), expected.hops());
  BUSWAY_CHECK_EQ(actual.causation_id(), expected.causation_id());
  BUSWAY_CHECK_EQ(actual.key(), expected.key());
  BUSWAY_CHECK_EQ(actual.user_id(), expected.user_id());
  BUSWAY_CHECK_EQ(actual.session_id(), expected.session_id());
  BUSWAY_CHECK_EQ(actual.instance_id(), expected.instance_id());
  BUSWAY_CHECK_EQ(actual.schema(), expected.schema());
  BUSWAY_CHECK_EQ(actual.entity(), expected.entity());
  BUSWAY_CHECK_EQ(actual.operation(), expected.operation());
  BUSWAY_CHECK_EQ(actual.correlation_id(), expected.correlation_id());
  BUSWAY_CHECK_EQ(actual.traceparent(), expected.traceparent());
  BUSWAY_CHECK_EQ(actual.metadata().json(), expected.metadata().json());
  BUSWAY_CHECK_EQ(actual.extensions(), expected.extensions());
  BUSWAY_CHECK_EQ(actual.has_payload(), expected.has_payload());
  BUSWAY_CHECK_EQ(actual.content_type(), expected.content_type());
  const auto got = actual.bytes();
  const auto sent = expected.bytes();
  BUSWAY_CHECK_EQ(got.size(), sent.size());
  BUSWAY_CHECK(std::equal(got.begin(), got.end(), sent.begin()));
}

// -- Consuming ------------------------------------------------------------------------------------

Settlement done(std::uint64_t sequence) {
  Settlement settlement;
  settlement.sequence = sequence;
  return settlement;
}

Settlement retry(std::uint64_t sequence, nanoseconds after, ErrorCode code, std::string reason) {
  return {.sequence = sequence,
          .kind = Settlement::Kind::retry,
          .after = after,
          .code = code,
          .reason = std::move(reason)};
}

Settlement release(std::uint64_t sequence, nanoseconds after) {
  Settlement settlement = done(sequence);
  settlement.kind = Settlement::Kind::release;
  settlement.after = after;
  return settlement;
}

Settlement bury(std::uint64_t sequence, ErrorCode code, std::string reason) {
  Settlement settlement = retry(sequence, {}, code, std::move(reason));
  settlement.kind = Settlement::Kind::dead_letter;
  return settlement;
}

void settle(StoreConsumer& consumer, const Settlement& settlement) {
  const SettleResult result = consumer.settle(std::span(&settlement, 1));
  BUSWAY_CHECK_EQ(result.accepted, 1U);
  BUSWAY_CHECK_EQ(result.stale, 0U);
}

namespace {
std::atomic<nanoseconds> patience_for_all{seconds(10)};
}  // namespace

void set_patience(nanoseconds patience) { patience_for_all = patience; }

void wait_until(const std::function<bool()>& condition, const char* what) {
  const nanoseconds patience = patience_for_all;
  const auto end = std::chrono::steady_clock::now() + patience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) {
      fail(__FILE__, __LINE__, what,
           "not within " +
               std::to_string(std::chrono::duration_cast<milliseconds>(patience).count()) + " ms");
    }
    std::this_thread::sleep_for(milliseconds(1));
  }
}

std::vector<Leased> take(StoreConsumer& consumer, std::size_t count) {
  std::vector<Leased> taken;
  wait_until(
      [&] {
        FetchResult fetched = consumer.fetch(count - taken.size());
        BUSWAY_CHECK_EQ(fetched.set_aside, 0U);
        for (Leased& one : fetched.deliveries) taken.push_back(std::move(one));
        BUSWAY_CHECK(taken.size() <= count);
        return taken.size() == count;
      },
      "as many events come as were asked for");
  return taken;
}

Leased take_one(StoreConsumer& consumer) { return std::move(take(consumer, 1).front()); }

std::vector<Leased> finish(StoreConsumer& consumer, std::size_t count) {
  std::vector<Leased> finished;
  wait_until(
      [&] {
        FetchResult fetched = consumer.fetch(count - finished.size());
        std::vector<Settlement> settlements;
        for (Leased& one : fetched.deliveries) {
          settlements.push_back(done(one.sequence));
          finished.push_back(std::move(one));
        }
        BUSWAY_CHECK_EQ(consumer.settle(settlements).accepted, settlements.size());
        return finished.size() >= count;
      },
      "as many events come as were asked for");
  return finished;
}

void check_nothing(StoreConsumer& consumer) {
  const FetchResult fetched = consumer.fetch(100);
  BUSWAY_CHECK_EQ(fetched.deliveries.size(), 0U);
}

DurableInfo info_of(Store& store, std::string_view name) {
  for (DurableInfo& one : store.durables()) {
    if (one.name == name) return std::move(one);
  }
  fail(__FILE__, __LINE__, "durables() names all", std::string(name));
}

void check_all_settled(Store& store, StoreConsumer& consumer, std::string_view name) {
  // A fetch need not pass all that does not match.
  wait_until(
      [&] {
        check_nothing(consumer);
        return info_of(store, name).lag == 0;
      },
      "the cursor comes to the end");
  const DurableInfo info = info_of(store, name);
  BUSWAY_CHECK_EQ(info.leased, 0U);
  BUSWAY_CHECK_EQ(info.retrying, 0U);
}

// -- Threads --------------------------------------------------------------------------------------

void Threads::run(std::size_t count, const std::function<void(std::size_t)>& body) {
  for (std::size_t i = 0; i < count; ++i) {
    threads_.emplace_back([this, i, body] {
      try {
        body(i);
      } catch (...) {
        const std::lock_guard lock(mutex_);
        if (!failure_) failure_ = std::current_exception();
        failed_ = true;
      }
    });
  }
}

void Threads::join() {
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  if (failure_) std::rethrow_exception(failure_);
}

Threads::~Threads() {
  for (std::thread& thread : threads_) thread.join();
}

}  // namespace busway::testing::conformance
