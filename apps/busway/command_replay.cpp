// busway replay: past events of a store once more, into a prefix of topics or a durable name.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>

#include "base/escape.hpp"
#include "busway/bus.hpp"
#include "busway/error.hpp"
#include "command.hpp"
#include "event/cloud_events/rfc3339.hpp"
#include "exit_code.hpp"
#include "key_values.hpp"
#include "signal_watch.hpp"
#include "standard_output.hpp"
#include "store_access.hpp"
#include "terminal.hpp"

namespace busway::app {
namespace {

constexpr auto kLookForSignal = std::chrono::milliseconds(20);
constexpr double kRateMin = 0.001;
constexpr double kRateMax = 1e9;
constexpr const char* kPointHelp = "a time such as 2026-11-27T08:00:00Z, a sequence, or an id";

struct ReplayOptions {
  StoreChoice store;
  std::string pattern;
  std::string from, to;
  std::string prefix, durable;
  std::uint64_t limit = 0;
  double rate = 0;
  bool dry_run = false;
  bool json = false;
};

std::optional<ReplayPoint> point_of(const std::string& text) {
  const bool digits = !text.empty() && text.size() < 19 &&
                      text.find_first_not_of("0123456789") == std::string::npos;
  if (digits) return ReplayPoint::sequence(std::stoull(text));
  if (const auto id = EventId::parse(text)) return ReplayPoint::event(*id);
  if (const auto time = detail::parse_rfc3339(text)) return ReplayPoint::time(*time);
  return std::nullopt;
}

/// CLI11 takes nan for a number between any two.
std::string fault_of_rate(const std::string& text) {
  double rate = 0;
  const char* const end = text.data() + text.size();
  const auto [to, failed] = std::from_chars(text.data(), end, rate);
  const bool fits = failed == std::errc() && to == end && rate >= kRateMin && rate <= kRateMax;
  return fits ? std::string()
              : quote(text, 80) +
                    " is no rate: it takes events a second, 0.001 to 1000000000; "
                    "without it there is no bound";
}

std::string fault_of_point(const std::string& text) {
  return point_of(text) ? std::string()
                        : quote(text, 80) + " is none: it takes " + std::string(kPointHelp);
}

/// Ctrl-C, as a token, for as long as this lives.
class StopAtSignal {
 public:
  explicit StopAtSignal(SignalWatch& signals)
      : watch_([this, &signals](const std::stop_token& end) {
          while (!end.stop_requested()) {
            if (signals.stop_signal() != 0) return (void)source_.request_stop();
            signals.wait(std::chrono::steady_clock::now() + kLookForSignal);
          }
        }) {}
  [[nodiscard]] std::stop_token token() const { return source_.get_token(); }

