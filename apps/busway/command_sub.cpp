// busway sub: prints the events of a store as they come, and settles what it has printed.
#include <CLI/CLI.hpp>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/escape.hpp"
#include "busway/error.hpp"
#include "command.hpp"
#include "exit_code.hpp"
#include "signal_watch.hpp"
#include "standard_output.hpp"
#include "store_access.hpp"
#include "terminal.hpp"

namespace busway::app {
namespace {

constexpr std::size_t kFetched = 100;
/// How long a stop or news may go unnoticed.
constexpr auto kLook = std::chrono::milliseconds(50);
/// Between two questions of a store that cannot be asked.
constexpr auto kAskAgain = std::chrono::milliseconds(200);

struct SubOptions {
  StoreChoice store;
  std::vector<std::string> patterns;
  std::string durable;
  std::string from = "now";
  std::uint64_t count = 0;
  std::optional<DurableOrder> order;
  bool until_idle = false;
  bool json = false;
};

Replay start_of(const std::string& from) {
  if (from == "beginning") return Replay::beginning();
  if (from == "now") return {};
  return Replay::sequence(std::stoull(from));
}

class News {
 public:
  explicit News(Store& store)
      : watch_(store.watch([this](StoreNews) {
          const std::lock_guard lock(mutex_);
          any_ = true;
          changed_.notify_all();
        })) {}
  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, kLook, [this] { return any_; });
    any_ = false;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool any_ = false;
  Store::Watch watch_;
};

std::string shown(const StoredEvent& stored, const SubOptions& options) {
  return options.json ? json_of(stored) : line_of(stored);
}

/// Repeats a call for as long as the store cannot be asked; says so once, and when it can again.
class Patience {
 public:
  explicit Patience(SignalWatch& signals) : signals_(signals) {}

  /// False: a signal came first.
  template <class F>
  bool call(const F& function) {
    for (;;) {
      try {
        function();
        if (std::exchange(waits_, false)) print_note("the store can be asked again");
        return true;
      } catch (const Error& error) {
        if (error.code() != ErrorCode::store_unavailable) throw;
        if (!std::exchange(waits_, true)) {
          print_error(std::string(error.what()) + "; it is asked again until it answers");
        }
      }
      if (signals_.stop_signal() != 0) return false;
      signals_.wait(std::chrono::steady_clock::now() + kAskAgain);
    }
  }

 private:
  SignalWatch& signals_;
  bool waits_ = false;
};

std::string events_were(std::size_t count) {
  return std::to_string(count) + (count == 1 ? " event was" : " events were");
}

/// Of a name that is there its own, whatever that is.
DurableOrder order_of(Store& store, const SubOptions& options) {
  if (options.order) return *options.order;
  for (const DurableInfo& one : store.durables()) {
    if (one.name == options.durable) return one.order;
  }
  return DurableOrder::relaxed;
}

class DurableSub {
 public:
  DurableSub(Store& store, const SubOptions& options, const std::vector<Pattern>& patterns,
             SignalWatch& signals)
      : options_(options),
        signals_(signals),
        patience_(signals),
        consumer_(store.open({.name = options.durable,
                              .patterns = patterns,
                              .start = start_of(options.from),
                              .order = order_of(store, options)})),
        news_(store) {}

  /// What was printed is settled; what was not is given back.
  int run() {
    while (signals_.stop_signal() == 0 && (options_.count == 0 || printed_ < options_.count)) {
      std::size_t wanted = kFetched;
      if (options_.count != 0) wanted = std::min<std::uint64_t>(wanted, options_.count - printed_);
      FetchResult fetched;
      if (!patience_.call([&] { fetched = consumer_->fetch(wanted); })) break;
      tell_whose_turn(fetched.active);
      damaged_ += fetched.set_aside;
      if (!print_and_settle(fetched)) {
        (void)tell_left_out(damaged_);
        return kProblems;
      }
      if (fetched.more || !fetched.deliveries.empty()) continue;
      if (options_.until_idle && !fetched.due) break;
      news_.wait();
    }
    consumer_->close();
    return tell_left_out(damaged_);
  }

