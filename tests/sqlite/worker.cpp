// What the tests run as a process of its own and kill: a publisher or a consumer of a store.
//
//   publish ADDRESS LOG FIRST COUNT   publishes numbers, and notes in LOG each acknowledged one
//   consume ADDRESS LOG NAME          handles numbers for a durable name, and notes each in LOG
//   answers ADDRESS FIRST COUNT       publishes numbers, and prints each with the store's answer
//   take ADDRESS NAME ORDER           fetches what is there, and holds it until it is killed
//   hold PATH                         holds the gate of a path until it is killed
//
// A note is eight bytes, written at once: what was written outlives the process.
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>

#include "busway/busway.hpp"
#include "busway/store_provider.hpp"

namespace {

using namespace busway;

class Notes {
 public:
  explicit Notes(const char* path)
      : file_(open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) {}
  void add(std::uint64_t number) const {
    if (write(file_, &number, sizeof number) != sizeof number) std::abort();
  }

 private:
  int file_;
};

Event event_of(std::uint64_t number) {
  return Event("number.made", bytes(std::string_view(reinterpret_cast<const char*>(&number), 8)));
}

std::uint64_t number_of(const Event& event) {
  std::uint64_t number = 0;
  if (event.bytes().size() == 8) std::memcpy(&number, event.bytes().data(), 8);
  return number;
}

BusOptions options_for(const char* address) {
  BusOptions options;
  options.store = address;
  options.history = 0;
  options.log = [](LogLevel, std::string_view, std::span<const LogField>) {};
  return options;
}

int publish(const char* address, const char* log, std::uint64_t first, std::uint64_t count) {
  const Notes notes(log);
  Bus bus(options_for(address));
  for (std::uint64_t n = first; n < first + count; ++n) {
    Event event = event_of(n);
    PublishResult result = bus.publish(event);
    if (result.ok()) notes.add(n);
  }
  return 0;
}

int consume(const char* address, const char* log, const char* name) {
  const Notes notes(log);
  Bus bus(options_for(address));
  SubscriptionOptions options;
  options.durable = name;
  options.replay = Replay::beginning();
  options.lease = std::chrono::milliseconds(300);
  options.queue_capacity = 64;
  const Subscription numbers = bus.subscribe(
      "number.*", [&](const Event& event) { notes.add(number_of(event)); }, options);
  std::puts("ready");
  std::fflush(stdout);
  for (;;) {
    // Ends at the end of its input, once there is nothing left to handle.
    char byte = 0;
    if (read(STDIN_FILENO, &byte, 1) == 0) break;
  }
  // What instances that were killed held is free when their leases have lapsed.
  const auto is_done = [&] {
    for (const DurableInfo& one : bus.durables()) {
      if (one.name == name) return one.lag == 0 && one.leased == 0 && one.retrying == 0;
    }
    return false;
  };
  for (int look = 0; look < 3'000; ++look) {
    if (bus.wait_idle(std::chrono::seconds(10)) && is_done()) return 0;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return 1;
}

int answers(const char* address, std::uint64_t first, std::uint64_t count) {
  std::shared_ptr<Store> store;
  StoreOptions options;
  options.log = [](LogLevel, std::string_view, std::span<const LogField>) {};
  try {
    store = open_store(address, options);
  } catch (const Error& error) {
    std::printf("refused %s\n", error.what());
    return 0;
  }
  for (std::uint64_t n = first; n < first + count; ++n) {
    Event event("number.made", bytes(std::string_view(reinterpret_cast<const char*>(&n), 8)),
                {.id = EventId{1, n}, .time = WallTime(std::chrono::nanoseconds(1))});
    const AppendResult result = store->append(event);
    std::printf("%llu %s\n", static_cast<unsigned long long>(n),
                std::string(to_string(result.answer)).c_str());
  }
  store->close();
  return 0;
}

int take(const char* address, const char* name, const std::string& order) {
  StoreOptions options;
  options.log = [](LogLevel, std::string_view, std::span<const LogField>) {};
  const std::shared_ptr<Store> store = open_store(address, options);
  const auto consumer =
      store->open({.name = name,
                   .patterns = {Pattern::glob("number.*")},
                   .start = Replay::beginning(),
                   .order = order == "strict" ? DurableOrder::strict : DurableOrder::relaxed,
                   .lease = std::chrono::hours(1)});
  std::printf("took %zu\n", consumer->fetch(100).deliveries.size());
  std::fflush(stdout);
  for (;;) pause();
}

int hold(const char* path) {
  const int file = open((std::string(path) + "-gate").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0 || flock(file, LOCK_EX) != 0) return 1;
  std::puts("ready");
  std::fflush(stdout);
  for (;;) pause();
}

}  // namespace

int main(int count, char** words) {
  const std::string what = count > 1 ? words[1] : "";
  if (what == "publish" && count == 6) {
    return publish(words[2], words[3], std::strtoull(words[4], nullptr, 10),
                   std::strtoull(words[5], nullptr, 10));
  }
  if (what == "consume" && count == 5) return consume(words[2], words[3], words[4]);
  if (what == "take" && count == 5) return take(words[2], words[3], words[4]);
  if (what == "answers" && count == 5) {
    return answers(words[2], std::strtoull(words[3], nullptr, 10),
                   std::strtoull(words[4], nullptr, 10));
  }
  if (what == "hold" && count == 3) return hold(words[2]);
  return 2;
}