 private:
  std::stop_source source_;
  std::jthread watch_;
};

Json counts_of(const ReplayResult& result, const ReplayOptions& options) {
  Json refused = Json::array();
  for (const ReplayResult::Refused& one : result.refused) {
    refused.push_back(
        {{"code", to_string(one.code)}, {"count", one.count}, {"reason", one.reason}});
  }
  Json out{{"replayed", result.replayed},   {"skipped", result.skipped},
           {"refused", std::move(refused)}, {"corrupt", result.corrupt},
           {"end", to_string(result.end)},  {"last_sequence", result.last_sequence},
           {"dry_run", options.dry_run}};
  if (!result.error.empty()) out["error"] = result.error;
  return out;
}

void print(const ReplayResult& result, const ReplayOptions& options) {
  if (isatty(STDERR_FILENO) != 0) std::fputs("\r\x1b[K", stderr);
  for (const ReplayResult::Refused& one : result.refused) {
    print_error(std::to_string(one.count) + (one.count == 1 ? " event was" : " events were") +
                " refused: " + escape(one.reason, 400));
  }
  if (!result.error.empty()) print_error(escape(result.error, 400));
  const StandardOutput out;
  if (options.json) {
    out.write(counts_of(result, options).dump(-1, ' ', false, Json::error_handler_t::replace) +
              '\n');
    return;
  }
  KeyValueLine line;
  line.add(options.dry_run ? "would_replay" : "replayed", result.replayed)
      .add("skipped", result.skipped)
      .add("refused", result.refused_count())
      .add("corrupt", result.corrupt)
      .add("end", to_string(result.end))
      .add("last_sequence", result.last_sequence);
  out.write(line.line());
}

int exit_code_of(const ReplayResult& result) {
  if (result.end == ReplayResult::End::failed || result.end == ReplayResult::End::stopped) {
    return kFailed;
  }
  return result.ok() ? kDone : kProblems;
}

int replay(const ReplayOptions& options) {
  if (options.prefix.empty() && options.durable.empty()) {
    print_error("say into what: --into PREFIX or --into-durable NAME");
    return kUsage;
  }
  SignalWatch signals;
  return with_store(options.store, Missing::is_an_error, [&](Store& store) {
    BusOptions with;
    // The store is with_store()'s, which outlives the bus.
    with.opened_store = std::shared_ptr<Store>(std::shared_ptr<Store>(), &store);
    with.history = 0;
    with.worker_count = 1;
    with.log = log_to_terminal(LogLevel::warning);
    Bus bus(std::move(with));
    const StopAtSignal stop(signals);
    ReplayRequest request{
        .pattern = options.pattern,
        .into = options.durable.empty() ? ReplayInto::prefix(options.prefix)
                                        : ReplayInto::durable(options.durable),
        .limit = options.limit,
        .events_per_second = options.rate,
        .act = options.dry_run ? ReplayRequest::Act::count : ReplayRequest::Act::replay,
        .stop = stop.token()};
    if (!options.from.empty()) request.from = point_of(options.from);
    if (!options.to.empty()) request.to = point_of(options.to);
    if (isatty(STDERR_FILENO) != 0) {
      request.progress = [](const ReplayResult& so_far) {
        std::fprintf(stderr, "\r%llu events", static_cast<unsigned long long>(so_far.replayed));
      };
    }
    const ReplayResult result = bus.replay(request);
    print(result, options);
    return exit_code_of(result);
  });
}

}  // namespace

void add_replay(CLI::App& tool, Chosen& chosen) {
  const auto options = std::make_shared<ReplayOptions>();
  CLI::App* const command =
      tool.add_subcommand("replay", "Give past events of a store out once more");
  command->add_option("PATTERN", options->pattern, "Topics, as in subscribe(); * for all")
      ->required();
  add_store_option(*command, options->store);
  command->add_option("--from", options->from, std::string("Not before this: ") + kPointHelp)
      ->type_name("POINT")
      ->check(&fault_of_point);
  command->add_option("--to", options->to, "Not after this; default: the last event there is")
      ->type_name("POINT")
      ->check(&fault_of_point);
  CLI::Option* const prefix = command->add_option(
      "--into", options->prefix, "Publish each as a new event, PREFIX before its topic");
  prefix->type_name("PREFIX");
  command
      ->add_option("--into-durable", options->durable,
                   "Give each to this durable name alone, where it listens to it")
      ->type_name("NAME")
      ->excludes(prefix);
  command->add_option("--limit", options->limit, "At most so many; 0: all (default)")
      ->check(&fault_of_count);
  command->add_option("--rate", options->rate, "At most so many a second; default: no bound")
      ->check(&fault_of_rate);
  command->add_flag("--dry-run", options->dry_run, "Only count what would be replayed");
  command->add_flag("--json", options->json, "Print the counts as one JSON object");
  command->footer(std::string("Ctrl-C ends it between two pages; --from with the sequence behind "
                              "last_sequence goes on there.\n\n") +
                  kExitCodesHelp);
  command->callback([options, &chosen] { chosen = [options] { return replay(*options); }; });
}

}  // namespace busway::app