 private:
  bool print_and_settle(const FetchResult& fetched) {
    if (fetched.deliveries.empty()) return true;
    std::vector<Settlement> settlements;
    std::string text;
    for (const Leased& one : fetched.deliveries) {
      text += shown({one.event, one.sequence, 0}, options_);
      settlements.push_back({.sequence = one.sequence});
    }
    out_.write(text);
    printed_ += settlements.size();
    SettleResult settled;
    unsigned calls = 0;
    const bool asked = patience_.call([&] {
      ++calls;
      settled = consumer_->settle(settlements);
    });
    if (!asked) {
      print_error(events_were(settlements.size()) +
                  " printed and could not be settled: unless the store has settled them all the "
                  "same, they come again");
      return false;
    }
    // A call that was repeated finds settled what the one before it did settle.
    if (settled.stale != 0 && calls == 1) {
      print_error(events_were(settled.stale) +
                  " printed too late: the lease had lapsed, and they come again");
    }
    return true;
  }
  void tell_whose_turn(bool active) {
    if (active == active_) return;
    active_ = active;
    print_note(active ? "this instance is the active one now"
                      : "another instance of " + quote(options_.durable, 80) +
                            " is active; this one stands by");
  }

  const SubOptions& options_;
  SignalWatch& signals_;
  Patience patience_;
  const std::unique_ptr<StoreConsumer> consumer_;
  News news_;
  const StandardOutput out_;
  std::uint64_t printed_ = 0;
  std::size_t damaged_ = 0;
  bool active_ = true;
};

int sub_live(Store& store, const SubOptions& options, const std::vector<Pattern>& patterns,
             SignalWatch& signals) {
  News news(store);
  Patience patience(signals);
  const StandardOutput out;
  StoreQuery query{.patterns = patterns, .limit = kFetched};
  if (options.from == "now") {
    query.after = store.stats().last_sequence;
  } else if (options.from != "beginning") {
    query.after = std::stoull(options.from) - 1;
  }
  std::uint64_t printed = 0;
  std::size_t damaged = 0;
  while (signals.stop_signal() == 0 && (options.count == 0 || printed < options.count)) {
    if (options.count != 0) {
      query.limit = std::min<std::uint64_t>(kFetched, options.count - printed);
    }
    StorePage page;
    if (!patience.call([&] { page = store.read(query); })) break;
    std::string text;
    for (const StoredEvent& one : page.events) text += shown(one, options);
    out.write(text);
    printed += page.events.size();
    damaged += page.set_aside;
    query.after = page.next;
    if (page.more || !page.events.empty()) continue;
    if (options.until_idle) break;
    news.wait();
  }
  return tell_left_out(damaged);
}

int sub(const SubOptions& options) {
  SignalWatch signals;
  return with_store(options.store, Missing::is_an_error, [&](Store& store) {
    const std::vector<Pattern> patterns = read_patterns(options.patterns);
    return options.durable.empty() ? sub_live(store, options, patterns, signals)
                                   : DurableSub(store, options, patterns, signals).run();
  });
}

}  // namespace

void add_sub(CLI::App& tool, Chosen& chosen) {
  const auto options = std::make_shared<SubOptions>();
  CLI::App* const command = tool.add_subcommand("sub", "Print the events of a store as they come");
  command->add_option("PATTERN", options->patterns, "Topics, as in subscribe()")->required();
  add_store_option(*command, options->store);
  CLI::Option* const durable =
      command->add_option("--durable", options->durable,
                          "A durable name: what was printed is settled and not printed again");
  command
      ->add_option("--from", options->from,
                   "Where to begin: now, beginning, or a sequence; of a durable name when it is "
                   "made")
      ->check([](const std::string& text) {
        if (text == "now" || text == "beginning") return std::string();
        const bool digits = !text.empty() && text.size() < 19 && text != "0" &&
                            text.find_first_not_of("0123456789") == std::string::npos;
        return digits ? std::string() : "takes now, beginning or a sequence from 1 on";
      });
  command
      ->add_option_function<std::string>(
          "--order",
          [options](const std::string& text) {
            for (const DurableOrder one :
                 {DurableOrder::relaxed, DurableOrder::key, DurableOrder::strict}) {
              if (to_string(one) == text) options->order = one;
            }
            if (options->order) return;
            throw CLI::ValidationError(
                "--order", quote(text, 80) + " is none: it takes relaxed, key or strict");
          },
          "Of a durable name when it is made: relaxed (default), key or strict")
      ->needs(durable)
      ->type_name("ORDER");
  command->add_option("--count", options->count, "End after so many events; 0: no end (default)")
      ->check(&fault_of_count);
  command->add_flag("--until-idle", options->until_idle, "End when there is nothing left");
  command->add_flag("--json", options->json, "Print each as a CloudEvent, one line each");
  command->footer(std::string("Ctrl-C ends it: what was printed is settled, the rest is given "
                              "back. A second one ends it at once:\n"
                              "what was printed and not yet settled is printed again the next "
                              "time.\n\n") +
                  kExitCodesHelp);
  command->callback([options, &chosen] { chosen = [options] { return sub(*options); }; });
}

}  // namespace busway::app
