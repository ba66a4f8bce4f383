// What the tests run as a process of its own and kill: a publisher or a consumer of a store.
//
//   publish ADDRESS DURABILITY LOG FIRST HOW
//                                     publishes numbers until the end of its input, one by one, of
//                                     several threads, in batches or by receipts, and notes in LOG
//                                     each acknowledged one
//   consume|consume-badly ADDRESS DURABILITY LOG NAME
//                                     handles numbers for a durable name, and notes each in LOG
//   answers ADDRESS DURABILITY FIRST COUNT
//                                     publishes numbers, and prints each with the store's answer,
//                                     the syncs until then, and whether one of its calls failed
//   live ADDRESS DURABILITY BACKUP    does all that can be done with a store, and prints it
//   take ADDRESS NAME ORDER           fetches what is there, and holds it until it is killed
//   grasp ADDRESS NAME PATTERN ORDER LEASE COUNT WALL
//                                     fetches so many at this time, and holds them until it is
//                                     killed; times in ns, a WALL of 0 is the system's clock
//   leave-child ADDRESS NAME          takes, and leaves a child of fork() until the input's end
//   stand ADDRESS NAME                fetches what is there, and settles it at the end of its input
//   fill FOLDER                       makes FOLDER a small disk, fills it, and makes room again
//   read-only FOLDER                  makes FOLDER a disk, and opens a store when it is read-only
//   run-read-only FILE STATE PROGRAM ...  makes the folder of FILE a disk, on it the store FILE,
//                                     "closed", "killed" or "without-shm", makes the disk read-only
//                                     and becomes the program
//   unwritable FOLDER                 as one who may not write its files, or FOLDER
//   twin ADDRESS LOG FIRST COUNT      says "ready", publishes numbers when told, and notes in LOG
//                                     those it handles; of the same instance_id as its twin
//   chain ADDRESS                     a chain of phases a, b, c, d that stands still in c, and says
//                                     its session
//   hold PATH                         holds the gate of a path until it is killed
//
// LOG is a testing::NoteFile, whose notes have the number as their content.
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <mutex>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "busway/busway.hpp"
#include "busway/function_phase.hpp"
#include "busway/phase_orchestrator.hpp"
#include "busway/testing/delivery_audit.hpp"
#include "busway/testing/failing_disk.hpp"
#include "busway/testing/manual_clock.hpp"
#include "worker.hpp"

namespace {

using namespace busway;
using namespace busway::worker;
using testing::FailingDisk;
using testing::NoteFile;

BusOptions options_for(const char* address, const char* durability) {
  BusOptions options;
  options.store = address;
  options.store_options.durability = durability_named(durability);
  options.history = 0;
  options.log = quiet_sink();
  return options;
}

testing::DeliveryNote note_of(const Event& event) {
  return {.id = event.id(), .content = number_of(event)};
}

void say(const char* line) {
  std::puts(line);
  std::fflush(stdout);
}

void say_took(std::size_t count) { say(("took " + std::to_string(count)).c_str()); }

/// Set at the end of the input.
class EndOfInput {
 public:
  EndOfInput()
      : reader_([this] {
          wait_for_end_of_input();
          come_ = true;
        }) {}
  ~EndOfInput() { reader_.join(); }
  EndOfInput(const EndOfInput&) = delete;
  EndOfInput& operator=(const EndOfInput&) = delete;
  [[nodiscard]] bool has_come() const { return come_; }

