// bench_store: several processes at one SQLite file, busway's beside some that use SQLite by
// themselves and take turns at the same gate.
//
//   bench_store latency FOLDER    "publish to handler in another process", 1,000 a second, for each
//                                 durability
//   bench_store writers FOLDER    "longest wait of a writer", four processes that never stop
//   bench_store growth FOLDER     an event's publish and consumption among 100,000 stored ones and
//                                 among 10,000,000: minutes and 4 GB

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "busway/busway.hpp"
#include "busway/sqlite.hpp"
#include "peers/raw_sqlite.hpp"

namespace busway::bench {
namespace {

using Clock = std::chrono::steady_clock;
using Figures = std::vector<double>;  // of one child, in microseconds

constexpr std::size_t kPayloadSize = 256;
constexpr std::string_view kTopic = "bench.event";
constexpr int kPaced = 3'000;
constexpr auto kPace = std::chrono::microseconds(1'000);
constexpr auto kLookWhetherDone = std::chrono::milliseconds(1);
constexpr int kWriters = 4;
constexpr auto kWriting = std::chrono::seconds(4);

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::exit(EXIT_FAILURE);
}

/// The time of now, and what fills it up.
std::string stamped() {
  std::string payload(kPayloadSize, 'x');
  const std::int64_t now = Clock::now().time_since_epoch().count();
  std::memcpy(payload.data(), &now, sizeof now);
  return payload;
}

double microseconds_since(std::string_view payload) {
  std::int64_t then = 0;
  std::memcpy(&then, payload.data(), sizeof then);
  return static_cast<double>(Clock::now().time_since_epoch().count() - then) / 1'000;
}

/// A child that does something and tells figures. Made before this process has threads.
class Child {
 public:
  /// `body` gets a function that says it is ready.
  explicit Child(const std::function<Figures(const std::function<void()>&)>& body) {
    if (pipe(pipe_) != 0) fail("pipe");
    pid_ = fork();
    if (pid_ < 0) fail("fork");
    if (pid_ != 0) {
      close(pipe_[1]);
      return;
    }
    close(pipe_[0]);
    const int out = pipe_[1];
    const Figures figures = body([out] { put(out, "r", 1); });
    put(out, reinterpret_cast<const char*>(figures.data()), figures.size() * sizeof(double));
    _exit(EXIT_SUCCESS);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    close(pipe_[0]);
    (void)waitpid(pid_, nullptr, 0);
  }

  void wait_ready() const {
    char ready = 0;
    if (read(pipe_[0], &ready, 1) != 1) fail("a child");
  }
  [[nodiscard]] Figures figures() const {
    std::string bytes;
    char part[4096];
    for (ssize_t size = 0; (size = read(pipe_[0], part, sizeof part)) > 0;) {
      bytes.append(part, static_cast<std::size_t>(size));
    }
    Figures out(bytes.size() / sizeof(double));
    std::memcpy(out.data(), bytes.data(), out.size() * sizeof(double));
    return out;
  }

