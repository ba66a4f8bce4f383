#include "event/payload_cache.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <expect_error.hpp>
#include "busway/typed_event.hpp"
#include "event/event_access.hpp"

namespace busway {
namespace {

// Counts its conversions.
struct Reading {
  static constexpr std::string_view type_name = "reading";
  static inline std::atomic<int> written{0};
  static inline std::atomic<int> read{0};
  static inline std::atomic<int> failures_due{0};
  int value = 0;
};
void to_json(Json& json, const Reading& reading) {
  ++Reading::written;
  if (Reading::failures_due.fetch_sub(1) > 0) throw std::runtime_error("not now");
  json = Json{{"value", reading.value}};
}
void from_json(const Json& json, Reading& reading) {
  ++Reading::read;
  json.at("value").get_to(reading.value);
}

// Runs the same on several threads that start together.
template <class Action>
void on_threads(const Action& action) {
  constexpr int kThreads = 4;
  std::atomic<int> waiting{kThreads};
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      --waiting;
      while (waiting > 0) std::this_thread::yield();
      action();
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(PayloadCache, MakesJsonAndTextOnceWhicheverThreadAsks) {
  for (int round = 0; round < 50; ++round) {
    Reading::written = 0;
    const Event event("a", typed_payload(Reading{round}));
    on_threads([&] {
      const Event copy = event;
      EXPECT_EQ(copy.json().at("value"), round);
      EXPECT_EQ(&copy.json(), &event.json());
      EXPECT_EQ(copy.bytes().data(), event.bytes().data());
    });
    EXPECT_EQ(Reading::written, 1);
  }
}

TEST(PayloadCache, DecodesOnceWhicheverThreadAsks) {
  for (int round = 0; round < 50; ++round) {
    Reading::read = 0;
    const Event event("a", Payload::json({{"value", round}}));
    on_threads([&] {
      const Event copy = event;
      EXPECT_EQ(copy.as<Reading>().value, round);
      EXPECT_EQ(&copy.as<Reading>(), &event.as<Reading>());
    });
    EXPECT_EQ(Reading::read, 1);
  }
}

TEST(PayloadCache, OfABorrowedEventServesItsCopies) {
  Reading::written = 0;
  const Reading reading{7};
  const detail::Text topic("a");
  Event copy;
  const Json* made = nullptr;
  {
    Event borrowed;
    detail::EventAccess::begin(borrowed, EventId{1, 1}, 1, topic.rep(), nullptr);
    detail::EventAccess::borrow_typed(borrowed, &detail::payload_type_of<Reading>(), &reading);
    on_threads([&] { EXPECT_EQ(borrowed.json().at("value"), 7); });
    made = &borrowed.json();
    copy = borrowed;
  }
  EXPECT_EQ(&copy.json(), made);
  EXPECT_EQ(Reading::written, 1);
}

TEST(PayloadCache, KeepsNothingOfAConversionThatFailed) {
  Reading::failures_due = 1;
  const Event event("a", typed_payload(Reading{3}));
  EXPECT_THROW((void)event.json(), std::runtime_error);
  EXPECT_EQ(event.json().at("value"), 3);
}

TEST(PayloadCache, TellsDecodingsOfDifferentVersionsApart) {
  const Payload payload = Payload::json({{"value", 5}});
  const Event current("a", payload, {.schema_version = 1});
  const Event from_the_future("a", payload, {.schema_version = 2});
  EXPECT_EQ(current.as<Reading>().value, 5);
  EXPECT_EQ(from_the_future.try_as<Reading>(), nullptr);
}

}  // namespace
}  // namespace busway