 private:
  std::atomic<bool> come_{false};
  std::thread reader_;
};

int publish(const char* address, const char* durability, const char* log, std::uint64_t first,
            const std::string& how) {
  const NoteFile notes(log);
  Bus bus(options_for(address, durability));
  const EndOfInput end;
  std::once_flag first_one;
  const auto acknowledged = [&](std::uint64_t number, const EventId& id) {
    notes.add({.id = id, .content = number});
    std::call_once(first_one, [] { say("begun"); });
  };
  const auto one_by_one = [&](std::uint64_t from) {
    for (std::uint64_t n = from; !end.has_come(); ++n) {
      const PublishResult result = bus.publish(event_of(n));
      if (result.ok()) acknowledged(n, result.id);
    }
  };
  if (how == "one") {
    one_by_one(first);
  } else if (how == "threads") {
    std::vector<std::thread> threads;
    for (std::uint64_t t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] { one_by_one(first + t * 100'000); });
    }
    for (std::thread& one : threads) one.join();
  } else if (how == "batch") {
    for (std::uint64_t n = first; !end.has_come();) {
      std::vector<Event> events;
      for (std::uint64_t i = 0; i < 7; ++i) events.push_back(event_of(n + i));
      for (const PublishResult& result : bus.publish_batch(events)) {
        if (result.ok()) acknowledged(n, result.id);
        ++n;
      }
    }
  } else {
    std::deque<std::pair<std::uint64_t, Receipt>> out;
    for (std::uint64_t n = first; !end.has_come() || !out.empty(); ++n) {
      if (!end.has_come()) out.emplace_back(n, bus.publish_async(event_of(n)));
      if (out.size() < 16 && !end.has_come()) continue;
      const auto& [number, receipt] = out.front();
      if (receipt.wait_for(std::chrono::minutes(1), Receipt::Stage::stored) &&
          receipt.result().ok()) {
        acknowledged(number, receipt.id());
      }
      out.pop_front();
    }
  }
  return 0;
}

enum class Handlers : unsigned char { good, bad };

/// Of a multiple of five no handler can make anything, of one of three not always.
void fail_some(std::uint64_t number) {
  static std::atomic<unsigned> calls{0};
  if (number % 5 == 0) throw std::runtime_error("never");
  if (number % 3 == 0 && ++calls % 2 == 0) throw std::runtime_error("not now");
}

int consume(const char* address, const char* durability, const char* log, const char* name,
            Handlers handlers) {
  const NoteFile notes(log);
  Bus bus(options_for(address, durability));
  SubscriptionOptions options;
  options.durable = name;
  options.replay = Replay::beginning();
  options.lease = std::chrono::milliseconds(300);
  options.queue_capacity = 64;
  if (handlers == Handlers::bad) {
    options.retry = RetryPolicy{};
    options.retry->max_retries = 2;
    options.retry->initial_delay = std::chrono::milliseconds(1);
  }
  const Subscription numbers = bus.subscribe(
      "number.*",
      [&](const Event& event) {
        if (handlers == Handlers::bad) fail_some(number_of(event));
        notes.add(note_of(event));
      },
      options);
  say("ready");
  wait_for_end_of_input();
  // What instances that were killed held comes to those that live, which tell of it when they have
  // settled it.
  const auto is_done = [&] {
    for (const DurableInfo& one : bus.durables()) {
      if (one.name == name) return one.lag == 0 && one.leased == 0 && one.retrying == 0;
    }
    return false;
  };
  Changes changes;
  const Store::Watch watch = bus.store()->watch([&](StoreNews) { changes.tell(); });
  const bool done =
      changes.wait_until([&] { return bus.wait_idle(std::chrono::seconds(10)) && is_done(); },
                         std::chrono::seconds(60));
  return done ? 0 : 1;
}

int answers(const char* address, const char* durability, std::uint64_t first, std::uint64_t count) {
  const std::shared_ptr<Store> store = open_or_tell(address, durability);
  if (store == nullptr) return 0;
  (void)FailingDisk::has_failed_here();
  for (std::uint64_t n = first; n < first + count; ++n) {
    const AppendResult result = store->append(event_of(n, EventId{1, n}));
    std::printf("%llu %s %ld %d\n", static_cast<unsigned long long>(n),
                std::string(to_string(result.answer)).c_str(), FailingDisk::syncs(),
                FailingDisk::has_failed_here() ? 1 : 0);
  }
  store->close();
  return 0;
}

enum class Child : unsigned char { none, left };

int take(const char* address, const char* name, const std::string& order, Child child) {
  const std::shared_ptr<Store> store = open_quietly(address);
  const auto consumer =
      store->open({.name = name,
                   .patterns = {Pattern::glob("number.*")},
                   .start = Replay::beginning(),
                   .order = order == "strict" ? DurableOrder::strict : DurableOrder::relaxed,
                   .lease = std::chrono::hours(1)});
  const std::size_t took = consumer->fetch(100).deliveries.size();
  if (child == Child::left && fork() == 0) {
    wait_for_end_of_input();
    _exit(0);
  }
  say_took(took);
  for (;;) pause();
}

int grasp(char** words) {
  StoreOptions options;
  const auto number = [&](int at) { return std::strtoll(words[at], nullptr, 10); };
  if (number(8) != 0) {
    options.clock =
        std::make_shared<testing::ManualClock>(WallTime(std::chrono::nanoseconds(number(8))));
  }
  const std::shared_ptr<Store> store = open_quietly(words[2], options);
  DurableSpec spec{.name = words[3],
                   .patterns = {Pattern::parse(words[4])},
                   .start = Replay::beginning(),
                   .lease = std::chrono::nanoseconds(number(6))};
  for (const DurableOrder one : {DurableOrder::key, DurableOrder::strict}) {
    if (to_string(one) == words[5]) spec.order = one;
  }
  const auto consumer = store->open(spec);
  const auto wanted = static_cast<std::size_t>(number(7));
  std::size_t got = 0;
  while (got < wanted) got += consumer->fetch(wanted - got).deliveries.size();
  say_took(got);
  for (;;) pause();
}

int stand(const char* address, const char* name) {
  const std::shared_ptr<Store> store = open_quietly(address);
  const auto consumer = store->open({.name = name,
                                     .patterns = {Pattern::glob("number.*")},
                                     .start = Replay::beginning(),
                                     .lease = std::chrono::milliseconds(300)});
  std::vector<Settlement> done;
  for (const Leased& one : consumer->fetch(100).deliveries) done.push_back({one.sequence});
  say_took(done.size());
  wait_for_end_of_input();
  const SettleResult result = consumer->settle(done);
  std::printf("accepted %zu stale %zu\n", result.accepted, result.stale);
  return 0;
}

int fill(const std::string& folder) {
  if (!make_small_disk(folder.c_str())) {
    std::printf("no disk: %s\n", std::strerror(errno));
    return 0;
  }
  const std::string ballast = folder + "/ballast";
  {
    const int file = open(ballast.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    const std::string bytes(1'000'000, 'x');
    if (write(file, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) return 1;
    close(file);
  }
  const std::shared_ptr<Store> store = open_quietly("sqlite:" + folder + "/events.db");
  const auto consumer = store->open({.name = "all", .patterns = {Pattern::glob("*")}});
  const std::string payload(1000, 'p');
  std::uint64_t stored = 0;
  std::uint64_t refused = 0;
  std::uint64_t untrue = 0;
  const auto append = [&](std::uint64_t n) {
    const AppendResult result =
        store->append(Event("number.made", bytes(payload), {.id = EventId{1, n}}));
    const bool is_there = store->find(EventId{1, n}).has_value();
    if (result.ok()) ++stored;
    if (result.answer == Appended::not_stored) ++refused;
    untrue += result.answer != Appended::unknown && is_there != result.ok() ? 1U : 0U;
    return result.ok();
  };
  std::uint64_t next = 1;
  while (refused < 3 && next < 5'000) (void)append(next++);
  const std::uint64_t before = stored;
  if (unlink(ballast.c_str()) != 0) return 1;
  for (int i = 0; i < 50; ++i) (void)append(next++);
  std::size_t delivered = 0;
  for (;;) {
    const FetchResult fetched = consumer->fetch(100);
    if (fetched.deliveries.empty()) break;
    delivered += fetched.deliveries.size();
    std::vector<Settlement> done;
    for (const Leased& one : fetched.deliveries) done.push_back({one.sequence});
    (void)consumer->settle(done);
  }
  std::printf("refused %d more %d untrue %llu undelivered %lld damaged %zu\n", refused != 0,
              stored > before, static_cast<unsigned long long>(untrue),
              static_cast<long long>(store->stats().events) - static_cast<long long>(delivered),
              store->check().size());
  return 0;
}

/// One of two processes that call themselves the same.
int twin(const char* address, const char* log, std::uint64_t first, std::uint64_t count) {
  const NoteFile notes(log);
  BusOptions options = options_for(address, "full");
  options.instance_id = "twin";
  Bus bus(options);
  Changes changes;
  std::atomic<std::uint64_t> seen{0};
  const Subscription live = bus.subscribe("number.*", [&](const Event&) {
    ++seen;
    changes.tell();
  });
  SubscriptionOptions work;
  work.durable = "work";
  work.queue_capacity = 8;
  const Subscription shared = bus.subscribe(
      "number.*", [&](const Event& event) { notes.add(note_of(event)); }, work);
  say("ready");
  char byte = 0;
  if (read(STDIN_FILENO, &byte, 1) != 1) return 1;
  for (std::uint64_t n = first; n < first + count; ++n) {
    if (!bus.publish(event_of(n)).ok()) return 1;
  }
  wait_for_end_of_input();
  // Each sees its own events and those of the other.
  (void)changes.wait_until([&] { return seen >= 2 * count; }, std::chrono::seconds(60));
  (void)bus.wait_idle(std::chrono::seconds(60));
  std::printf("seen %llu\n", static_cast<unsigned long long>(seen));
  return 0;
}

/// A chain of phases that stands still in its third.
int chain(const char* address) {
  Bus bus(options_for(address, "full"));
  const auto adding = [](const char* name) {
    return phase::make_phase(name, [name](const phase::PhaseInput& input) -> Json {
      Json list = input.data;
      list.push_back(name);
      return list;
    });
  };
  const auto stands = phase::make_phase("c", [](const phase::PhaseInput& input) -> Json {
    say(input.session_id.c_str());
    for (;;) pause();
  });
  (void)phase::PhaseOrchestrator(bus).execute_chain(
      {adding("a"), adding("b"), stands, adding("d")},
      {.request = "a poem", .data = Json::array({"begin"})});
  return 0;
}

int hold(const char* path) {
  const int file = open((std::string(path) + "-gate").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0 || flock(file, LOCK_EX) != 0) return 1;
  say("ready");
  for (;;) pause();
}

}  // namespace

int main(int count, char** words) {
  const std::string what = count > 1 ? words[1] : "";
  if (what == "publish" && count == 7) {
    return publish(words[2], words[3], words[4], std::strtoull(words[5], nullptr, 10), words[6]);
  }
  if (what == "consume" && count == 6) {
    return consume(words[2], words[3], words[4], words[5], Handlers::good);
  }
  if (what == "consume-badly" && count == 6) {
    return consume(words[2], words[3], words[4], words[5], Handlers::bad);
  }
  if (what == "live" && count == 5) return live(words[2], words[3], words[4]);
  if (what == "grasp" && count == 9) return grasp(words);
  if (what == "take" && count == 5) return take(words[2], words[3], words[4], Child::none);
  if (what == "leave-child" && count == 4) {
    return take(words[2], words[3], "relaxed", Child::left);
  }
  if (what == "stand" && count == 4) return stand(words[2], words[3]);
  if (what == "fill" && count == 3) return fill(words[2]);
  if (what == "answers" && count == 6) {
    return answers(words[2], words[3], std::strtoull(words[4], nullptr, 10),
                   std::strtoull(words[5], nullptr, 10));
  }
  if (what == "read-only" && count == 3) return read_only(words[2]);
  if (what == "run-read-only" && count >= 5) {
    return run_on_read_only(words[2], words[3], words + 4);
  }
  if (what == "unwritable" && count == 3) return unwritable(words[2]);
  if (what == "twin" && count == 6) {
    return twin(words[2], words[3], std::strtoull(words[4], nullptr, 10),
                std::strtoull(words[5], nullptr, 10));
  }
  if (what == "chain" && count == 3) return chain(words[2]);
  if (what == "hold" && count == 3) return hold(words[2]);
  return 2;
}
