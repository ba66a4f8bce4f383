// Where a durable subscription begins, and how a live one gets the past from a store.
#include <algorithm>
#include <map>
#include <memory>
#include <numeric>
#include <string>
#include <temporary_folder.hpp>
#include <vector>

#include "durable_fixture.hpp"

namespace busway {
namespace {

TEST_P(Durable, BeginsAtItsCreationUnlessToldOtherwise) {
  Pumped pumped(options());
  (void)pumped.bus.publish("job", Json(1));
  (void)pumped.bus.publish("job", Json(2));
  (void)pumped.bus.publish("job", Json(3));
  std::map<std::string, std::string> seen;
  const auto open = [&](const std::string& name, Replay start) {
    return pumped.bus.subscribe(
        "job", [&seen, name](const Event& event) { seen[name] += event.json().dump(); },
        {.durable = name, .replay = start});
  };
  const Subscription now = open("now", {});
  const Subscription all = open("all", Replay::beginning());
  const Subscription two = open("two", Replay::last(2));
  const Subscription from = open("from", Replay::sequence(3));
  (void)pumped.bus.publish("job", Json(4));
  (void)pumped.bus.poll();
  EXPECT_EQ(seen["now"], "4");
  EXPECT_EQ(seen["all"], "1234");
  EXPECT_EQ(seen["two"], "234");
  EXPECT_EQ(seen["from"], "34");
}

/// An event of another host that the history has already, and that is followed later.
TEST(SharedByTwoBuses, AReplayedEventOfAnotherHostComesOnce) {
  TemporaryFolder folder;
  BusOptions options;
  options.store = "sqlite:" + folder.file("events.db");
  Pumped here(options);
  Pumped there(options);
  EXPECT_TRUE(there.bus.publish("job").ok());
  int calls = 0;
  const Subscription live = here.bus.subscribe(
      "job", [&](const Event&) { ++calls; }, {.mode = Mode::async, .replay = Replay::beginning()});
  (void)here.executor->run();  // what it has replayed
  EXPECT_EQ(calls, 1);
  (void)here.bus.poll();
  EXPECT_EQ(calls, 1);
}

/// What a live subscription replays is read by pages, as its handler goes on; what is live waits.
TEST_P(Durable, ALiveReplayIsReadPageByPage) {
  const auto behind = std::make_shared<Behind>(store);
  BusOptions with = options();
  with.opened_store = behind;
  Pumped pumped(with);
  constexpr int kPast = 2'000;
  std::vector<Event> past;
  for (int i = 0; i < kPast; ++i) past.emplace_back("job", Payload::json(Json(i)));
  for (const PublishResult& one : pumped.bus.publish_batch(past)) ASSERT_TRUE(one.ok());
  std::vector<int> seen;
  std::size_t most = 0;
  const Subscription live = pumped.bus.subscribe(
      "job",
      [&](const Event& event) {
        seen.push_back(event.json().get<int>());
        most = std::max(most, info_of(pumped.bus, pumped.bus.subscriptions()[0].id).queued);
      },
      {.mode = Mode::async,
       .filter = [](const Event&) { return true; },
       .replay = Replay::beginning()});
  EXPECT_LT(info_of(pumped.bus, live.id()).queued, 1'000U);
  EXPECT_FALSE(pumped.bus.idle());
  (void)pumped.bus.publish("job", Json(kPast));
  (void)pumped.bus.publish("job", Json(kPast + 1));
  (void)pumped.bus.poll();
  std::vector<int> all(kPast + 2);
  std::iota(all.begin(), all.end(), 0);
  EXPECT_EQ(seen, all);
  EXPECT_LT(most, 1'000U);
  EXPECT_TRUE(pumped.bus.idle());
  EXPECT_EQ(info_of(pumped.bus, live.id()).counters.delivered, all.size());
}

TEST_P(Durable, ALiveReplayMayEndWhileItIsRead) {
  Pumped pumped(options());
  std::vector<Event> past;
  for (int i = 0; i < 2'000; ++i) past.emplace_back("job", Payload::json(Json(i)));
  (void)pumped.bus.publish_batch(past);
  int calls = 0;
  int filtered = 0;
  Subscription live;
  live = pumped.bus.subscribe("job", [&](const Event&) { ++calls; },
                              {.mode = Mode::async,
                               .filter =
                                   [&](const Event&) {
                                     if (++filtered == 1'000) live.reset();
                                     return true;
                                   },
                               .replay = Replay::beginning()});
  (void)pumped.bus.poll();
  EXPECT_LT(calls, 1'000);
  EXPECT_TRUE(pumped.bus.idle());
}

}  // namespace
}  // namespace busway
