// busway sub: prints the events of a store as they come, and settles what it has printed.
#include <CLI/CLI.hpp>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

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

struct SubOptions {
  StoreChoice store;
  std::vector<std::string> patterns;
  std::string durable;
  std::string from = "now";
  std::uint64_t count = 0;
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

/// What was printed is settled; what was not is given back.
int sub_durable(Store& store, const SubOptions& options, const std::vector<Pattern>& patterns,
                const SignalWatch& signals) {
  const std::unique_ptr<StoreConsumer> consumer =
      store.open({.name = options.durable, .patterns = patterns, .start = start_of(options.from)});
  News news(store);
  const StandardOutput out;
  std::uint64_t printed = 0;
  while (signals.stop_signal() == 0 && (options.count == 0 || printed < options.count)) {
    std::size_t wanted = kFetched;
    if (options.count != 0) wanted = std::min<std::uint64_t>(wanted, options.count - printed);
    const FetchResult fetched = consumer->fetch(wanted);
    std::vector<Settlement> settlements;
    std::string text;
    for (const Leased& one : fetched.deliveries) {
      text += shown({one.event, one.sequence, 0}, options);
      settlements.push_back({.sequence = one.sequence});
    }
    out.write(text);
    if (!settlements.empty()) (void)consumer->settle(settlements);
    printed += settlements.size();
    if (fetched.more || !fetched.deliveries.empty()) continue;
    if (options.until_idle && !fetched.due) break;
    news.wait();
  }
  consumer->close();
  return kDone;
}

int sub_live(Store& store, const SubOptions& options, const std::vector<Pattern>& patterns,
             const SignalWatch& signals) {
  News news(store);
  const StandardOutput out;
  StoreQuery query{.patterns = patterns, .limit = kFetched};
  if (options.from == "now") {
    query.after = store.stats().last_sequence;
  } else if (options.from != "beginning") {
    query.after = std::stoull(options.from) - 1;
  }
  std::uint64_t printed = 0;
  while (signals.stop_signal() == 0 && (options.count == 0 || printed < options.count)) {
    if (options.count != 0) {
      query.limit = std::min<std::uint64_t>(kFetched, options.count - printed);
    }
    const StorePage page = store.read(query);
    std::string text;
    for (const StoredEvent& one : page.events) text += shown(one, options);
    out.write(text);
    printed += page.events.size();
    query.after = page.next;
    if (page.more || !page.events.empty()) continue;
    if (options.until_idle) break;
    news.wait();
  }
  return kDone;
}

int sub(const SubOptions& options) {
  SignalWatch signals;
  return with_store(options.store, Missing::is_an_error, [&](Store& store) {
    const std::vector<Pattern> patterns = read_patterns(options.patterns);
    return options.durable.empty() ? sub_live(store, options, patterns, signals)
                                   : sub_durable(store, options, patterns, signals);
  });
}

}  // namespace

void add_sub(CLI::App& tool, Chosen& chosen) {
  const auto options = std::make_shared<SubOptions>();
  CLI::App* const command = tool.add_subcommand("sub", "Print the events of a store as they come");
  command->add_option("PATTERN", options->patterns, "Topics, as in subscribe()")->required();
  add_store_option(*command, options->store);
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
  command->add_option("--count", options->count, "End after so many events")
      ->check(&fault_of_count);
  command->add_flag("--until-idle", options->until_idle, "End when there is nothing left");
  command->add_flag("--json", options->json, "Print each as a CloudEvent, one line each");
  command->footer(std::string("Ctrl-C ends it: what was printed is settled, the rest is given "
                              "back.\n\n") +
                  kExitCodesHelp);
  command->callback([options, &chosen] { chosen = [options] { return sub(*options); }; });
}

}  // namespace busway::app
