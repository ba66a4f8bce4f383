// A synchronous publish of a small event allocates nothing.
#include <gtest/gtest.h>

#include <cstdlib>
#include <new>

#include "bus/bus_core.hpp"
#include "bus_fixture.hpp"

namespace {

thread_local std::size_t allocations = 0;

void* allocate(std::size_t size) {
  ++allocations;
  if (void* const memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}

}  // namespace

void* operator new(std::size_t size) { return allocate(size); }
void* operator new[](std::size_t size) { return allocate(size); }
// The standard's own would do, but the address sanitizer's would not fit our delete.
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  ++allocations;
  return std::malloc(size == 0 ? 1 : size);
}
void* operator new[](std::size_t size, const std::nothrow_t& nothrow) noexcept {
  return operator new(size, nothrow);
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

namespace busway {
namespace {

/// Of the second thousand calls; the first brings the tables up.
template <class Action>
std::size_t allocations_of(const Action& action) {
  for (int i = 0; i < 1000; ++i) action();
  const std::size_t before = allocations;
  for (int i = 0; i < 1000; ++i) action();
  return allocations - before;
}

struct Allocations : ::testing::Test {
  Allocations() {
    kept.push_back(bus.subscribe("point.moved", [this](const Event&) { ++calls; }));
    kept.push_back(bus.subscribe<Point>([this](const Point& point) { calls += point.x; }));
    kept.push_back(bus.subscribe("point.*", [this](const Event&, Context&) { ++calls; }));
    kept.push_back(
        bus.subscribe({"point.moved", "x"}, [this](const Event&) { ++calls; }, {.name = "named"}));
  }
  Bus bus;
  std::vector<Subscription> kept;
  int calls = 0;
};

TEST_F(Allocations, AreNoneWhenItIsAskedWhoNamesATopic) {
  detail::BusCore& core = detail::Dispatch::core_of(bus);
  bool named = false;
  EXPECT_EQ(allocations_of([&] { named = core.is_subscribed_by_name("point.turned"); }), 0U);
  EXPECT_FALSE(named) << "point.* matches it and does not name it";
  EXPECT_EQ(allocations_of([&] { named = core.is_subscribed_by_name("x"); }), 0U);
  EXPECT_TRUE(named);
}

TEST_F(Allocations, OfASynchronousPublishOfASmallEventAreNone) {
  EXPECT_EQ(allocations_of([&] { bus.publish(Point{1, 2}); }), 0U);
  EXPECT_EQ(allocations_of([&] { bus.publish("point.moved", Point{1, 2}); }), 0U);
  EXPECT_EQ(calls, 16'000);
}

TEST_F(Allocations, ThroughAHandleAreNone) {
  const Topic topic = bus.topic("point.moved");
  EXPECT_EQ(allocations_of([&] { topic.publish(Point{1, 2}); }), 0U);
}

TEST_F(Allocations, WithPriorityAndOriginAreNone) {
  EXPECT_EQ(allocations_of([&] {
              bus.publish(Point{1, 2}, {.priority = Priority::high, .origin = Origin::system});
            }),
            0U);
}

TEST_F(Allocations, OfAnEventThatNobodyHearsAreNone) {
  EXPECT_EQ(allocations_of([&] { bus.publish("nobody.listens.to.this"); }), 0U);
}

TEST_F(Allocations, OfAnEventInsideAHandlerAreNone) {
  kept.push_back(bus.subscribe("outer", [this](const Event&) { bus.publish(Point{1, 2}); }));
  EXPECT_EQ(allocations_of([&] { bus.publish("outer"); }), 0U);
}

TEST_F(Allocations, OfAPublishThatFailsAreCounted) {
  // So that the counter is known to count.
  kept.push_back(bus.subscribe("bad", [](const Event&) { throw 42; }));
  EXPECT_GT(allocations_of([&] { bus.publish("bad"); }), 0U);
}

TEST(AsyncAllocations, OfASmallEventComeInChunksOnly) {
  Pumped pumped;
  int calls = 0;
  const Subscription one =
      pumped.bus.subscribe("point.moved", [&](const Event&) { ++calls; }, {.mode = Mode::async});
  const Topic topic = pumped.bus.topic("point.moved");
  const std::size_t each = allocations_of([&] {
    for (int i = 0; i < 100; ++i) topic.publish(Point{1, 2});
    pumped.bus.poll();
  });
  // A task for a hundred events, and what the executor needs for it.
  EXPECT_LE(each, 1000U * 8U);
  EXPECT_EQ(calls, 200'000);
}

}  // namespace
}  // namespace busway
