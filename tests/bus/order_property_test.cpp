// Order and lanes, stated as properties: each is asserted of many random cases, and one that fails
// names its seed.
#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "bus_fixture.hpp"
#include "still_bus.hpp"

namespace busway {
namespace {

using std::chrono::milliseconds;

/// The same numbers on every machine, which the distributions of the standard library do not
/// promise.
class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}
  std::size_t below(std::size_t n) { return static_cast<std::size_t>(engine_() % n); }
  std::size_t between(std::size_t low, std::size_t high) { return low + below(high - low + 1); }
  bool one_in(std::size_t n) { return below(n) == 0; }
  Priority priority() { return static_cast<Priority>(below(3)); }

 private:
  std::mt19937_64 engine_;
};

/// Runs a case for each seed, up to the first that fails.
void for_each_seed(std::uint64_t count, const std::function<void(Random&)>& test) {
  for (std::uint64_t seed = 1; seed <= count && !::testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    test(random);
  }
}

/// How an event is told apart from all others of its case.
struct Mark {
  std::size_t publisher = 0;
  std::size_t number = 0;  // of its publisher's, from 0
  bool later = false;      // by publish_async
  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Mark, publisher, number, later)
};

Event marked(const Mark& mark, Priority priority, std::string_view key = {}) {
  return Event("a", Payload::json(Json(mark)), {.priority = priority, .key = key});
}

struct Seen {
  Mark mark;
  Priority priority = Priority::normal;
  std::string key{};
};

/// What reached a subscription, in this order.
class Log {
 public:
  void add(const Event& event) {
    const std::lock_guard lock(mutex_);
    seen_.push_back({event.json().get<Mark>(), event.priority(), std::string(event.key())});
  }
  [[nodiscard]] std::vector<Seen> all() const {
    const std::lock_guard lock(mutex_);
    return seen_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<Seen> seen_;
};

/// Of one publisher, priority and key each number is greater than the one before.
::testing::AssertionResult in_order(const std::vector<Seen>& log) {
  std::map<std::tuple<std::size_t, Priority, std::string>, std::size_t> last;
  for (const Seen& one : log) {
    const auto [at, first] =
        last.try_emplace({one.mark.publisher, one.priority, one.key}, one.mark.number);
    if (first) continue;
    if (one.mark.number <= at->second) {
      return ::testing::AssertionFailure()
             << "publisher " << one.mark.publisher << ", priority "
             << static_cast<int>(one.priority) << ", key \"" << one.key << "\": event "
             << one.mark.number << " came after " << at->second;
    }
    at->second = one.mark.number;
  }
  return ::testing::AssertionSuccess();
}

std::vector<Seen> only(std::vector<Seen> log, bool later) {
  std::erase_if(log, [&](const Seen& one) { return one.mark.later != later; });
  return log;
}

// -- Publishers -----------------------------------------------------------------------------------

/// What a publisher of a case does: bursts of events, each published in one way.
struct Burst {
  enum class Way : unsigned char { publish, publish_async, batch } way = Way::publish;
  std::vector<Event> events;
};

std::vector<Burst> random_bursts(Random& random, std::size_t publisher, std::size_t events,
                                 std::size_t keys) {
  std::vector<Burst> bursts;
  for (std::size_t number = 0; number < events;) {
    Burst& burst = bursts.emplace_back();
    burst.way = static_cast<Burst::Way>(random.below(3));
    const bool later = burst.way == Burst::Way::publish_async;
    for (std::size_t i = random.between(1, 6); i > 0 && number < events; --i, ++number) {
      const std::string key = keys == 0 ? "" : "k" + std::to_string(number % keys);
      burst.events.push_back(marked({publisher, number, later}, random.priority(), key));
    }
  }
  return bursts;
}

void publish(Bus& bus, const std::vector<Burst>& bursts) {
  for (const Burst& burst : bursts) {
    if (burst.way == Burst::Way::batch) {
      for (const PublishResult& result : bus.publish_batch(burst.events)) EXPECT_TRUE(result.ok());
      continue;
    }
    for (const Event& event : burst.events) {
      if (burst.way == Burst::Way::publish) {
        EXPECT_TRUE(bus.publish(event).ok());
      } else {
        (void)bus.publish_async(event);
      }
    }
  }
}

/// Each publisher on a thread of its own, until all is delivered.
void publish_all(Bus& bus, const std::vector<std::vector<Burst>>& publishers) {
  std::vector<std::thread> threads;
  for (const std::vector<Burst>& bursts : publishers) {
    threads.emplace_back([&bus, &bursts] { publish(bus, bursts); });
  }
  for (std::thread& one : threads) one.join();
  EXPECT_TRUE(bus.wait_idle(kLong));
}

// Property: of one publisher's events those of one event priority reach an asynchronous
// subscription of concurrency 1 in the order published, whichever way each was published, whatever
// other publishers and subscriptions there are. None is lost, none comes twice.
// Property: those of publish_async reach each synchronous subscription in that order as well; and
// those of publish and publish_batch in theirs.
TEST(OrderProperty, EachSubscriptionSeesAPublishersEventsInTheOrderPublished) {
  for_each_seed(200, [](Random& random) {
    constexpr std::size_t kEvents = 60;
    Bus bus(quiet({.worker_count = random.between(1, 4)}));
    std::deque<Log> asynchronous;
    std::deque<Log> synchronous;
    std::vector<Subscription> subscriptions;
    const auto listen = [&](std::deque<Log>& logs, const SubscriptionOptions& options) {
      Log& log = logs.emplace_back();
      subscriptions.push_back(bus.subscribe(
          "a", [&log](const Event& event) { log.add(event); }, options));
    };
    for (std::size_t i = random.between(1, 3); i > 0; --i) {
      listen(asynchronous, {.mode = Mode::async, .queue_capacity = 1000});
    }
    for (std::size_t i = random.between(1, 2); i > 0; --i) listen(synchronous, {});
    std::vector<std::vector<Burst>> publishers;
    for (std::size_t i = 0, count = random.between(1, 4); i < count; ++i) {
      publishers.push_back(random_bursts(random, i, kEvents, 0));
    }
    publish_all(bus, publishers);
    const std::size_t all = publishers.size() * kEvents;
    for (const Log& log : asynchronous) {
      EXPECT_TRUE(in_order(log.all()));
      EXPECT_EQ(log.all().size(), all);
    }
    for (const Log& log : synchronous) {
      EXPECT_TRUE(in_order(only(log.all(), true)));
      EXPECT_TRUE(in_order(only(log.all(), false)));
      EXPECT_EQ(log.all().size(), all);
    }
  });
}

// -- By key ---------------------------------------------------------------------------------------

/// The calls of a subscription that is ordered by key.
class Calls {
 public:
  explicit Calls(std::size_t keys) : inside_of_(keys) {}

