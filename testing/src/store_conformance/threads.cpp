// Many threads at once, on one opening and on several.
#include <algorithm>
#include <atomic>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <unordered_set>
#include <vector>

#include "support.hpp"

namespace busway::testing::conformance {
namespace {

/// Consumes with an opening of its own until `total` events were settled by all together.
void consume(Store& store, const DurableSpec& spec, std::atomic<std::size_t>& settled,
             std::size_t total, const std::function<void(const Leased&)>& seen,
             std::size_t at_once = 20) {
  const auto consumer = store.open(spec);
  const auto end = std::chrono::steady_clock::now() + seconds(60);
  while (settled < total) {
    BUSWAY_CHECK(std::chrono::steady_clock::now() < end);
    const FetchResult fetched = consumer->fetch(at_once);
    if (fetched.deliveries.empty()) {
      std::this_thread::yield();
      continue;
    }
    std::vector<Settlement> settlements;
    for (const Leased& one : fetched.deliveries) {
      seen(one);
      settlements.push_back(done(one.sequence));
    }
    BUSWAY_CHECK_EQ(consumer->settle(settlements).accepted, settlements.size());
    settled += settlements.size();
  }
}

void fifty_and_fifty(StoreHarness& harness) {
  Place place(harness);
  const std::size_t total = place.many(5'000) / 50 * 50;
  const DurableSpec spec = place.spec("name");
  place.open("name");
  Store& other = place.other();
  std::mutex mutex;
  std::unordered_multiset<EventId> sent;
  std::unordered_multiset<EventId> got;
  std::atomic<std::size_t> settled{0};
  Threads threads;
  threads.run(50, [&](std::size_t i) {
    Store& store = i % 2 == 0 ? place.store() : other;
    for (std::size_t n = 0; n < total / 50; ++n) {
      const Event event = place.event();
      BUSWAY_CHECK_EQ(store.append(event).answer, Appended::stored);
      const std::lock_guard lock(mutex);
      sent.insert(event.id());
    }
  });
  threads.run(50, [&](std::size_t i) {
    consume(i % 2 == 0 ? place.store() : other, spec, settled, total, [&](const Leased& one) {
      const std::lock_guard lock(mutex);
      got.insert(one.event.id());
    });
  });
  threads.join();
  BUSWAY_CHECK_EQ(got.size(), total);
  BUSWAY_CHECK(got == sent);
}

void twenty_topics(StoreHarness& harness) {
  Place place(harness);
  const std::size_t each = place.many(100);
  std::vector<std::atomic<std::size_t>> settled(20);
  for (std::size_t i = 0; i < 20; ++i) {
    const std::string n = std::to_string(i);
    place.open("name" + n, "topic" + n);
  }
  Threads threads;
  threads.run(20, [&](std::size_t i) {
    for (std::size_t n = 0; n < each; ++n) {
      BUSWAY_CHECK(place.store().append(place.event("topic" + std::to_string(i), n)).ok());
    }
  });
  threads.run(20, [&](std::size_t i) {
    const std::string n = std::to_string(i);
    std::size_t next = 0;
    consume(place.store(), place.spec("name" + n, "topic" + n), settled[i], each,
            [&](const Leased& one) {
              BUSWAY_CHECK_EQ(one.event.topic(), "topic" + n);
              BUSWAY_CHECK_EQ(number_of(one.event), next++);
            });
  });
  threads.join();
}

void fetches_of_any_size(StoreHarness& harness) {
  Place place(harness);
  const std::size_t total = place.many(1'000);
  place.open("name");
  place.put(place.events(total));
  std::mutex mutex;
  std::set<std::uint64_t> got;
  std::atomic<std::size_t> settled{0};
  Threads threads;
  const std::vector<std::size_t> sizes{1, 2, 10, 100, 4'096};
  threads.run(sizes.size(), [&](std::size_t i) {
    consume(
        place.store(), place.spec("name"), settled, total,
        [&](const Leased& one) {
          const std::lock_guard lock(mutex);
          BUSWAY_CHECK(got.insert(one.sequence).second);
        },
        sizes[i]);
  });
  threads.join();
  BUSWAY_CHECK_EQ(got.size(), total);
}

void never_a_lower_one(StoreHarness& harness) {
  Place place(harness);
  const std::size_t total = place.many(2'000) / 20 * 20;
  Store& other = place.other();
  std::atomic<bool> over{false};
  Threads threads;
  threads.run(1, [&](std::size_t) {
    // All sequences up to the highest seen are there for good when it is seen.
    StoreQuery query;
    std::size_t seen = 0;
    while (true) {
      const bool last = over;
      const StorePage page = other.read(query);
      for (const StoredEvent& one : page.events) {
        BUSWAY_CHECK(one.sequence > query.after);
        query.after = one.sequence;
        ++seen;
      }
      if (last && page.events.empty() && !page.more) break;
    }
    BUSWAY_CHECK_EQ(seen, total);
  });
  Threads writers;
  writers.run(10, [&](std::size_t i) {
    for (std::size_t n = 0; n < total / 20; ++n) {
      Store& store = i % 2 == 0 ? place.store() : other;
      const std::vector<Event> two = place.events(2);
      std::vector<AppendResult> results(2);
      store.append(two, results);
      BUSWAY_CHECK(results[0].ok() && results[1].ok());
    }
  });
  try {
    writers.join();
  } catch (...) {
    over = true;
    throw;
  }
  over = true;
  threads.join();
}

void in_the_order_of_a_thread(StoreHarness& harness) {
  Place place(harness);
  const std::size_t each = place.many(200);
  const auto consumer = place.open("name");
  Threads threads;
  threads.run(8, [&](std::size_t i) {
    std::uint64_t last = 0;
    for (std::size_t n = 0; n < each; ++n) {
      const AppendResult result =
          place.store().append(place.event("thread" + std::to_string(i), n));
      BUSWAY_CHECK(result.ok());
      BUSWAY_CHECK(result.sequence > last);
      last = result.sequence;
    }
  });
  threads.join();
  std::vector<std::size_t> next(8);
  for (const Leased& one : finish(*consumer, 8 * each)) {
    const auto i = static_cast<std::size_t>(one.event.topic().back() - '0');
    BUSWAY_CHECK_EQ(number_of(one.event), next[i]++);
  }
}

/// Answered by the store, on whatever thread.
class Counted final : public AppendRequest {
 public:
  Counted(std::span<const Event> events, std::span<AppendResult> results)
      : AppendRequest(events, results) {}
  void done() noexcept override { ++times; }
  std::atomic<int> times{0};
};

struct Outstanding {
  explicit Outstanding(std::vector<Event> all) : events(std::move(all)), results(events.size()) {}
  std::vector<Event> events;
  std::vector<AppendResult> results;
  Counted request{events, results};
};

void answered_once(StoreHarness& harness) {
  Place place(harness);
  std::vector<std::unique_ptr<Outstanding>> all;
  for (std::size_t i = 0; i < place.many(500); ++i) {
    all.push_back(std::make_unique<Outstanding>(place.events(1 + i % 3)));
    place.store().append(all.back()->request);
  }
  std::uint64_t last = 0;
  for (const auto& one : all) {
    wait_until([&] { return one->request.times > 0; }, "each request is answered");
    BUSWAY_CHECK_EQ(one->request.times.load(), 1);
    for (const AppendResult& result : one->results) {
      BUSWAY_CHECK_EQ(result.answer, Appended::stored);
      BUSWAY_CHECK(result.sequence > last);
      last = result.sequence;
    }
  }
  // By now the store has done all that it would ever do for them.
  place.close();
  for (const auto& one : all) BUSWAY_CHECK_EQ(one->request.times.load(), 1);
}

void the_same_ids_at_once(StoreHarness& harness) {
  Place place(harness);
  const std::vector<Event> events = place.events(place.many(100));
  std::vector<std::atomic<int>> stored(events.size());
  Store& other = place.other();
  Threads threads;
  threads.run(8, [&](std::size_t i) {
    for (std::size_t n = 0; n < events.size(); ++n) {
      const AppendResult result = (i % 2 == 0 ? place.store() : other).append(events[n]);
      BUSWAY_CHECK(result.ok());
      if (result.answer == Appended::stored) ++stored[n];
    }
  });
  threads.join();
  for (const auto& times : stored) BUSWAY_CHECK_EQ(times.load(), 1);
  BUSWAY_CHECK_EQ(place.store().stats().events, events.size());
}

void closed_during_use(StoreHarness& harness) {
  Place place(harness);
  std::atomic<std::size_t> begun{0};
  std::mutex mutex;
  std::vector<Event> acknowledged;
  place.open("name");
  Threads threads;
  threads.run(20, [&](std::size_t) {
    for (std::size_t n = 0; n < 500; ++n) {
      const Event event = place.event();
      const AppendResult result = place.store().append(event);
      ++begun;
      if (!result.ok()) {
        BUSWAY_CHECK(!result.error.empty());
        return;
      }
      const std::lock_guard lock(mutex);
      acknowledged.push_back(event);
    }
  });
  threads.run(5, [&](std::size_t) {
    try {
      const auto consumer = place.open("name");
      while (true) {
        for (const Leased& one : consumer->fetch(10).deliveries) {
          const Settlement settlement = release(one.sequence);
          static_cast<void>(consumer->settle(std::span(&settlement, 1)));
        }
        static_cast<void>(consumer->renew());
      }
    } catch (const Error& error) {
      BUSWAY_CHECK_EQ(error.code(), ErrorCode::stopped);
    }
  });
  threads.run(1, [&](std::size_t) {
    try {
      while (true) static_cast<void>(place.store().read({}));
    } catch (const Error& error) {
      BUSWAY_CHECK_EQ(error.code(), ErrorCode::stopped);
    }
  });
  while (begun < 100 && !threads.failed()) std::this_thread::yield();
  // From many threads at once.
  threads.run(10, [&](std::size_t) { place.store().close(); });
  threads.join();
  if (!place.store().features().persistent) return;
  place.reopen();
  for (const Event& event : acknowledged) BUSWAY_CHECK(place.store().find(event.id()).has_value());
  BUSWAY_CHECK_EQ(finish(*place.open("name"), acknowledged.size()).size(), acknowledged.size());
}

void openings_come_and_go(StoreHarness& harness) {
  Place place(harness);
  const std::size_t total = place.many(2'000);
  place.open("name");
  place.put(place.events(total));
  std::atomic<std::size_t> settled{0};
  std::mutex mutex;
  std::set<std::uint64_t> got;
  Threads threads;
  threads.run(8, [&](std::size_t i) {
    const auto end = std::chrono::steady_clock::now() + seconds(60);
    while (settled < total) {
      BUSWAY_CHECK(std::chrono::steady_clock::now() < end);
      const auto consumer = place.open("name");
      std::size_t n = i;
      for (const Leased& one : consumer->fetch(16).deliveries) {
        BUSWAY_CHECK_EQ(one.attempt, 1U);
        if (++n % 4 == 0) continue;  // closing gives it back
        const Settlement settlement = done(one.sequence);
        BUSWAY_CHECK_EQ(consumer->settle(std::span(&settlement, 1)).accepted, 1U);
        ++settled;
        const std::lock_guard lock(mutex);
        BUSWAY_CHECK(got.insert(one.sequence).second);
      }
    }
  });
  threads.join();
  BUSWAY_CHECK_EQ(got.size(), total);
}

void closed_by_many(StoreHarness& harness) {
  Place place(harness);
  const std::size_t total = place.many(200);
  place.open("name");
  place.put(place.events(total));
  std::set<std::uint64_t> settled;
  for (int round = 0; round < 5; ++round) {
    const auto consumer = place.open("name");
    std::atomic<bool> begun{false};
    std::atomic<int> closed{0};
    Threads threads;
    threads.run(1, [&](std::size_t) {
      try {
        while (true) {
          const bool is_closed = closed > 0;
          const std::vector<Leased> leased = consumer->fetch(3).deliveries;
          BUSWAY_CHECK(!is_closed);
          begun = true;
          for (const Leased& one : leased) {
            BUSWAY_CHECK_EQ(one.attempt, 1U);
            if (one.sequence % 3 != 0) continue;  // closing gives it back
            const Settlement settlement = done(one.sequence);
            BUSWAY_CHECK_EQ(consumer->settle(std::span(&settlement, 1)).accepted, 1U);
            BUSWAY_CHECK(settled.insert(one.sequence).second);
          }
        }
      } catch (const Error& error) {
        begun = true;
        BUSWAY_CHECK_EQ(error.code(), ErrorCode::stopped);
      }
    });
    threads.run(10, [&](std::size_t) {
      while (!begun && !threads.failed()) std::this_thread::yield();
      consumer->close();
      ++closed;
    });
    threads.join();
    place.put(place.events(3));
  }
  const auto last = place.open("name");
  for (const Leased& one : finish(*last, total + 15 - settled.size())) {
    BUSWAY_CHECK_EQ(one.attempt, 1U);
    BUSWAY_CHECK(settled.insert(one.sequence).second);
  }
  check_all_settled(place.store(), *last, "name");
}

/// Publishers repeat what was not answered well, a consumer what it could not ask for.
void restarts_during_use(StoreHarness& harness) {
  Place place(harness);
  const std::size_t each = place.many(1'000) / 20;
  DurableSpec spec = place.spec("name");
  spec.lease = place.lease();
  const auto consumer = place.store().open(spec);
  const std::size_t total = 20 * each + 2;
  std::atomic<std::size_t> sent{0};
  std::mutex mutex;
  std::unordered_set<EventId> got;
  const auto seen = [&] {
    const std::lock_guard lock(mutex);
    return got.size();
  };
  const auto publish = [&] {
    const Event event = place.event();
    wait_until([&] { return place.store().append(event).ok(); }, "an append is answered");
    ++sent;
  };
  Threads threads;
  threads.run(20, [&](std::size_t) {
    for (std::size_t n = 0; n < each; ++n) publish();
  });
  threads.run(1, [&](std::size_t) {
    wait_until(
        [&] {
          try {
            std::vector<Settlement> settlements;
            const std::vector<Leased> leased = consumer->fetch(20).deliveries;
            settlements.reserve(leased.size());
            for (const Leased& one : leased) settlements.push_back(done(one.sequence));
            if (leased.empty() && place.is_manual()) place.pass(place.lease());
            static_cast<void>(consumer->settle(settlements));
            const std::lock_guard lock(mutex);
            for (const Leased& one : leased) got.insert(one.event.id());
          } catch (const Error& error) {
            BUSWAY_CHECK_EQ(error.code(), ErrorCode::store_unavailable);
          }
          return seen() == total;
        },
        "all come that were published");
  });
  for (const std::size_t part : {1U, 2U}) {
    while (sent < part * total / 3 && !threads.failed()) std::this_thread::yield();
    harness.restart();
    publish();  // one at least comes after it
  }
  threads.join();
  BUSWAY_CHECK_EQ(seen(), total);
  BUSWAY_CHECK_EQ(place.store().stats().events, total);
}

}  // namespace

Cases thread_cases() {
  static constexpr ConformanceCase kCases[] = {
      {"FiftyPublishersAndFiftyConsumersLoseAndRepeatNothing", &fifty_and_fifty},
      {"TwentyTopicsAtOnceStayApartAndInOrder", &twenty_topics},
      {"FetchesOfAnySizeShareWithoutOverlap", &fetches_of_any_size},
      {"AReaderNeverMissesALowerSequence", &never_a_lower_one},
      {"AppendsOfOneThreadKeepTheirOrder", &in_the_order_of_a_thread},
      {"EachRequestIsAnsweredOnce", &answered_once},
      {"OfTheSameIdsAtOnceOneIsStored", &the_same_ids_at_once},
      {"ClosingDuringUseAnswersEverybody", &closed_during_use},
      {"OpeningsComeAndGoAndNothingIsLost", &openings_come_and_go},
      {"AConsumerThatManyThreadsCloseGivesBackOnce", &closed_by_many},
      {"NothingIsLostWhenTheServerRestartsDuringUse", &restarts_during_use,
       &StoreFeatures::persistent, "persistent"},
  };
  return kCases;
}

}  // namespace busway::testing::conformance