 private:
  static void put(int to, const char* bytes, std::size_t size) {
    while (size != 0) {
      const ssize_t wrote = write(to, bytes, size);
      if (wrote <= 0) _exit(EXIT_FAILURE);
      bytes += wrote;
      size -= static_cast<std::size_t>(wrote);
    }
  }
  int pipe_[2] = {-1, -1};
  pid_t pid_ = -1;
};

double percentile(Figures& all, std::size_t permille) {
  if (all.empty()) fail("no figures");
  std::sort(all.begin(), all.end());
  return all[(all.size() * permille + 999) / 1'000 - 1];
}

void print(const char* name, double value) {
  std::printf("%s %.1f\n", name, value);
  std::fflush(stdout);
}

void paced(const std::function<void()>& publish) {
  auto at = Clock::now();
  for (int i = 0; i < kPaced; ++i) {
    std::this_thread::sleep_until(at += kPace);
    publish();
  }
}

std::unique_ptr<Bus> open_bus(const std::string& path, bool full = false) {
  BusOptions options;
  options.opened_store = open_sqlite_store(
      path, {.durability = full ? Durability::power_loss : Durability::process_crash});
  options.history = 0;
  return std::make_unique<Bus>(options);
}

/// What a program does that writes a file of SQLite beside others: the gate, then the transaction.
class Gate {
 public:
  explicit Gate(const std::string& path) : file_(open((path + "-gate").c_str(), O_RDWR)) {
    if (file_ < 0) fail("the gate");
  }
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;
  ~Gate() { close(file_); }
  template <class F>
  void within(const F& work) const {
    if (flock(file_, LOCK_EX) != 0) fail("flock");
    work();
    (void)flock(file_, LOCK_UN);
  }

 private:
  int file_;
};

// -- Latency --------------------------------------------------------------------------------------

void print_latency(const std::string& name, bool full, Figures all) {
  const std::string prefix = name + (full ? "_full" : "_normal");
  print((prefix + "_p50").c_str(), percentile(all, 500));
  print((prefix + "_p99").c_str(), percentile(all, 990));
}

void latency_busway(const std::string& path, bool full) {
  open_sqlite_store(path)->close();
  const Child handler([&](const auto& ready) {
    Figures figures(kPaced);
    std::atomic<int> count{0};
    const auto bus = open_bus(path, full);
    const Subscription subscription = bus->subscribe(
        kTopic,
        [&](const Event& event) {
          const auto bytes = event.bytes();
          const int at = count.load();
          if (at == kPaced) return;
          figures[static_cast<std::size_t>(at)] =
              microseconds_since({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
          count = at + 1;
        },
        {.durable = "bench"});
    ready();
    while (count.load() < kPaced) std::this_thread::sleep_for(kLookWhetherDone);
    return figures;
  });
  handler.wait_ready();
  const auto bus = open_bus(path, full);
  paced([&] { (void)bus->publish(kTopic, busway::bytes(stamped())); });
  print_latency("busway", full, handler.figures());
}

/// A socket that says that something was committed.
class Bell {
 public:
  explicit Bell(const std::string& path) : socket_(socket(AF_UNIX, SOCK_DGRAM, 0)) {
    address_.sun_family = AF_UNIX;
    const std::size_t size = std::min(path.size(), sizeof address_.sun_path - 1);
    std::memcpy(address_.sun_path + 1, path.data() + path.size() - size, size);
    size_ = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + size);
    if (socket_ < 0) fail("a socket");
  }
  Bell(const Bell&) = delete;
  Bell& operator=(const Bell&) = delete;
  ~Bell() { close(socket_); }

  void listen() const {
    if (bind(socket_, reinterpret_cast<const sockaddr*>(&address_), size_) != 0) fail("bind");
  }
  void ring() const {
    (void)sendto(socket_, "b", 1, MSG_DONTWAIT, reinterpret_cast<const sockaddr*>(&address_),
                 size_);
  }
  void wait() const {
    pollfd wanted{.fd = socket_, .events = POLLIN, .revents = 0};
    (void)poll(&wanted, 1, 100);
    char byte = 0;
    while (recv(socket_, &byte, 1, MSG_DONTWAIT) > 0) {
    }
  }

 private:
  int socket_;
  sockaddr_un address_{};
  socklen_t size_ = 0;
};

/// The same by hand: a commit, a ring, a claim, the handler, a settlement.
void latency_raw(const std::string& path, bool full) {
  open_sqlite_store(path)->close();
  const Child handler([&](const auto& ready) {
    Figures figures;
    RawSqlite raw(path, full);
    const Gate gate(path);
    const Bell bell(path);
    bell.listen();
    ready();
    while (figures.size() < kPaced) {
      std::vector<std::string> payloads;
      gate.within([&] {
        (void)raw.claim(100, RawSqlite::AtEnd::stay,
                        [&](const std::string& one) { payloads.push_back(one); });
      });
      for (const std::string& one : payloads) figures.push_back(microseconds_since(one));
      if (payloads.empty()) {
        bell.wait();
      } else {
        gate.within([&] { raw.settle(); });
      }
    }
    return figures;
  });
  handler.wait_ready();
  RawSqlite raw(path, full);
  const Gate gate(path);
  const Bell bell(path);
  paced([&] {
    const std::string payload = stamped();
    gate.within([&] {
      raw.begin();
      raw.insert(payload);
      raw.commit();
    });
    bell.ring();
  });
  print_latency("raw", full, handler.figures());
}

// -- Writers --------------------------------------------------------------------------------------

/// Each writes as fast as it gets its turn; how long each write took.
void writers(const char* name, const std::function<Figures(int)>& body) {
  std::vector<std::unique_ptr<Child>> children;
  for (int i = 0; i < kWriters; ++i) {
    children.push_back(std::make_unique<Child>([&, i](const auto&) { return body(i); }));
  }
  Figures all;
  for (const auto& one : children) {
    const Figures figures = one->figures();
    all.insert(all.end(), figures.begin(), figures.end());
  }
  const std::string prefix(name);
  print((prefix + "_p99").c_str(), percentile(all, 990));
  print((prefix + "_longest").c_str(), all.back());
  print((prefix + "_writes").c_str(), static_cast<double>(all.size()));
}

Figures write_for_a_while(const std::function<void()>& write) {
  Figures figures;
  for (const auto end = Clock::now() + kWriting; Clock::now() < end;) {
    const std::string before = stamped();
    write();
    figures.push_back(microseconds_since(before));
  }
  return figures;
}

void writers_busway(const std::string& path) {
  open_sqlite_store(path)->close();
  writers("busway", [&](int) {
    const auto bus = open_bus(path);
    const Payload payload = busway::bytes(stamped());
    return write_for_a_while([&] {
      if (!bus->publish(kTopic, payload).ok()) _exit(EXIT_FAILURE);
    });
  });
}

void writers_raw(const std::string& path) {
  open_sqlite_store(path)->close();
  writers("raw", [&](int) {
    RawSqlite raw(path, false);
    const Gate gate(path);
    const std::string payload = stamped();
    return write_for_a_while([&] {
      gate.within([&] {
        raw.begin();
        raw.continue_behind_others();
        raw.insert(payload);
        raw.commit();
      });
    });
  });
}

// -- Growth ---------------------------------------------------------------------------------------

constexpr std::uint64_t kFew = 100'000;
constexpr std::uint64_t kMany = 10'000'000;
constexpr std::size_t kFillBatch = 5'000;
constexpr std::size_t kBatch = 100;
constexpr int kBatches = 300;

void append(Store& store, std::size_t count, const Payload& payload) {
  std::vector<Event> numbered;
  numbered.reserve(count);
  static std::uint64_t last_id = 0;
  for (std::size_t i = 0; i < count; ++i) {
    numbered.emplace_back(kTopic, payload,
                          EventOptions{.id = EventId{++last_id, 1},
                                       .time = WallTime(std::chrono::nanoseconds(last_id))});
  }
  std::vector<AppendResult> results(count);
  store.append(numbered, results);
  if (!results.back().ok()) fail("append");
}

/// Of one event, in microseconds, the median of all batches.
void print_growth(const std::string& prefix, Store& store, const Payload& payload) {
  Figures publish;
  for (int i = 0; i < kBatches; ++i) {
    const auto before = Clock::now();
    append(store, kBatch, payload);
    publish.push_back(std::chrono::duration<double, std::micro>(Clock::now() - before).count() /
                      kBatch);
  }
  Figures consume;
  const std::uint64_t from = store.stats().last_sequence - kBatch * kBatches;
  const auto consumer = store.open({.name = "bench." + prefix,
                                    .patterns = {Pattern::exact(kTopic)},
                                    .start = Replay::sequence(from)});
  for (int i = 0; i < kBatches; ++i) {
    const auto before = Clock::now();
    const FetchResult fetched = consumer->fetch(kBatch);
    std::vector<Settlement> settlements;
    for (const Leased& one : fetched.deliveries) settlements.push_back({.sequence = one.sequence});
    if (consumer->settle(settlements).accepted != kBatch) fail("settle");
    consume.push_back(std::chrono::duration<double, std::micro>(Clock::now() - before).count() /
                      kBatch);
  }
  print((prefix + "_publish").c_str(), percentile(publish, 500));
  print((prefix + "_publish_p99").c_str(), percentile(publish, 990));
  print((prefix + "_consume").c_str(), percentile(consume, 500));
  print((prefix + "_consume_p99").c_str(), percentile(consume, 990));
}

void growth(const std::string& path) {
  const auto store = open_sqlite_store(path, {.durability = Durability::process_crash});
  const Payload payload = busway::bytes(stamped());
  std::uint64_t count = 0;
  for (const auto& [prefix, wanted] :
       {std::pair<std::string, std::uint64_t>{"few", kFew}, {"many", kMany}}) {
    for (; count < wanted; count += kFillBatch) append(*store, kFillBatch, payload);
    print_growth(prefix, *store, payload);
  }
}

}  // namespace
}  // namespace busway::bench

int main(int argc, char** argv) {
  using namespace busway::bench;
  const std::string_view mode = argc == 3 ? argv[1] : "";
  const std::string folder = argc == 3 ? argv[2] : "";
  if (mode == "latency") {
    for (const bool full : {false, true}) {
      const std::string level = full ? "full" : "normal";
      latency_busway(folder + "/latency_busway_" + level + ".db", full);
      latency_raw(folder + "/latency_raw_" + level + ".db", full);
    }
  } else if (mode == "writers") {
    writers_busway(folder + "/writers_busway.db");
    writers_raw(folder + "/writers_raw.db");
  } else if (mode == "growth") {
    growth(folder + "/growth.db");
  } else {
    std::fputs("usage: bench_store latency|writers|growth FOLDER\n", stderr);
    return 2;
  }
  return EXIT_SUCCESS;
}
