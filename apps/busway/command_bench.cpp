// busway bench: how fast a store takes events and gives them out, where the store is.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

#include "base/escape.hpp"
#include "busway/bus.hpp"
#include "busway/error.hpp"
#include "busway/limits.hpp"
#include "command.hpp"
#include "config/scalar.hpp"
#include "exit_code.hpp"
#include "signal_watch.hpp"
#include "standard_output.hpp"
#include "store_access.hpp"
#include "table.hpp"
#include "terminal.hpp"

namespace busway::app {
namespace {

namespace fs = std::filesystem;
using SteadyClock = std::chrono::steady_clock;
using Nanoseconds = std::chrono::nanoseconds;

constexpr std::string_view kTopic = "busway.bench";
constexpr std::string_view kDurable = "busway.bench";
constexpr std::string_view kSqlite = "sqlite:";
constexpr std::uint64_t kEventsMax = 100'000'000;
constexpr std::size_t kBatchMax = 10'000;
constexpr std::size_t kThreadsMax = 64;
/// Events whose way to the handler is timed one by one.
constexpr std::uint64_t kTimedOneByOne = 1'000;
/// How long nothing may come before it is given up.
constexpr auto kPatience = std::chrono::seconds(60);
constexpr auto kLook = std::chrono::milliseconds(50);

struct BenchOptions {
  StoreChoice store;
  std::uint64_t events = 10'000;
  std::size_t size = 256;
  std::size_t batch = 100;
  std::size_t threads = 1;
  bool json = false;
};

/// A folder beside the store, for a store of its own; gone with this.
class PlaceBeside {
 public:
  explicit PlaceBeside(const std::string& path) {
    std::string name = path + ".bench-XXXXXX";
    if (mkdtemp(name.data()) == nullptr) {
      throw Error(ErrorCode::io_error,
                  "no folder can be made beside " + escape(path) + ": " +
                      std::error_code(errno, std::generic_category()).message());
    }
    folder_ = name;
  }
  PlaceBeside(const PlaceBeside&) = delete;
  PlaceBeside& operator=(const PlaceBeside&) = delete;
  ~PlaceBeside() {
    std::error_code failed;
    fs::remove_all(folder_, failed);
    if (failed) print_error("the folder " + escape(folder_) + " could not be removed");
  }
  [[nodiscard]] std::string address() const {
    return std::string(kSqlite) + folder_ + "/events.db";
  }

 private:
  std::string folder_;
};

/// Of what was measured.
class Times {
 public:
  void add(Nanoseconds one) { all_.push_back(one); }
  void add_all(const Times& others) {
    all_.insert(all_.end(), others.all_.begin(), others.all_.end());
  }
  [[nodiscard]] std::size_t size() const noexcept { return all_.size(); }
  /// In microseconds: the smallest that so many of a hundred do not pass.
  [[nodiscard]] double percentile(std::size_t percent) {
    if (all_.empty()) return 0;
    std::sort(all_.begin(), all_.end());
    const std::size_t rank = (all_.size() * percent + 99) / 100;
    return std::chrono::duration<double, std::micro>(all_[rank - 1]).count();
  }

 private:
  std::vector<Nanoseconds> all_;
};

struct Findings {
  bool complete = false;  // else it was ended by a signal
  std::string problem;
  std::string durability;
  std::uint64_t published = 0;
  std::uint64_t consumed = 0;
  double publish_seconds = 0;
  double consume_seconds = 0;
  Times calls;      // of publish_batch()
  Times delivered;  // from before a publish to the handler
};

double per_second(std::uint64_t events, double seconds) {
  return seconds > 0 ? static_cast<double>(events) / seconds : 0;
}

double seconds_since(SteadyClock::time_point begin) {
  return std::chrono::duration<double>(SteadyClock::now() - begin).count();
}

/// What is counted by handlers and waited for.
class Count {
 public:
  void add() {
    if (count_.fetch_add(1) + 1 == wanted_.load()) wake();
  }
  /// False: nothing came for too long, or a signal did.
  bool wait_for(std::uint64_t wanted, const SignalWatch& signals) {
    wanted_.store(wanted);
    auto moved = SteadyClock::now();
    std::uint64_t before = count();
    std::unique_lock lock(mutex_);
    while (count() < wanted) {
      changed_.wait_for(lock, kLook);
      if (signals.stop_signal() != 0) return false;
      const auto now = SteadyClock::now();
      if (count() != before) {
        before = count();
        moved = now;
      }
      if (now > moved + kPatience) return false;
    }
    return true;
  }
  [[nodiscard]] std::uint64_t count() const { return count_.load(); }

 private:
  void wake() {
    { const std::lock_guard lock(mutex_); }
    changed_.notify_all();
  }

