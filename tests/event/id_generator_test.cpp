#include "event/id_generator.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <limits>
#include <thread>
#include <unordered_set>
#include <vector>

namespace busway::event_detail {
namespace {

constexpr std::int64_t kMs = 1'000'000;
constexpr std::int64_t kNow = 1'700'000'000'123'456'789;  // 2023-11-14 22:13:20.123456789 UTC

unsigned version_of(const EventId& id) { return static_cast<unsigned>(id.high >> 12U & 0xFU); }
unsigned variant_of(const EventId& id) { return static_cast<unsigned>(id.low >> 62U); }
unsigned counter_of(const EventId& id) { return static_cast<unsigned>(id.high & 0xFFFU); }

TEST(IdGenerator, LaysOutTheBitsOfRfc9562Version7) {
  IdGenerator ids;
  const EventId id = ids.next(kNow);
  EXPECT_EQ(id.time_ms(), 1'700'000'000'123U);
  EXPECT_EQ(version_of(id), 7U);
  EXPECT_EQ(counter_of(id), 0U);
  EXPECT_EQ(variant_of(id), 2U);
  EXPECT_EQ(counter_of(ids.next(kNow)), 1U);
}

TEST(IdGenerator, IncreasesStrictlyOverTenMillionIds) {
  // A clock that creeps, stands and jumps back and forth by up to 50 ms.
  IdGenerator ids;
  EventId last;
  std::int64_t now = kNow;
  std::int64_t not_increasing = 0;
  std::int64_t ill_formed = 0;
  for (std::int64_t i = 0; i < 10'000'000; ++i) {
    now += 17;
    if (i % 100'003 == 0) now -= 50 * kMs;
    if (i % 250'007 == 0) now += 40 * kMs;
    const EventId id = ids.next(now);
    if (!(last < id)) ++not_increasing;
    if (version_of(id) != 7 || variant_of(id) != 2) ++ill_formed;
    last = id;
  }
  EXPECT_EQ(not_increasing, 0);
  EXPECT_EQ(ill_formed, 0);
}

TEST(IdGenerator, RunsAheadOfTheClockPast4096IdsInAMillisecondAndIsCaughtUpWith) {
  IdGenerator ids;
  const std::uint64_t ms = 1'700'000'000'123U;
  EventId id;
  for (int i = 0; i < 4096; ++i) id = ids.next(kNow);
  EXPECT_EQ(id.time_ms(), ms);
  EXPECT_EQ(counter_of(id), 4095U);
  id = ids.next(kNow);
  EXPECT_EQ(id.time_ms(), ms + 1);
  EXPECT_EQ(counter_of(id), 0U);
  id = ids.next(kNow + kMs);  // the millisecond it borrowed has come: count on
  EXPECT_EQ(id.time_ms(), ms + 1);
  EXPECT_EQ(counter_of(id), 1U);
  id = ids.next(kNow + 2 * kMs);
  EXPECT_EQ(id.time_ms(), ms + 2);
  EXPECT_EQ(counter_of(id), 0U);
}

TEST(IdGenerator, KeepsItsMillisecondWhenTheClockStepsBack) {
  IdGenerator ids;
  const EventId before = ids.next(kNow);
  const EventId after = ids.next(kNow - 3600 * 1000 * kMs);
  EXPECT_LT(before, after);
  EXPECT_EQ(after.time_ms(), before.time_ms());
  EXPECT_EQ(ids.next(kNow + kMs).time_ms(), before.time_ms() + 1);
}

TEST(IdGenerator, BeginsAMillisecondExactlyAtItsFirstNanosecond) {
  IdGenerator ids;
  EXPECT_EQ(ids.next(5 * kMs - 1).time_ms(), 4U);
  EXPECT_EQ(ids.next(5 * kMs).time_ms(), 5U);
  EXPECT_EQ(ids.next(6 * kMs - 1).time_ms(), 5U);
}

TEST(IdGenerator, TakesTimesBefore1970As1970) {
  IdGenerator ids;
  EXPECT_EQ(ids.next(std::numeric_limits<std::int64_t>::min()).time_ms(), 0U);
  EXPECT_EQ(ids.next(-1).time_ms(), 0U);
}

TEST(IdGenerator, RepeatsForTheSameSeedAndStreamOnly) {
  IdGenerator a(42);
  IdGenerator b(42);
  IdGenerator other_seed(43);
  IdGenerator other_stream(42, 1);
  for (int i = 0; i < 100; ++i) {
    const EventId id = a.next(kNow + i * kMs);
    EXPECT_EQ(id, b.next(kNow + i * kMs));
    EXPECT_NE(id, other_seed.next(kNow + i * kMs));
    EXPECT_NE(id, other_stream.next(kNow + i * kMs));
  }
}

TEST(IdGenerator, ThreadsThatShareAMillisecondMakeNoIdTwice) {
  constexpr int kThreads = 4;
  constexpr int kEach = 20'000;
  std::vector<std::vector<EventId>> made(kThreads);
  std::vector<std::thread> threads;
  for (auto& mine : made) {
    threads.emplace_back([&mine] {
      constinit static thread_local IdGenerator ids;
      mine.reserve(kEach);
      for (int i = 0; i < kEach; ++i) mine.push_back(ids.next(kNow));
    });
  }
  for (auto& thread : threads) thread.join();
  std::unordered_set<EventId> all;
  for (const auto& mine : made) all.insert(mine.begin(), mine.end());
  EXPECT_EQ(all.size(), static_cast<std::size_t>(kThreads) * kEach);
}

/// The first id that a child makes from a copy of this generator.
EventId id_in_a_child(IdGenerator& ids, std::int64_t now) {
  int ends[2] = {-1, -1};
  EXPECT_EQ(pipe(ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    const EventId id = ids.next(now);
    _exit(write(ends[1], &id, sizeof id) == sizeof id ? 0 : 1);
  }
  EventId id;
  EXPECT_EQ(read(ends[0], &id, sizeof id), static_cast<ssize_t>(sizeof id));
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  close(ends[0]);
  close(ends[1]);
  return id;
}

TEST(IdGenerator, AForkedChildMakesOtherIdsThanItsParentAndItsSiblings) {
  IdGenerator ids;
  const EventId before = ids.next(kNow);
  const EventId first_child = id_in_a_child(ids, kNow);
  const EventId second_child = id_in_a_child(ids, kNow);
  const EventId parent = ids.next(kNow);
  EXPECT_NE(first_child, parent);
  EXPECT_NE(second_child, parent);
  EXPECT_NE(first_child, second_child);
  EXPECT_LT(before, first_child);  // still increasing after its own earlier ids
}

TEST(IdGenerator, ASeededOneStaysRepeatableInAForkedChild) {
  IdGenerator ids(42);
  (void)ids.next(kNow);
  const EventId child = id_in_a_child(ids, kNow);
  EXPECT_EQ(child, ids.next(kNow));
}

}  // namespace
}  // namespace busway::event_detail
