// The store in a SQLite file, beside SQLite by itself with the same tables and settings.

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "busway/busway.hpp"
#include "busway/sqlite.hpp"
#include "peers/raw_sqlite.hpp"
#include "report/turns.hpp"
#include "rows/rows.hpp"

namespace busway::bench {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kPayload = 256;
constexpr std::string_view kTopic = "bench.event";

/// Gone when the program ends. In the working folder: /tmp may be memory.
class Folder {
 public:
  Folder() {
    std::string name = (fs::current_path() / "busway-bench-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) std::abort();
    path_ = name;
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  [[nodiscard]] std::string file(const std::string& name) const { return (path_ / name).string(); }
  [[nodiscard]] std::string path() const { return path_.string(); }

 private:
  fs::path path_;
};

const Folder& folder() {
  static const Folder one;
  return one;
}

std::string next_file() {
  static int count = 0;
  return folder().file(std::to_string(++count) + ".db");
}

const std::string& payload() {
  static const std::string one(kPayload, 'x');
  return one;
}

std::shared_ptr<Store> open_store_for(bool full) {
  return open_sqlite_store(
      next_file(), {.durability = full ? Durability::power_loss : Durability::process_crash});
}

std::unique_ptr<Bus> open_bus(std::shared_ptr<Store> store) {
  BusOptions options;
  options.opened_store = std::move(store);
  options.history = 0;
  return std::make_unique<Bus>(options);
}

void add_batches(const std::string& name, bool full, int batch) {
  const auto bus = std::make_shared<std::unique_ptr<Bus>>();
  add_benchmark(name + "/busway", [=](benchmark::State& state) {
    if (*bus == nullptr) *bus = open_bus(open_store_for(full));
    const Payload bytes = busway::bytes(payload());
    std::vector<Event> events;
    for (auto _ : state) {
      events.clear();
      for (int i = 0; i < batch; ++i) events.emplace_back(kTopic, bytes);
      for (const PublishResult& one : (*bus)->publish_batch(events)) {
        if (!one.ok()) return state.SkipWithError(one.message().c_str());
      }
    }
    state.counters["events"] = batch;
  })->UseRealTime();
  const auto raw = std::make_shared<std::unique_ptr<RawSqlite>>();
  add_benchmark(name + "/raw", [=](benchmark::State& state) {
    if (*raw == nullptr) *raw = std::make_unique<RawSqlite>(next_file(), full);
    for (auto _ : state) {
      (*raw)->begin();
      for (int i = 0; i < batch; ++i) (*raw)->insert(payload());
      (*raw)->commit();
    }
    state.counters["events"] = batch;
  })->UseRealTime();
}

/// `threads` threads publish `each` events one by one.
template <class Publish>
void in_threads(int threads, int each, const Publish& publish) {
  std::vector<std::thread> all;
  all.reserve(static_cast<std::size_t>(threads));
  for (int t = 0; t < threads; ++t) {
    all.emplace_back([&] {
      for (int i = 0; i < each; ++i) publish();
    });
  }
  for (std::thread& one : all) one.join();
}

constexpr int kEachThread = 40;

void add_groups(const std::string& name, bool full, int threads) {
  const auto bus = std::make_shared<std::unique_ptr<Bus>>();
  add_benchmark(name + "/busway", [=](benchmark::State& state) {
    if (*bus == nullptr) *bus = open_bus(open_store_for(full));
    const Payload bytes = busway::bytes(payload());
    for (auto _ : state) {
      in_threads(threads, kEachThread, [&] { (void)(*bus)->publish(kTopic, bytes); });
    }
    state.counters["events"] = threads * kEachThread;
  })->UseRealTime();
  const auto raw = std::make_shared<std::unique_ptr<RawGroupCommit>>();
  add_benchmark(name + "/raw", [=](benchmark::State& state) {
    if (*raw == nullptr) *raw = std::make_unique<RawGroupCommit>(next_file(), full);
    for (auto _ : state) {
      in_threads(threads, kEachThread, [&] { (*raw)->insert(payload()); });
    }
    state.counters["events"] = threads * kEachThread;
  })->UseRealTime();
}

constexpr int kStored = 400'000;
constexpr int kFetched = 100;

void fill(Store& store) {
  std::vector<Event> events;
  const Payload bytes = busway::bytes(payload());
  std::uint64_t id = 0;
  for (int i = 0; i < kStored / 1'000; ++i) {
    events.clear();
    for (int n = 0; n < 1'000; ++n) {
      events.emplace_back(
          kTopic, bytes,
          EventOptions{.id = EventId{++id, 1}, .time = WallTime(std::chrono::nanoseconds(1))});
    }
    std::vector<AppendResult> results(events.size());
    store.append(events, results);
  }
}

/// Events wait to be consumed; a name that has come to the end begins anew under another.
struct Consuming {
  explicit Consuming(bool full) : store(open_store_for(full)) { fill(*store); }
  void reopen() {
    consumer = store->open({.name = "bench" + std::to_string(++opened),
                            .patterns = {Pattern::exact(kTopic)},
                            .start = Replay::beginning()});
  }
  std::shared_ptr<Store> store;
  std::unique_ptr<StoreConsumer> consumer;
  int opened = 0;
};

void add_consuming(const std::string& name, bool full) {
  const auto mine = std::make_shared<std::unique_ptr<Consuming>>();
  add_benchmark(name + "/busway", [=](benchmark::State& state) {
    if (*mine == nullptr) *mine = std::make_unique<Consuming>(full);
    Consuming& at = **mine;
    if (at.consumer == nullptr) at.reopen();
    std::vector<Settlement> settlements;
    for (auto _ : state) {
      const FetchResult fetched = at.consumer->fetch(kFetched);
      if (fetched.deliveries.empty()) {
        at.reopen();
        continue;
      }
      settlements.clear();
      for (const Leased& one : fetched.deliveries)
        settlements.push_back({.sequence = one.sequence});
      (void)at.consumer->settle(settlements);
    }
    state.counters["events"] = kFetched;
  })->UseRealTime();
  const auto raw = std::make_shared<std::unique_ptr<RawSqlite>>();
  add_benchmark(name + "/raw", [=](benchmark::State& state) {
    if (*raw == nullptr) {
      *raw = std::make_unique<RawSqlite>(next_file(), full);
      for (int i = 0; i < kStored / 1'000; ++i) {
        (*raw)->begin();
        for (int n = 0; n < 1'000; ++n) (*raw)->insert(payload());
        (*raw)->commit();
      }
    }
    for (auto _ : state) {
      benchmark::DoNotOptimize((*raw)->claim(kFetched));
      (*raw)->settle();
    }
    state.counters["events"] = kFetched;
  })->UseRealTime();
}

void add_replay(const std::string& name) {
  const auto mine = std::make_shared<std::unique_ptr<Consuming>>();
  add_benchmark(name + "/busway", [=](benchmark::State& state) {
    if (*mine == nullptr) *mine = std::make_unique<Consuming>(false);
    std::uint64_t after = 0;
    for (auto _ : state) {
      const StorePage page = (*mine)->store->read({.after = after, .limit = 1'000});
      benchmark::DoNotOptimize(page.events.size());
      after = page.more ? page.next : 0;
    }
    state.counters["events"] = 1'000;
  })->UseRealTime();
}

}  // namespace

void add_store_benchmarks() {
  for (const bool full : {true, false}) {
    const std::string level = full ? "FULL" : "NORMAL";
    add_batches("store/batch100/" + level, full, 100);
    add_batches("store/batch1000/" + level, full, 1'000);
    add_groups("store/threads8/" + level, full, 8);
    add_groups("store/threads32/" + level, full, 32);
    add_consuming("store/consume/" + level, full);
  }
  add_replay("store/replay");
}

namespace {

/// Of processes at one file: a figure of busway's, and how many times that of the others it is, the
/// median of some runs.
class BesideRaw {
 public:
  BesideRaw(const std::string& mode, const Effort& effort) {
    for (int i = 0; i < std::max(1, effort.rounds / 3); ++i) {
      const Folder own;
      runs_.push_back(time_processes(mode, own.path()));
    }
  }
  [[nodiscard]] std::optional<double> figure(const std::string& name) const {
    std::vector<double> values;
    for (const Figures& one : runs_) {
      if (const auto value = one.get("busway_" + name)) values.push_back(*value);
    }
    return median(values);
  }
  [[nodiscard]] std::optional<double> ratio(const std::string& name) const {
    std::vector<double> values;
    for (const Figures& one : runs_) {
      const auto busway = one.get("busway_" + name);
      const auto raw = one.get("raw_" + name);
      if (busway && raw && *raw > 0) values.push_back(*busway / *raw);
    }
    return median(values);
  }

 private:
  std::vector<Figures> runs_;
};

Row latency_row(const Effort& effort) {
  const BesideRaw found("latency", effort);
  Row row{"publish to a handler of another process, 1,000 a second, SQLite",
          "at most 1.5x of SQLite and a socket by hand; p99 2x",
          {}};
  for (const auto& [level, prefix] :
       {std::pair<std::string, std::string>{"FULL", "full_"}, {"NORMAL", "normal_"}}) {
    row.checks.push_back({level + " p50", found.figure(prefix + "p50"), " us,"});
    row.checks.push_back({"", found.ratio(prefix + "p50"), "x,", 1.5});
    row.checks.push_back({"p99", found.figure(prefix + "p99"), " us,"});
    row.checks.push_back({"", found.ratio(prefix + "p99"), "x SQLite by itself", 2.0});
  }
  return row;
}

Row writers_row(const Effort& effort) {
  const BesideRaw found("writers", effort);
  return {"4 processes write one SQLite file without a pause: the longest wait",
          "at most 1.5x of SQLite by itself at the same gate",
          {{"", found.figure("longest"), " us,"},
           {"", found.ratio("longest"), "x SQLite by itself", 1.5}}};
}

Row growth_row() {
  std::optional<Figures> found;
  if (std::getenv("BUSWAY_BENCH_GROWTH") != nullptr) {
    const Folder own;
    found = time_processes("growth", own.path());
  }
  const auto figure = [&](const std::string& name) {
    return found ? found->get(name) : std::nullopt;
  };
  const auto ratio = [&](const std::string& name) -> std::optional<double> {
    const auto few = figure("few_" + name);
    const auto many = figure("many_" + name);
    if (!few || !many || *few <= 0) return std::nullopt;
    return *many / *few;
  };
  return {"an event among 10,000,000 stored ones, SQLite",
          "at most 1.3x of one among 100,000",
          {{"publish", figure("many_publish"), " us,"},
           {"", ratio("publish"), "x,", 1.3},
           {"consume", figure("many_consume"), " us,"},
           {"", ratio("consume"), "x one among 100,000", 1.3}}};
}

}  // namespace

std::vector<Row> store_rows(const Effort& effort) {
  std::vector<Row> rows;
  const auto row = [&](const std::string& work, const std::string& target, const std::string& name,
                       double limit) {
    Row made{work, target, {}};
    for (const std::string level : {"FULL", "NORMAL"}) {
      const std::string busway = name + level + "/busway";
      const std::string raw = name + level + "/raw";
      const Turns turns({busway, raw}, effort.rounds);
      const std::optional<double> ns = turns.ns(busway);
      made.checks.push_back({level, ns ? std::optional(1e9 / *ns) : std::nullopt, " events/s,"});
      made.checks.push_back(
          {"", turns.ratio(raw, busway), "x SQLite by itself", limit, Bound::at_least});
    }
    rows.push_back(std::move(made));
  };
  row("publish in batches of 100 to SQLite", "at least 0.6x of SQLite by itself", "store/batch100/",
      0.6);
  row("publish in batches of 1,000 to SQLite", "at least 0.6x of SQLite by itself",
      "store/batch1000/", 0.6);
  row("8 threads publish one by one to SQLite", "at least 0.85x of one writer and group commit",
      "store/threads8/", 0.85);
  row("32 threads publish one by one to SQLite", "at least 0.85x of one writer and group commit",
      "store/threads32/", 0.85);
  row("consume from SQLite and settle, by hundreds", "at least 0.5x of leases by hand",
      "store/consume/", 0.5);
  const Turns replay({"store/replay/busway"}, effort.rounds);
  const std::optional<double> ns = replay.ns("store/replay/busway");
  rows.push_back({"replay from SQLite",
                  "at least 400,000 events a second",
                  {{"", ns ? std::optional(1e9 / *ns) : std::nullopt, " events/s", 400'000,
                    Bound::at_least}}});
  rows.push_back(latency_row(effort));
  rows.push_back(writers_row(effort));
  rows.push_back(growth_row());
  return rows;
}

}  // namespace busway::bench
