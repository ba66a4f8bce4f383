#include "busway/middleware/log_calls.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <span>
#include <stdexcept>
#include <string>

#include "../still_bus.hpp"

namespace busway {
namespace {

using namespace std::chrono_literals;

/// Keeps lines as text.
LogSink into(Names& lines) {
  return [&lines](LogLevel level, std::string_view message, std::span<const LogField> fields) {
    std::string line = std::string(to_string(level)) + ": " + std::string(message);
    for (const LogField& field : fields) {
      if (field.name != "id")
        line += " " + std::string(field.name) + "=" + std::string(field.value);
    }
    lines.push_back(line);
  };
}

TEST(LogCalls, WritesALineACallWhenItHasEnded) {
  Still still;
  Names lines;
  auto listener = still.bus.subscribe("a",
                                      with(LogCalls(into(lines)),
                                           [&](const Event&) {
                                             EXPECT_TRUE(lines.empty());
                                             still.clock->advance(1500us);
                                           }),
                                      {.name = "shop"});
  still.bus.publish("a");
  EXPECT_EQ(lines,
            (Names{"info: a handler is done topic=a subscription=shop attempt=1 took_us=1500"}));
}

TEST(LogCalls, NamesTheEvent) {
  Still still;
  std::string id;
  const LogSink sink = [&](LogLevel, std::string_view, std::span<const LogField> fields) {
    for (const LogField& field : fields) {
      if (field.name == "id") id = field.value;
    }
  };
  auto listener = still.bus.subscribe("a", with(LogCalls(sink), [](const Event&) {}));
  EXPECT_EQ(to_string(still.bus.publish("a").id), id);
}

TEST(LogCalls, SaysHowACallEndedThatDidNotEndWell) {
  Still still;
  Names lines;
  int call = 0;
  auto listener = still.bus.subscribe(
      "a", with(LogCalls(into(lines), {.failed = LogLevel::error}), [&](const Event&) -> Outcome {
        switch (++call) {
          case 1: return Outcome::fail("no stock");
          case 2: return Outcome::retry(20ms);
          case 3: return Outcome::dead_letter("no hope");
          case 4: throw std::runtime_error("two\nlines");
          default: throw 7;
        }
      }));
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(still.bus.publish("a").ok());
  const std::string fields = " topic=a subscription=a attempt=1 took_us=0 reason=";
  EXPECT_EQ(lines,
            (Names{"error: a handler failed" + fields + "no stock",
                   "error: a handler wants to try again" + fields + "a retry after 20ms",
                   "error: a handler gave an event up" + fields + "no hope",
                   "error: a handler failed" + fields + "two\\nlines",
                   "error: a handler failed" + fields + "what was thrown is no std::exception"}));
}

TEST(LogCalls, ASinkThatThrowsHarmsNoDelivery) {
  Bus bus;
  int calls = 0;
  const LogSink sink = [](LogLevel, std::string_view, std::span<const LogField>) {
    throw std::runtime_error("the disk is full");
  };
  auto listener = bus.subscribe("a", with(LogCalls(sink), [&](const Event&) {
                                  if (++calls == 2) throw std::runtime_error("broken");
                                }));
  EXPECT_TRUE(bus.publish("a").ok());
  EXPECT_EQ(bus.publish("a").failures.front().reason, "broken");
}

TEST(LogCalls, RefusesASinkThatHoldsNothing) {
  (void)error_of(ErrorCode::invalid_argument, [] { (void)LogCalls(LogSink{}); });
}

}  // namespace
}  // namespace busway
