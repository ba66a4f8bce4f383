// What a publish reaches, while subscriptions and topics come and go.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "busway/busway.hpp"

namespace busway {
namespace {

TEST(Routes, ASubscribeInsideAHandlerCountsFromTheNextEvent) {
  Bus bus;
  int late_calls = 0;
  Subscription late;
  const Subscription first = bus.subscribe("order.created", [&](const Event&) {
    if (!late) late = bus.subscribe("order.created", [&](const Event&) { ++late_calls; });
  });
  EXPECT_EQ(bus.publish("order.created").matched, 1U);
  EXPECT_EQ(late_calls, 0);
  EXPECT_EQ(bus.publish("order.created").matched, 2U);
  EXPECT_EQ(late_calls, 1);
}

TEST(Routes, AnUnsubscribeInsideAHandlerCountsFromNow) {
  Bus bus;
  int later_calls = 0;
  Subscription later;
  const Subscription first =
      bus.subscribe("order.created", [&](const Event&) { later.reset(); }, {.priority = 1});
  later = bus.subscribe("order.created", [&](const Event&) { ++later_calls; });
  const PublishResult result = bus.publish("order.created");
  EXPECT_EQ(later_calls, 0);
  EXPECT_EQ(result.matched, 1U);
  EXPECT_EQ(result.delivered, 1U);
}

TEST(Routes, AWildcardUnsubscribedInsideAHandlerIsNotCalledAnyMore) {
  Bus bus;
  int later_calls = 0;
  Subscription later;
  const Subscription first =
      bus.subscribe("order.*", [&](const Event&) { later.reset(); }, {.priority = 1});
  later = bus.subscribe("*.created", [&](const Event&) { ++later_calls; });
  (void)bus.publish("order.created");
  EXPECT_EQ(later_calls, 0);
}

TEST(Routes, HigherPrioritiesRunFirstAndTiesInSubscriptionOrderAcrossKindsOfPattern) {
  Bus bus;
  std::string order;
  std::vector<Subscription> all;
  const auto add = [&](const char* pattern, char letter, int priority) {
    all.push_back(bus.subscribe(pattern, [&order, letter](const Event&) { order += letter; },
                                {.priority = priority}));
  };
  add("order.created", 'a', 0);
  add("order.*", 'b', 0);
  add("order.created", 'c', 5);
  add("seg:order.*", 'd', -1);
  add("^order", 'e', 5);
  add("order.created", 'f', 0);
  (void)bus.publish("order.created");
  EXPECT_EQ(order, "ceabfd");
  order.clear();
  add("order.created", 'g', 7);
  add("order.*", 'h', -7);
  (void)bus.publish("order.created");
  EXPECT_EQ(order, "gceabfdh");
}

TEST(Routes, AListOfPatternsIsOneCallAnEventHoweverManyMatch) {
  Bus bus;
  int calls = 0;
  const Subscription list =
      bus.subscribe({"order.created", "order.*", "^order"}, [&](const Event&) { ++calls; });
  EXPECT_EQ(bus.publish("order.created").matched, 1U);
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(bus.publish("order.paid").matched, 1U);
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(bus.publish("invoice.paid").matched, 0U);
}

TEST(Routes, TheExactNameOfAListReachesATopicThatIsAlreadyRouted) {
  Bus bus;
  EXPECT_EQ(bus.publish("order.created").matched, 0U);
  int calls = 0;
  Subscription list =
      bus.subscribe({"order.created", "order.paid"}, [&](const Event&) { ++calls; });
  EXPECT_EQ(bus.publish("order.created").matched, 1U);
  list.reset();
  EXPECT_EQ(bus.publish("order.created").matched, 0U);
  EXPECT_EQ(calls, 1);
}

// Subscriptions of all kinds come and go between publishes; who is called is compared with Pattern.
TEST(Routes, ChurnOfSubscriptionsReachesWhatThePatternsSay) {
  const std::vector<std::string> patterns{"order.created",
                                          "order.paid",
                                          "invoice.paid",
                                          "order.*",
                                          "*.paid",
                                          "*",
                                          "seg:order.*",
                                          "seg:*.created",
                                          "^order\\.",
                                          "paid$",
                                          "seg:order.**",
                                          "invoice.?aid",
                                          "re:^(order|invoice)\\.paid$",
                                          "user.login",
                                          "u*",
                                          "[io]*.paid"};
  const std::vector<std::string> topics{"order.created", "order.paid", "invoice.paid",
                                        "user.login",    "order.a.b",  "x"};
  std::mt19937 random(20'261);
  Bus bus;
  struct Live {
    Pattern pattern;
    int priority;
    Subscription subscription;
  };
  std::map<int, Live> live;
  std::vector<int> called;
  int next = 0;
  for (int step = 0; step < 6000; ++step) {
    const auto dice = random() % 10;
    if (dice < 3 && live.size() < 40) {
      const std::string& text = patterns[random() % patterns.size()];
      const int name = next++;
      const int priority = static_cast<int>(random() % 3);
      live.emplace(
          name, Live{Pattern::parse(text), priority,
                     bus.subscribe(text, [&called, name](const Event&) { called.push_back(name); },
                                   {.priority = priority})});
    } else if (dice < 5 && !live.empty()) {
      live.erase(std::next(live.begin(), static_cast<std::ptrdiff_t>(random() % live.size())));
    } else {
      const std::string& topic = topics[random() % topics.size()];
      called.clear();
      const PublishResult result = bus.publish(topic);
      std::vector<int> expected;
      for (const auto& [name, one] : live) {
        if (one.pattern.matches(topic)) expected.push_back(name);
      }
      std::stable_sort(expected.begin(), expected.end(),
                       [&](int a, int b) { return live.at(a).priority > live.at(b).priority; });
      ASSERT_EQ(called, expected) << "step " << step << ", topic " << topic;
      ASSERT_EQ(result.matched, expected.size());
      ASSERT_EQ(result.delivered, expected.size());
    }
  }
  const Stats stats = bus.stats();
  EXPECT_EQ(stats.matched, stats.delivered);
  EXPECT_EQ(stats.subscriptions, live.size());
}

TEST(Routes, PerSubscriptionCountersAreExactUnderChurn) {
  Bus bus;
  std::mt19937 random(7);
  struct Live {
    std::uint64_t calls = 0;
    Subscription subscription;
  };
  std::vector<std::unique_ptr<Live>> live;
  std::uint64_t delivered = 0;
  for (int step = 0; step < 3000; ++step) {
    const auto dice = random() % 8;
    if (dice == 0) {
      live.push_back(std::make_unique<Live>());
      Live& one = *live.back();
      one.subscription = bus.subscribe(random() % 2 == 0 ? "a.b" : "a.*",
                                       [&](const Event&) {
                                         ++one.calls;
                                         ++delivered;
                                       },
                                       {.priority = static_cast<int>(random() % 2)});
    } else if (dice == 1 && !live.empty()) {
      live.erase(live.begin() + static_cast<std::ptrdiff_t>(random() % live.size()));
    } else {
      (void)bus.publish("a.b");
    }
  }
  std::map<SubscriptionId, std::uint64_t> by_id;
  for (const SubscriptionInfo& info : bus.subscriptions()) by_id[info.id] = info.counters.delivered;
  for (const auto& one : live) EXPECT_EQ(by_id.at(one->subscription.id()), one->calls);
  EXPECT_EQ(bus.stats().delivered, delivered);
}

TEST(Routes, UnlimitedTopicsAreForgottenAndStillCounted) {
  Bus bus({.history = 0});
  int calls = 0;
  const Subscription all = bus.subscribe("flood.*", [&](const Event&) { ++calls; });
  constexpr int kTopics = 150'000;
  for (int i = 0; i < kTopics; ++i) (void)bus.publish("flood." + std::to_string(i));
  EXPECT_EQ(calls, kTopics);
  EXPECT_EQ(bus.publish("flood.0").matched, 1U);
  const Stats stats = bus.stats();
  EXPECT_EQ(stats.published, static_cast<std::uint64_t>(kTopics) + 1);
  EXPECT_EQ(stats.delivered, static_cast<std::uint64_t>(kTopics) + 1);
  std::uint64_t by_topic = 0;
  for (const TopicStats& topic : stats.topics) by_topic += topic.published;
  EXPECT_EQ(by_topic, stats.published);
  EXPECT_LE(stats.topics.size(), limits::kCountedTopicsMax + 1);
}

TEST(Routes, AHandleKeepsItsTopicThroughAFlood) {
  Bus bus({.history = 0});
  const Topic kept = bus.topic("kept.topic");
  for (int i = 0; i < 150'000; ++i) (void)bus.publish("flood." + std::to_string(i));
  int calls = 0;
  const Subscription one = bus.subscribe("kept.topic", [&](const Event&) { ++calls; });
  EXPECT_EQ(kept.publish().delivered, 1U);
  EXPECT_EQ(bus.publish("kept.topic").delivered, 1U);
  EXPECT_EQ(calls, 2);
}

TEST(Routes, FortyThousandListenersOfOneNameAllHearIt) {
  Bus bus;
  std::vector<Subscription> all;
  std::uint64_t calls = 0;
  for (int i = 0; i < 40'000; ++i) {
    all.push_back(bus.subscribe("a.b", [&](const Event&) { ++calls; }));
  }
  EXPECT_EQ(bus.publish("a.b").delivered, 40'000U);
  EXPECT_EQ(calls, 40'000U);
  all.resize(20'000);
  EXPECT_EQ(bus.publish("a.b").delivered, 20'000U);
}

}  // namespace
}  // namespace busway