  void operator()(const Event& event) {
    const std::string key(event.key());
    std::atomic<int>& mine = inside_of_.at(std::stoul(key.substr(1)));
    if (mine.fetch_add(1) != 0) two_of_a_key = true;
    const int now = inside.fetch_add(1) + 1;
    int most = most_inside;
    while (now > most && !most_inside.compare_exchange_weak(most, now)) {
    }
    log.add(event);
    if (now > 1) met.open();
    if (!met.wait()) never_met = true;  // the first call waits for a second one
    inside.fetch_sub(1);
    mine.fetch_sub(1);
  }

  Log log;
  Gate met;
  std::atomic<int> inside{0};
  std::atomic<int> most_inside{0};
  std::atomic<bool> two_of_a_key{false};
  std::atomic<bool> never_met{false};

 private:
  std::vector<std::atomic<int>> inside_of_;
};

// Property: with order_by key at any concurrency the events of one publisher, key and event
// priority are handled in the order published.
// Property: two events of one key are never in the handler at once, and no more than `concurrency`
// of different keys.
// Property: different keys are in the handler at once: here its first call waits for another.
TEST(OrderProperty, ByKeyEachKeyIsInOrderAndAloneWhileOthersRun) {
  for_each_seed(200, [](Random& random) {
    constexpr std::size_t kEvents = 60;
    constexpr std::size_t kKeys = 16;
    const std::size_t concurrency = random.between(2, 4);
    Bus bus(quiet({.worker_count = random.between(2, 4)}));
    Calls calls(kKeys);
    const Subscription one = bus.subscribe("a", [&calls](const Event& event) { calls(event); },
                                           {.mode = Mode::async,
                                            .queue_capacity = 1000,
                                            .concurrency = concurrency,
                                            .order_by = OrderBy::key});
    std::vector<std::vector<Burst>> publishers;
    for (std::size_t i = 0, count = random.between(1, 3); i < count; ++i) {
      publishers.push_back(random_bursts(random, i, kEvents, kKeys));
    }
    publish_all(bus, publishers);
    EXPECT_TRUE(in_order(calls.log.all()));
    EXPECT_EQ(calls.log.all().size(), publishers.size() * kEvents);
    EXPECT_FALSE(calls.two_of_a_key);
    EXPECT_FALSE(calls.never_met);
    EXPECT_LE(static_cast<std::size_t>(calls.most_inside), concurrency);
  });
}

// -- Lanes ----------------------------------------------------------------------------------------

constexpr std::size_t kLow = 0;
constexpr std::size_t kHigh = 2;
/// A lower lane has its turn, one delivery, after so many of higher ones: low 32, normal 8.
constexpr std::array<std::size_t, 3> kShare{32, 8, 0};
/// Where a lower event waits the higher ones are taken eight at a time: seven may be too many.
constexpr std::size_t kTooMany = 7;
/// Where none waits 32 are taken: so many may be on their way when the lower one comes.
constexpr std::size_t kOnTheirWay = 31;

/// Written down in order: an event is pushed, an event is handled.
struct Happened {
  enum class What : unsigned char { pushed_before, pushed_meanwhile, handled } what;
  std::size_t number = 0;
  std::size_t lane = 0;
};

/// A plain book of the lanes, which reads what happened and fails the test where it must not.
class LaneBook {
 public:
  enum class Shares : unsigned char { exact, at_least };
  explicit LaneBook(Shares shares) : shares_(shares) {}