  std::atomic<std::uint64_t> count_{0};
  std::atomic<std::uint64_t> wanted_{0};
  std::mutex mutex_;
  std::condition_variable changed_;
};

class Bench {
 public:
  Bench(Store& store, const BenchOptions& options, const SignalWatch& signals)
      : options_(options), signals_(signals), bus_(options_of(store)), payload_(random_payload()) {
    found_.durability = to_string(store.info().durability);
  }

  Findings run() {
    // The name is there first, so that it is to get all of them.
    open_name();
    durable_.reset();
    if (publish_all() && consume_all() && time_one_by_one()) found_.complete = true;
    if (!found_.complete && signals_.stop_signal() == 0 && found_.problem.empty()) {
      found_.problem = "events did not come back: " + std::to_string(found_.consumed) + " of " +
                       std::to_string(found_.published);
    }
    return std::move(found_);
  }

 private:
  static BusOptions options_of(Store& store) {
    BusOptions with;
    // The store is with_store()'s, which outlives the bus.
    with.opened_store = std::shared_ptr<Store>(std::shared_ptr<Store>(), &store);
    with.keep = std::vector<std::string>{std::string(kTopic)};
    with.history = 0;
    with.log = log_to_terminal(LogLevel::warning);
    return with;
  }

  /// Of bytes that no store can make smaller.
  [[nodiscard]] Payload random_payload() const {
    std::mt19937 words(1);
    std::string data(options_.size, '\0');
    for (char& one : data) one = static_cast<char>(words() & 0xffU);
    return bytes(data);
  }

  void open_name() {
    durable_ = bus_.subscribe(kTopic,
                              [this](const Event&) {
                                if (timing_.load(std::memory_order_acquire)) {
                                  handled_at_.store(SteadyClock::now().time_since_epoch().count(),
                                                    std::memory_order_release);
                                }
                                handled_.add();
                              },
                              {.concurrency = options_.threads, .durable = std::string(kDurable)});
  }

  bool publish_all() {
    std::mutex mutex;
    std::vector<std::thread> threads;
    const auto begin = SteadyClock::now();
    for (std::size_t i = 0; i < options_.threads; ++i) {
      const std::uint64_t mine =
          options_.events / options_.threads + (i < options_.events % options_.threads ? 1 : 0);
      threads.emplace_back([this, mine, &mutex] {
        Times times;
        std::string problem;
        const std::uint64_t stored = publish_some(mine, times, problem);
        const std::lock_guard lock(mutex);
        found_.calls.add_all(times);
        found_.published += stored;
        if (found_.problem.empty()) found_.problem = problem;
      });
    }
    for (std::thread& one : threads) one.join();
    found_.publish_seconds = seconds_since(begin);
    return found_.published == options_.events;
  }

  std::uint64_t publish_some(std::uint64_t count, Times& times, std::string& problem) {
    std::uint64_t stored = 0;
    while (stored < count && signals_.stop_signal() == 0) {
      const auto size =
          static_cast<std::size_t>(std::min<std::uint64_t>(options_.batch, count - stored));
      const std::vector<Event> events(size, Event(kTopic, payload_));
      const auto before = SteadyClock::now();
      const std::vector<PublishResult> results = bus_.publish_batch(events);
      times.add(SteadyClock::now() - before);
      for (const PublishResult& one : results) {
        if (one.ok()) {
          ++stored;
        } else {
          problem = one.message();
          return stored;
        }
      }
    }
    return stored;
  }

  bool consume_all() {
    const auto begin = SteadyClock::now();
    open_name();
    const bool all = handled_.wait_for(options_.events, signals_);
    found_.consume_seconds = seconds_since(begin);
    found_.consumed = handled_.count();
    return all;
  }

  /// Each is published when the one before has been handled.
  bool time_one_by_one() {
    timing_.store(true, std::memory_order_release);
    const std::uint64_t count = std::min(options_.events, kTimedOneByOne);
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::uint64_t wanted = handled_.count() + 1;
      const auto before = SteadyClock::now();
      const PublishResult result = bus_.publish(kTopic, payload_);
      if (!result.ok()) {
        found_.problem = result.message();
        return false;
      }
      if (!handled_.wait_for(wanted, signals_)) return false;
      const SteadyClock::time_point handled{
          SteadyClock::duration(handled_at_.load(std::memory_order_acquire))};
      found_.delivered.add(handled - before);
    }
    return true;
  }

