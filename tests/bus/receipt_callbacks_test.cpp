// What is called when all deliveries of an event have ended.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "bus_fixture.hpp"

namespace busway {
namespace {

/// Takes tasks until told that it takes no more.
class Fickle final : public Executor {
 public:
  Posted post(Task task) override {
    if (refuses) return Posted::refused;
    tasks.push_back(std::move(task));
    return Posted::accepted;
  }
  void run() {
    while (!tasks.empty()) {
      const Task task = std::move(tasks.front());
      tasks.erase(tasks.begin());
      task();
    }
  }
  bool refuses = false;
  std::vector<Task> tasks;
};

struct Logged {
  std::mutex mutex;
  std::vector<std::string> lines;
  LogSink sink() {
    return [this](LogLevel, std::string_view message, std::span<const LogField> fields) {
      const std::lock_guard lock(mutex);
      std::string line(message);
      for (const LogField& field : fields) {
        line.append(" ").append(field.name).append("=").append(field.value);
      }
      lines.push_back(std::move(line));
    };
  }
};

TEST(ReceiptCallbacks, RunOnceOnTheExecutorWhenAllDeliveriesHaveEnded) {
  Pumped pumped;
  const Subscription sync = pumped.bus.subscribe("a", [](const Event&) {});
  const Subscription async = pumped.bus.subscribe("a", [](const Event&) {}, {.mode = Mode::async});
  const Receipt receipt = pumped.bus.publish_async("a");
  int calls = 0;
  receipt.on_settled([&](const Receipt& settled) {
    ++calls;
    EXPECT_EQ(settled.id(), receipt.id());
    EXPECT_EQ(settled.status(), EventStatus::completed);
    EXPECT_EQ(settled.outcomes().size(), 2U);
  });
  (void)pumped.bus.poll(1);
  EXPECT_EQ(calls, 0) << "one of two deliveries has ended";
  while (!receipt.wait_for(std::chrono::nanoseconds(0)) && pumped.bus.poll(1) != 0) {
  }
  EXPECT_EQ(calls, 0) << "it has settled, and the executor has not been pumped since";
  (void)pumped.bus.poll();
  EXPECT_EQ(calls, 1);
}

TEST(ReceiptCallbacks, OfAReceiptThatHasSettledRunOnTheExecutorToo) {
  Pumped pumped;
  const Receipt receipt = pumped.bus.publish_async("nobody");
  (void)pumped.bus.poll();
  int calls = 0;
  receipt.on_settled([&](const Receipt&) { ++calls; });
  EXPECT_EQ(calls, 0);
  EXPECT_FALSE(pumped.bus.idle());
  (void)pumped.bus.poll();
  EXPECT_EQ(calls, 1);
  EXPECT_TRUE(pumped.bus.idle());
}

TEST(ReceiptCallbacks, OfARefusedEventTellWhy) {
  Pumped pumped(BusOptions{.enabled = false});
  std::optional<ErrorCode> code;
  pumped.bus.publish_async("a").on_settled(
      [&](const Receipt& settled) { code = settled.result().code; });
  (void)pumped.bus.poll();
  EXPECT_EQ(code, ErrorCode::disabled);
}

TEST(ReceiptCallbacks, RunInTheOrderGivenAndNeedTheReceiptNoMore) {
  Pumped pumped;
  std::vector<int> order;
  {
    const Receipt receipt = pumped.bus.publish_async("a");
    for (int i = 0; i < 5; ++i) {
      receipt.on_settled([&order, i](const Receipt&) { order.push_back(i); });
    }
  }
  (void)pumped.bus.poll();
  EXPECT_EQ(order, (std::vector{0, 1, 2, 3, 4}));
}

TEST(ReceiptCallbacks, RunOnAWorkerOfTheBus) {
  Bus bus(quiet());
  const Subscription sync = bus.subscribe("a", [](const Event&) {});
  std::thread::id where = std::this_thread::get_id();
  bus.publish_async("a").on_settled([&](const Receipt&) { where = std::this_thread::get_id(); });
  EXPECT_TRUE(bus.wait_idle(kLong)) << "a bus with callbacks to run is not idle";
  EXPECT_NE(where, std::this_thread::get_id());
}

TEST(ReceiptCallbacks, ThatThrowAreLoggedAndTheNextOnesRun) {
  Logged logged;
  Pumped pumped(BusOptions{.log = logged.sink()});
  int calls = 0;
  const Receipt receipt = pumped.bus.publish_async("a");
  receipt.on_settled([](const Receipt&) { throw std::runtime_error("no disk"); });
  receipt.on_settled([](const Receipt&) { throw 42; });
  receipt.on_settled([&](const Receipt&) { ++calls; });
  (void)pumped.bus.poll();
  EXPECT_EQ(calls, 1);
  ASSERT_EQ(logged.lines.size(), 2U);
  EXPECT_TRUE(mentions(logged.lines[0], "no disk"));
  EXPECT_TRUE(mentions(logged.lines[0], to_string(receipt.id())));
  EXPECT_TRUE(mentions(logged.lines[1], "no std::exception"));
}

TEST(ReceiptCallbacks, RunOnTheThreadThatFindsOutWhenTheExecutorRefuses) {
  const auto executor = std::make_shared<Fickle>();
  BusOptions options;
  options.executor = executor;
  Bus bus(quiet(std::move(options)));
  const Receipt receipt = bus.publish_async("a");
  int early = 0;
  receipt.on_settled([&](const Receipt&) { ++early; });
  executor->refuses = true;
  executor->run();
  EXPECT_EQ(early, 1) << "the task that ended the last delivery had to run it";
  int late = 0;
  receipt.on_settled([&](const Receipt&) { ++late; });
  EXPECT_EQ(late, 1) << "nobody else would ever run it";
}

TEST(ReceiptCallbacks, ThatNobodyPumpedRunWhenTheBusIsDestroyed) {
  std::optional<EventStatus> queued;
  std::optional<EventStatus> settled;
  const auto executor = std::make_shared<ManualExecutor>();
  std::optional<Receipt> receipt;
  {
    BusOptions options;
    options.executor = executor;
    Bus bus(quiet(std::move(options)));
    const Subscription one = bus.subscribe("a", [](const Event&) {}, {.mode = Mode::async});
    receipt = bus.publish_async("nobody");
    (void)bus.poll();
    receipt->on_settled([&](const Receipt& mine) { settled = mine.status(); });
    bus.publish_async("a").on_settled([&](const Receipt& mine) { queued = mine.status(); });
    EXPECT_FALSE(queued || settled);
  }
  EXPECT_EQ(settled, EventStatus::completed);
  EXPECT_EQ(queued, EventStatus::failed) << "the bus ended before it was delivered";
  // The tasks are still there and find nothing to do; the bus runs nothing any more.
  (void)executor->run();
  int late = 0;
  receipt->on_settled([&](const Receipt&) { ++late; });
  EXPECT_EQ(late, 1);
}

TEST(ReceiptCallbacks, AreWaitedForByAStop) {
  Bus bus(quiet());
  std::mutex mutex;
  int counted = 0;
  for (int i = 0; i < 100; ++i) {
    bus.publish_async("a").on_settled([&](const Receipt&) {
      const std::lock_guard lock(mutex);
      ++counted;
    });
  }
  EXPECT_TRUE(bus.stop(kLong).ok());
  EXPECT_EQ(counted, 100);
}

TEST(ReceiptCallbacks, LeftAtTheDeadlineOfAStopAreReported) {
  Pumped pumped;
  const Receipt receipt = pumped.bus.publish_async("a");
  (void)pumped.bus.poll();
  bool ran = false;
  receipt.on_settled([&](const Receipt&) { ran = true; });
  std::thread([&] {
    const StopResult result = pumped.bus.stop(std::chrono::nanoseconds(0));
    EXPECT_EQ(result.kind, StopResult::Kind::deadline);
    ASSERT_EQ(result.left.size(), 1U);
    EXPECT_EQ(result.left.front().name, "receipt callbacks");
    EXPECT_EQ(result.left.front().queued, 1U);
  }).join();
  EXPECT_FALSE(ran);
}

TEST(ReceiptCallbacks, MayUnsubscribePublishAndBeginAStop) {
  Bus bus(quiet({.worker_count = 1}));
  Subscription one = bus.subscribe("a", [](const Event&) {}, {.mode = Mode::async});
  Gate done;
  StopResult::Kind kind = StopResult::Kind::deadline;
  std::optional<Receipt> next;
  bus.publish_async("a").on_settled([&](const Receipt&) {
    one.reset();
    next = bus.publish_async("b");
    kind = bus.stop(kLong).kind;
    done.open();
  });
  EXPECT_TRUE(done.wait());
  EXPECT_EQ(kind, StopResult::Kind::begun) << "the only worker does not wait for itself";
  EXPECT_TRUE(next->wait_for(kLong));
  EXPECT_TRUE(bus.stop(kLong).ok());
}

TEST(ReceiptCallbacks, GivenFromManyThreadsRunOnceEach) {
  Bus bus(quiet());
  const Subscription async = bus.subscribe("a", [](const Event&) {}, {.mode = Mode::async});
  constexpr int kThreads = 4;
  constexpr int kRounds = 200;
  std::atomic<int> calls{0};
  for (int round = 0; round < kRounds; ++round) {
    const Receipt receipt = bus.publish_async("a");
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&] { receipt.on_settled([&](const Receipt&) { ++calls; }); });
    }
    for (std::thread& thread : threads) thread.join();
  }
  EXPECT_TRUE(bus.wait_idle(kLong));
  EXPECT_EQ(calls, kThreads * kRounds);
}

TEST(ReceiptCallbacks, ThatAreEmptyAreRefused) {
  Pumped pumped;
  const Receipt receipt = pumped.bus.publish_async("a");
  error_of(ErrorCode::invalid_argument, [&] { receipt.on_settled(nullptr); });
}

}  // namespace
}  // namespace busway
