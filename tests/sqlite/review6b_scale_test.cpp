// What a review measured: run by name only (DISABLED_).
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <thread>

#include "sqlite_fixture.hpp"

namespace busway {
namespace {

double ms_of(const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
}

DurableSpec named(int i) {
  return {.name = "n" + std::to_string(i),
          .patterns = {Pattern::glob("number.*")},
          .start = Replay::beginning(),
          .lease = std::chrono::hours(1)};
}

TEST_F(SqliteFolder, DISABLED_Review6bADeadHostOfManyNames) {
  const int names = std::getenv("NAMES") != nullptr ? std::atoi(std::getenv("NAMES")) : 2'000;
  const pid_t child = fork();
  if (child == 0) {
    const std::shared_ptr<Store> store = open({.durability = Durability::process_crash});
    for (std::uint64_t n = 1; n <= 10; ++n) (void)store->append(numbered(n));
    std::vector<std::unique_ptr<StoreConsumer>> all;
    for (int i = 0; i < names; ++i) all.push_back(store->open(named(i)));
    for (auto& one : all) (void)one->fetch(5);
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  const std::shared_ptr<Store> store = open({.durability = Durability::process_crash});
  std::vector<std::unique_ptr<StoreConsumer>> all;
  std::cout << names << " names: first open (lapses all, one transaction): "
            << ms_of([&] { all.push_back(store->open(named(0))); }) << " ms\n";
  std::cout << "next open: " << ms_of([&] { all.push_back(store->open(named(1))); }) << " ms\n";
  std::cout << "fetch of one: " << ms_of([&] { (void)all[0]->fetch(5); }) << " ms\n";
  std::cout << "durables(): " << ms_of([&] { (void)store->durables(); }) << " ms\n";
  std::cout << "census(): " << ms_of([&] { (void)store->census(); }) << " ms\n";
  std::cout << "trim of 0: " << ms_of([&] { (void)store->trim({.max_events = 0}); }) << " ms\n";
}

/// The gate is held so long that others get not_stored.
TEST_F(SqliteFolder, DISABLED_Review6bAnotherPublishesWhileTheDeadAreBuried) {
  const int names = std::getenv("NAMES") != nullptr ? std::atoi(std::getenv("NAMES")) : 10'000;
  const pid_t child = fork();
  if (child == 0) {
    const std::shared_ptr<Store> store = open({.durability = Durability::process_crash});
    for (std::uint64_t n = 1; n <= 10; ++n) (void)store->append(numbered(n));
    std::vector<std::unique_ptr<StoreConsumer>> all;
    for (int i = 0; i < names; ++i) all.push_back(store->open(named(i)));
    for (auto& one : all) (void)one->fetch(5);
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  const std::shared_ptr<Store> publisher = open({.durability = Durability::process_crash});
  std::atomic<bool> over = false;
  std::thread opener([&] {
    const std::shared_ptr<Store> store = open({.durability = Durability::process_crash});
    const auto one = store->open(named(0));
    over = true;
  });
  std::size_t refused = 0;
  for (std::uint64_t n = 100; !over; ++n) {
    if (!publisher->append(numbered(n, "other.made")).ok()) ++refused;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  opener.join();
  EXPECT_EQ(refused, 0U);
}

TEST_F(SqliteFolder, DISABLED_Review6bALivingHostOfManyNames) {
  const int names = std::getenv("NAMES") != nullptr ? std::atoi(std::getenv("NAMES")) : 2'000;
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    const std::shared_ptr<Store> store = open({.durability = Durability::process_crash});
    for (std::uint64_t n = 1; n <= 10; ++n) (void)store->append(numbered(n));
    std::vector<std::unique_ptr<StoreConsumer>> all;
    for (int i = 0; i < names; ++i) all.push_back(store->open(named(i)));
    for (auto& one : all) (void)one->fetch(5);
    (void)write(ready[1], "r", 1);
    for (;;) pause();
  }
  char byte = 0;
  (void)read(ready[0], &byte, 1);
  const std::shared_ptr<Store> store = open({.durability = Durability::process_crash});
  std::vector<std::unique_ptr<StoreConsumer>> all;
  for (int i = 0; i < 3; ++i) {
    std::cout << names << " names of a living host: an open "
              << ms_of([&] { all.push_back(store->open(named(i))); }) << " ms\n";
  }
  kill(child, SIGKILL);
  int status = 0;
  waitpid(child, &status, 0);
}

TEST_F(SqliteFolder, DISABLED_Review6bOneOfManyLetters) {
  const std::shared_ptr<Store> store = open({.durability = Durability::process_crash});
  auto consumer = store->open(named(0));
  const std::string big(1U << 20U, 'x');
  std::string noise(big);
  std::uint32_t state = 1;
  for (char& c : noise) c = static_cast<char>((state = state * 1'664'525U + 1'013'904'223U) >> 24U);
  for (std::uint64_t n = 1; n <= 300; ++n) {
    const Event event("number.made", bytes(noise), {.id = EventId{1, n}, .time = WallTime{}});
    (void)store->append(event);
    const auto got = consumer->fetch(1);
    (void)consumer->settle(std::vector<Settlement>{{.sequence = got.deliveries.at(0).sequence,
                                                    .kind = Settlement::Kind::dead_letter,
                                                    .reason = "no"}});
  }
  const auto peak = [] {
    FILE* f = std::fopen("/proc/self/status", "r");
    char line[256];
    long kb = 0;
    while (std::fgets(line, sizeof line, f) != nullptr) {
      if (std::sscanf(line, "VmHWM: %ld", &kb) == 1) break;
    }
    std::fclose(f);
    return kb / 1024;
  };
  const long before = peak();
  std::cout << "dead_letters(limit 1) of 300: "
            << ms_of([&] { (void)store->dead_letters({.limit = 1}); }) << " ms, peak " << before
            << " -> " << peak() << " MiB\n";
  std::cout << "durables(): " << ms_of([&] { (void)store->durables(); }) << " ms\n";
}

TEST_F(SqliteFolder, DISABLED_Review6bCensusOfNamesThatAreBehind) {
  const std::shared_ptr<Store> store = open({.durability = Durability::process_crash});
  std::vector<Event> events;
  for (std::uint64_t n = 1; n <= 100'000; ++n) events.push_back(numbered(n));
  std::vector<AppendResult> results(events.size());
  store->append(events, results);
  for (int i = 0; i < 20; ++i) store->open(named(i))->close();
  std::cout << "census, 20 names 100000 behind: " << ms_of([&] { (void)store->census(); })
            << " ms\n";
}

}  // namespace
}  // namespace busway