  const BenchOptions& options_;
  const SignalWatch& signals_;
  Findings found_;
  Count handled_;
  std::atomic<bool> timing_{false};
  std::atomic<SteadyClock::rep> handled_at_{0};
  Bus bus_;
  const Payload payload_;
  Subscription durable_;
};

std::string rounded(double value) {
  char text[32];
  std::snprintf(text, sizeof text, value < 100 ? "%.1f" : "%.0f", value);
  return text;
}

void print(Findings& found, const BenchOptions& options) {
  const StandardOutput out;
  const double publish = per_second(found.published, found.publish_seconds);
  const double consume = per_second(found.consumed, found.consume_seconds);
  if (options.json) {
    out.write(Json{{"events", options.events},
                   {"size", options.size},
                   {"batch", options.batch},
                   {"threads", options.threads},
                   {"durability", found.durability},
                   {"publish",
                    {{"events", found.published},
                     {"events_per_second", publish},
                     {"calls", found.calls.size()},
                     {"call_p50_us", found.calls.percentile(50)},
                     {"call_p99_us", found.calls.percentile(99)}}},
                   {"consume", {{"events", found.consumed}, {"events_per_second", consume}}},
                   {"publish_to_handler",
                    {{"events", found.delivered.size()},
                     {"p50_us", found.delivered.percentile(50)},
                     {"p99_us", found.delivered.percentile(99)}}}}
                  .dump() +
              '\n');
    return;
  }
  Table table({"", "EVENTS", "A SECOND", "P50 us", "P99 us"});
  table.add({{"publish, a call of " + std::to_string(options.batch)},
             {std::to_string(found.published)},
             {rounded(publish)},
             {rounded(found.calls.percentile(50))},
             {rounded(found.calls.percentile(99))}});
  table.add({{"consume"}, {std::to_string(found.consumed)}, {rounded(consume)}, {}, {}});
  table.add({{"publish to handler, one by one"},
             {std::to_string(found.delivered.size())},
             {},
             {rounded(found.delivered.percentile(50))},
             {rounded(found.delivered.percentile(99))}});
  out.write(table.text());
  print_note("payload " + std::to_string(options.size) + " bytes, " +
             std::to_string(options.threads) + (options.threads == 1 ? " thread" : " threads") +
             ", an acknowledged event survives: " + found.durability);
}

int bench(const BenchOptions& options) {
  SignalWatch signals;
  StoreChoice choice = options.store;
  choice.may_be_memory = true;
  std::optional<PlaceBeside> place;
  if (choice.address.starts_with(kSqlite) && choice.address.size() > kSqlite.size()) {
    try {
      place.emplace(choice.address.substr(kSqlite.size()));
    } catch (const Error& error) {
      print_error(error.what());
      return kFailed;
    }
    choice.address = place->address();
  } else if (choice.address != "memory:") {
    print_error("bench makes a store beside " + quote(choice.address, 80) +
                ", which it can for sqlite:PATH and memory: alone");
    return kUsage;
  }
  return with_store(choice, Missing::is_made, [&](Store& store) -> int {
    Findings found = Bench(store, options, signals).run();
    if (signals.stop_signal() != 0) {
      print_note("ended by a signal; nothing was measured to its end");
      return kProblems;
    }
    if (!found.complete) {
      print_error(escape(found.problem, 400));
      return kFailed;
    }
    print(found, options);
    return kDone;
  });
}

}  // namespace

void add_bench(CLI::App& tool, Chosen& chosen) {
  const auto options = std::make_shared<BenchOptions>();
  CLI::App* const command =
      tool.add_subcommand("bench", "Measure how fast a store is where yours is");
  add_store_option(*command, options->store);
  command->add_option("--events", options->events, "How many (default 10000)")
      ->check(CLI::Range(std::uint64_t{1}, kEventsMax));
  command
      ->add_option_function<std::string>(
          "--size",
          [options](const std::string& text) {
            const bool digits =
                !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
            const auto reading =
                config::read_size(digits ? text + "B" : text, 0, limits::kPayloadBytesDefault);
            if (!reading.value) throw CLI::ValidationError("--size", reading.problem);
            options->size = static_cast<std::size_t>(*reading.value);
          },
          "Of a payload: 100, 4KiB; at most 1MiB (default 256)")
      ->type_name("SIZE");
  command->add_option("--batch", options->batch, "Events of one publish (default 100)")
      ->check(CLI::Range(std::size_t{1}, kBatchMax));
  command->add_option("--threads", options->threads, "That publish, and that handle (default 1)")
      ->check(CLI::Range(std::size_t{1}, kThreadsMax));
  command->add_flag("--json", options->json, "Print one JSON object");
  command->footer(std::string("It makes a store of its own in a new folder beside yours, which is "
                              "neither opened nor changed, and\nremoves it at the end.\n\n") +
                  kExitCodesHelp);
  command->callback([options, &chosen] { chosen = [options] { return bench(*options); }; });
}

}  // namespace busway::app