  void read(const Happened& one) {
    if (one.what == Happened::What::handled) return handled(one);
    Lane& lane = lanes_.at(one.lane);
    if (lane.waiting.empty()) {
      lane.passed = 0;
      lane.came_meanwhile = one.what == Happened::What::pushed_meanwhile;
    }
    lane.waiting.push_back(one.number);
  }
  [[nodiscard]] bool empty() const {
    return std::all_of(lanes_.begin(), lanes_.end(),
                       [](const Lane& lane) { return lane.waiting.empty(); });
  }
  [[nodiscard]] std::size_t most_passed(std::size_t lane) const { return lanes_.at(lane).most; }

 private:
  struct Lane {
    std::deque<std::size_t> waiting;
    std::size_t passed = 0;  // handled of higher lanes while its first one waits
    std::size_t most = 0;
    bool came_meanwhile = false;
  };

  void handled(const Happened& one) {
    Lane& mine = lanes_.at(one.lane);
    ASSERT_FALSE(mine.waiting.empty());
    EXPECT_EQ(mine.waiting.front(), one.number) << "within a lane the order is that of the pushes";
    mine.waiting.pop_front();
    bool higher_waits = false;
    for (std::size_t i = one.lane + 1; i <= kHigh; ++i) {
      higher_waits = higher_waits || !lanes_.at(i).waiting.empty();
    }
    if (higher_waits && (shares_ == Shares::exact || one.lane != kLow)) {
      EXPECT_GE(mine.passed, kShare.at(one.lane)) << "lane " << one.lane << " had no turn";
    }
    mine.most = std::max(mine.most, mine.passed);
    mine.passed = 0;
    mine.came_meanwhile = false;
    for (std::size_t i = 0; i < one.lane; ++i) {
      Lane& lower = lanes_.at(i);
      if (lower.waiting.empty()) continue;
      const std::size_t bound = kShare.at(i) + kTooMany + (lower.came_meanwhile ? kOnTheirWay : 0);
      EXPECT_LE(++lower.passed, bound) << "lane " << i << " starves";
    }
  }

