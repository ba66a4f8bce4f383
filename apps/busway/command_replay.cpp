// busway replay: past events of a store once more, into a prefix of topics or a durable name.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdint>
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
#include "progress.hpp"
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

/// How much a replay will look at, for its bar: sequences, or events where a limit ends it first.
class Extent {
 public:
  Extent(Store& store, const ReplayOptions& options) : limit_(options.limit) {
    const std::uint64_t first = edge(store, options.from, Edge::first);
    const std::uint64_t last = edge(store, options.to, Edge::last);
    if (first == 0 || last < first) return;  // the replay says why, if there is something to say
    before_ = first - 1;
    whole_ = last - before_;
  }

  void show(Progress& progress, const ReplayResult& so_far, Progress::When when) const {
    const std::uint64_t seen = so_far.last_sequence - std::min(so_far.last_sequence, before_);
    const bool by_limit =
        limit_ != 0 && static_cast<double>(so_far.replayed) * static_cast<double>(whole_) >
                           static_cast<double>(seen) * static_cast<double>(limit_);
    std::uint64_t part = by_limit ? so_far.replayed : seen;
    std::uint64_t whole = by_limit ? limit_ : whole_;
    // What does not match behind the last one was looked at, too.
    if (when == Progress::When::now) part = whole = 1;
    progress.show(so_far.replayed, part, whole, when);
  }

 private:
  enum class Edge : unsigned char { first, last };
  /// 0: there is none.
  static std::uint64_t edge(Store& store, const std::string& text, Edge edge) {
    StoreQuery query;
    query.limit = 1;
    if (edge == Edge::last) query.direction = StoreQuery::Direction::newest_first;
    if (const auto point = text.empty() ? std::nullopt : point_of(text)) {
      if (point->at == ReplayPoint::At::event) {
        const auto found = store.find(point->id);
        return found ? found->sequence : 0;
      }
      if (point->at == ReplayPoint::At::time) {
        (edge == Edge::first ? query.since : query.until) = point->moment;
      } else if (edge == Edge::first) {
        query.after = point->position - std::min<std::uint64_t>(point->position, 1);
      } else {
        query.after = point->position + 1;
      }
    }
    const StorePage page = store.read(query);
    return page.events.empty() ? 0 : page.events.front().sequence;
  }

  const std::uint64_t limit_;
  std::uint64_t before_ = 0;
  std::uint64_t whole_ = 0;  // 0: not known
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
  Progress progress("events");
  const auto use = [&](Store& store) {
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
    std::optional<Extent> extent;
    if (progress.is_shown()) {
      extent.emplace(store, options);
      request.progress = [&](const ReplayResult& so_far) {
        extent->show(progress, so_far, Progress::When::now_and_then);
      };
    }
    const ReplayResult result = bus.replay(request);
    using End = ReplayResult::End;
    if (extent && (result.end == End::all || result.end == End::limit)) {
      extent->show(progress, result, Progress::When::now);
    }
    progress.clear();
    print(result, options);
    return exit_code_of(result);
  };
  return with_store(options.store, Missing::is_an_error, use, &progress);
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
