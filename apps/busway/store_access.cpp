#include "store_access.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <csignal>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "base/escape.hpp"
#include "base/nearest.hpp"
#include "busway/clock.hpp"
#include "busway/cloud_events.hpp"
#include "busway/error.hpp"
#include "busway/store_provider.hpp"
#include "config/scalar.hpp"
#include "event/cloud_events/rfc3339.hpp"
#include "exit_code.hpp"
#include "platform/host_name.hpp"
#include "progress.hpp"
#include "signal_watch.hpp"
#include "terminal.hpp"

namespace busway::app {
namespace {

constexpr std::size_t kPayloadBytesMax = 200;
constexpr std::chrono::milliseconds kAgoMax = std::chrono::hours(24 * 36'500);

/// Thrown through what the store does.
struct EndedBySignal {};

std::optional<WallTime> time_of(const std::string& text) {
  if (const auto time = detail::parse_rfc3339(text)) return time;
  const auto ago = config::read_duration(text, std::chrono::milliseconds(0), kAgoMax);
  if (!ago.value) return std::nullopt;
  return Clock::system()->wall() - *ago.value;
}

std::shared_ptr<Store> open(const StoreChoice& choice, StoreOptions& options) {
  try {
    return open_store(choice.address, options);
  } catch (const Error& error) {
    if (!choice.only_looks || error.code() != ErrorCode::store_unavailable) throw;
  }
  // If this fails, too, it says what keeps it from being read: that is what was asked for.
  options.read_only = true;
  return open_store(choice.address, options);
}

}  // namespace

void add_store_option(CLI::App& command, StoreChoice& choice) {
  command.add_option("--store", choice.address, "The store: sqlite:PATH")
      ->required()
      ->type_name("URL")
      ->check(&fault_of_address);
}

std::string fault_of_address(const std::string& text) {
  const std::size_t colon = text.find(':');
  const std::string scheme = text.substr(0, colon);
  if (colon != std::string::npos && scheme != "memory" && store_is_known(scheme)) {
    return colon + 1 == text.size() ? quote(text) + " has no path; write " + text + "PATH"
                                    : std::string();
  }
  // What is none opens nothing.
  try {
    open_store(text)->close();
    return {};
  } catch (const Error& error) {
    return error.what();
  }
}

std::string fault_of_count(const std::string& text) {
  const bool digits = !text.empty() && text.size() < 20 &&
                      text.find_first_not_of("0123456789") == std::string::npos;
  return digits ? std::string() : quote(text, 80) + " is no whole number from 0 on";
}

void add_time_options(CLI::App& command, TimeRange& range, const std::string& of_what) {
  const auto add = [&](const std::string& name, std::optional<WallTime>& to,
                       const std::string& about) {
    command
        .add_option_function<std::string>(
            name,
            [&to, name](const std::string& text) {
              to = time_of(text);
              if (to) return;
              throw CLI::ValidationError(
                  name, quote(text, 80) +
                            " is no time: it takes one such as "
                            "2026-11-27T08:00:00Z, or how long ago: 90s, 15m, 12h, 7d");
            },
            of_what + about + ": a time, or how long ago (15m, 7d)")
        ->type_name("TIME");
  };
  add("--since", range.since, " not before this");
  add("--until", range.until, " before this");
}

bool has_durable(Store& store, const std::string& name) {
  const std::vector<DurableInfo> all = store.durables();
  std::vector<std::string_view> names;
  names.reserve(all.size());
  for (const DurableInfo& one : all) names.emplace_back(one.name);
  if (std::find(names.begin(), names.end(), name) != names.end()) return true;
  const std::string_view near = nearest(name, names);
  print_error("the store has no durable name " + quote(name, 80) +
              (near.empty() ? "; busway store durable list shows them"
                            : "; did you mean " + quote(near, 80) + "?"));
  return false;
}

int with_store(const StoreChoice& choice, Missing missing, const std::function<int(Store&)>& use,
               Progress* progress, const SignalWatch* signals) {
  if (choice.address.starts_with("memory:") && !choice.may_be_memory) {
    print_error("--store: " + quote(choice.address, 80) +
                " is a store that begins and ends with this command; name one that lasts, such as "
                "sqlite:events.db");
    return kUsage;
  }
  try {
    StoreOptions options;
    options.instance_id = platform_detail::host_name();
    options.create = missing == Missing::is_made;
    options.log = log_to_terminal(LogLevel::warning);
    if (progress != nullptr && (progress->is_shown() || signals != nullptr)) {
      options.progress = [progress, signals](const StoreProgress& so_far) {
        if (signals != nullptr && signals->stop_signal() != 0) throw EndedBySignal();
        progress->show(so_far.done, so_far.done, so_far.whole);
      };
    }
    const std::shared_ptr<Store> store = open(choice, options);
    const int code = use(*store);
    store->close();
    return code;
  } catch (const EndedBySignal&) {
    progress->clear();
    print_error(std::string("ended by ") +
                (signals->stop_signal() == SIGINT ? "SIGINT" : "SIGTERM") + " before it was done");
    return kProblems;
  } catch (const Error& error) {
    if (progress != nullptr) progress->clear();
    print_error(error.what());
    switch (error.code()) {
      case ErrorCode::invalid_option:
      case ErrorCode::invalid_pattern:
      case ErrorCode::invalid_topic:
      case ErrorCode::invalid_argument:
      case ErrorCode::not_yet: return kUsage;
      default: return kFailed;
    }
  }
}

std::vector<Pattern> read_patterns(const std::vector<std::string>& texts) {
  std::vector<Pattern> patterns;
  patterns.reserve(texts.size());
  for (const std::string& text : texts) patterns.push_back(Pattern::parse(text));
  return patterns;
}

int tell_left_out(std::size_t damaged) {
  if (damaged == 0) return kDone;
  print_error(std::to_string(damaged) +
              (damaged == 1 ? " damaged event was left out" : " damaged events were left out") +
              "; busway store check tells which");
  return kProblems;
}

std::string words_of(WallTime time) { return detail::format_rfc3339(time); }

std::string line_of(const StoredEvent& stored) {
  const Event& event = stored.event;
  std::string line = std::to_string(stored.sequence) + '\t' + words_of(event.time()) + '\t' +
                     escape(event.topic(), 255);
  if (!event.source().empty()) line += " from " + escape(event.source(), 80);
  if (event.has_payload()) {
    const auto bytes = event.bytes();
    line += '\t' +
            escape({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, kPayloadBytesMax);
  }
  return line + '\n';
}

std::string json_of(const StoredEvent& stored) {
  Json envelope = to_cloud_event(stored.event);
  envelope["sequence"] = std::to_string(stored.sequence);
  return envelope.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n';
}

}  // namespace busway::app