  const Shares shares_;
  std::array<Lane, 3> lanes_;
};

/// Publishes a backlog, runs it, and reads what happened. refill_lanes: of what its handler
/// publishes.
std::array<std::size_t, 3> run_lanes(Random& random, const std::vector<std::size_t>& refill_lanes) {
  Pumped pumped;
  std::vector<Happened> happened;
  std::size_t pushed = 0;
  const auto push = [&](Happened::What what, std::size_t lane) {
    happened.push_back({what, pushed, lane});
    const auto priority = static_cast<Priority>(lane);
    EXPECT_TRUE(pumped.bus.publish(marked({.number = pushed++}, priority)).ok());
  };
  std::size_t refills = refill_lanes.empty() ? 0 : 300;
  const Subscription one = pumped.bus.subscribe(
      "a",
      [&](const Event& event) {
        happened.push_back({Happened::What::handled, event.json().get<Mark>().number,
                            static_cast<std::size_t>(event.priority())});
        for (std::size_t i = random.below(4); i > 0 && refills > 0; --i, --refills) {
          push(Happened::What::pushed_meanwhile, refill_lanes[random.below(refill_lanes.size())]);
        }
      },
      {.mode = Mode::async,
       .queue_capacity = 10'000,
       .overflow = random.one_in(3) ? Overflow::drop_oldest : Overflow::reject});
  const std::array<std::size_t, 3> weights{random.below(4), random.below(4), random.between(1, 6)};
  for (std::size_t i = random.between(1, 300); i > 0; --i) {
    std::size_t at = random.below(weights[0] + weights[1] + weights[2]);
    std::size_t lane = 0;
    while (at >= weights.at(lane)) at -= weights.at(lane++);
    push(Happened::What::pushed_before, lane);
  }
  (void)pumped.bus.poll();
  LaneBook book(refill_lanes.empty() ? LaneBook::Shares::exact : LaneBook::Shares::at_least);
  for (const Happened& step : happened) book.read(step);
  EXPECT_TRUE(book.empty()) << "an event was not handled";
  return {book.most_passed(0), book.most_passed(1), book.most_passed(2)};
}

// Property: from any backlog high is handled before normal before low, but for the share of the
// lower lanes: a normal event waits for 8 to 15 high ones and no more, a low one for 32 to 39
// normal and high ones, and then one of the lane is handled. Within a lane the order is that of the
// publishes.
TEST(OrderProperty, LanesAreServedHighestFirstWithTheShareOfTheLowerOnes) {
  std::array<std::size_t, 3> most{};
  for_each_seed(400, [&most](Random& random) {
    const std::array<std::size_t, 3> passed = run_lanes(random, {});
    for (std::size_t i = 0; i < most.size(); ++i) most[i] = std::max(most[i], passed[i]);
  });
  EXPECT_GE(most[1], 8U) << "some case has reached the share of normal";
  EXPECT_GE(most[0], 32U) << "some case has reached the share of low";
}

// Property: the same bounds hold while handlers fill the higher lanes again; an event that comes
// when none of its lane waits may find 31 higher ones on their way, which it waits for in addition.
TEST(OrderProperty, HandlersThatRefillTheHigherLanesStarveNoLowerOne) {
  std::array<std::size_t, 3> most{};
  for_each_seed(400, [&most](Random& random) {
    const std::vector<std::vector<std::size_t>> kinds{{2}, {1, 2}, {2, 2, 2, 2, 1, 0}};
    const std::array<std::size_t, 3> passed = run_lanes(random, kinds[random.below(kinds.size())]);
    for (std::size_t i = 0; i < most.size(); ++i) most[i] = std::max(most[i], passed[i]);
  });
  EXPECT_GE(most[1], 8U);
  EXPECT_GE(most[0], 32U);
}

// -- Retries --------------------------------------------------------------------------------------

struct Attempt {
  std::size_t number = 0;
  unsigned attempt = 1;
  Priority priority = Priority::normal;
  std::string key{};
};

/// What a case of retries looks like, chosen by its seed.
struct Retried {
  RetryPolicy policy;
  bool by_key = false;
  std::size_t events = 0;
  std::vector<unsigned> failures;  // of each event, before it goes well
};

Retried random_retries(Random& random, RetryOrder order) {
  Retried retried;
  retried.policy = {.max_retries = static_cast<unsigned>(random.between(1, 4)),
                    .initial_delay = milliseconds(random.between(1, 30)),
                    .max_delay = milliseconds(40),
                    .backoff_factor = static_cast<double>(random.between(1, 2)),
                    .jitter = random.one_in(2) ? 0.5 : 0.0,
                    .order = order};
  retried.by_key = random.one_in(2);
  retried.events = random.between(5, 40);
  for (std::size_t i = 0; i < retried.events; ++i) {
    retried.failures.push_back(random.one_in(3) ? static_cast<unsigned>(random.between(1, 6)) : 0);
  }
  return retried;
}

/// All attempts, in the order they were made. at_rest is called when nothing is left to do at the
/// present time, with the attempts so far and how many events were published.
std::vector<Attempt> attempts_of(
    Random& random, const Retried& retried,
    const std::function<void(const std::vector<Attempt>&, std::size_t)>& at_rest) {
  Still still;
  std::vector<Attempt> made;
  const Subscription one = still.bus.subscribe(
      "a",
      [&](const Event& event, Context& context) {
        const auto number = event.json().get<Mark>().number;
        made.push_back({number, context.attempt(), event.priority(), std::string(event.key())});
        if (context.attempt() <= retried.failures.at(number)) throw std::runtime_error("not yet");
      },
      {.mode = Mode::async,
       .queue_capacity = 1000,
       .concurrency = retried.by_key ? random.between(2, 4) : 1,
       .order_by = retried.by_key ? OrderBy::key : OrderBy::none,
       .retry = retried.policy});
  const bool mixed = random.one_in(2);
  for (std::size_t number = 0; number < retried.events;) {
    for (std::size_t i = random.between(1, 4); i > 0 && number < retried.events; --i, ++number) {
      const std::string key = retried.by_key ? "k" + std::to_string(random.below(5)) : "";
      EXPECT_TRUE(still.bus
                      .publish(marked({.number = number},
                                      mixed ? random.priority() : Priority::normal, key))
                      .ok());
    }
    (void)still.bus.poll();
    at_rest(made, number);
    if (random.one_in(2)) still.pass(milliseconds(10 * random.between(1, 3)));
  }
  while (!still.bus.idle()) still.pass(milliseconds(10));
  return made;
}

// Property: with strict order, from the first attempt of an event to its end no attempt of another
// one of its key is made (of any other, where nothing is ordered by key).
TEST(OrderProperty, AStrictRetryHoldsTheEventsBehindIt) {
  std::size_t retries = 0;
  for_each_seed(300, [&retries](Random& random) {
    const Retried retried = random_retries(random, RetryOrder::strict);
    const auto made = attempts_of(random, retried, [](const auto&, std::size_t) {});
    std::map<std::string, Attempt> last;
    std::map<std::string, std::size_t> ended;
    for (const Attempt& one : made) {
      const auto at = last.find(one.key);
      if (one.attempt > 1) {
        ++retries;
        ASSERT_TRUE(at != last.end());
        EXPECT_EQ(at->second.number, one.number) << "another one came between two attempts";
        EXPECT_EQ(at->second.attempt + 1, one.attempt);
      } else if (at != last.end()) {
        const unsigned due =
            std::min(retried.failures.at(at->second.number), retried.policy.max_retries) + 1;
        EXPECT_EQ(at->second.attempt, due)
            << "event " << one.number << " began before " << at->second.number << " had ended";
      }
      last.insert_or_assign(one.key, one);
    }
  });
  EXPECT_GT(retries, 1000U);
}

// Property: with relaxed order a retry that waits holds nobody, and the first attempts are made in
// the order published, within one event priority and key.
TEST(OrderProperty, ARelaxedRetryHoldsNothingAndReordersNoFirstAttempts) {
  std::size_t passed = 0;
  for_each_seed(300, [&passed](Random& random) {
    const Retried retried = random_retries(random, RetryOrder::relaxed);
    const auto first_attempts = [](const std::vector<Attempt>& made) {
      return static_cast<std::size_t>(std::count_if(
          made.begin(), made.end(), [](const Attempt& one) { return one.attempt == 1; }));
    };
    const auto made = attempts_of(
        random, retried, [&](const std::vector<Attempt>& so_far, std::size_t published) {
          EXPECT_EQ(first_attempts(so_far), published) << "one was held back";
        });
    std::map<std::pair<Priority, std::string>, std::size_t> last;
    std::size_t newest = 0;
    for (const Attempt& one : made) {
      newest = std::max(newest, one.number);
      if (one.attempt > 1) {
        passed += newest > one.number ? 1 : 0;
        continue;
      }
      const auto [at, first] = last.try_emplace({one.priority, one.key}, one.number);
      EXPECT_TRUE(first || at->second < one.number)
          << "event " << one.number << " was first tried after " << at->second;
      at->second = one.number;
    }
  });
  EXPECT_GT(passed, 1000U) << "retries that later events have passed";
}

}  // namespace
}  // namespace busway
