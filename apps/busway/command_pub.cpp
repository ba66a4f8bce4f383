// busway pub: events from lines of JSON into a store.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "base/escape.hpp"
#include "busway/clock.hpp"
#include "busway/cloud_events.hpp"
#include "busway/error.hpp"
#include "busway/limits.hpp"
#include "command.hpp"
#include "event/event_access.hpp"
#include "event/id_generator.hpp"
#include "event/json_guard.hpp"
#include "exit_code.hpp"
#include "standard_output.hpp"
#include "store_access.hpp"
#include "terminal.hpp"

namespace busway::app {
namespace {

constexpr std::size_t kBatch = 1'000;
constexpr std::size_t kErrorsShown = 10;
/// A line is a payload with its envelope.
constexpr std::size_t kLineBytesMax = 2 * limits::kPayloadBytesDefault;

struct PubOptions {
  StoreChoice store;
  std::string topic;
  std::string source;
  std::string file;
  bool json = false;
};

/// A CloudEvent, or any JSON under the topic of the command line.
Event event_of(const std::string& line, const PubOptions& options) {
  static event_detail::IdGenerator ids;
  const WallTime now = Clock::system()->wall();
  Json json = detail::parse_json(line);
  if (json.is_object() && json.contains("specversion")) {
    Event event = from_cloud_event(line);
    if (event.time() == WallTime{}) {
      detail::EventAccess::set_time(event, now.time_since_epoch().count());
    }
    return event;
  }
  if (options.topic.empty()) {
    throw Error(ErrorCode::invalid_argument,
                "it is no CloudEvent (it has no specversion); name a topic for it with --topic");
  }
  return Event(
      options.topic, Payload::json(std::move(json)),
      {.source = options.source, .id = ids.next(now.time_since_epoch().count()), .time = now});
}

class Publishing {
 public:
  Publishing(Store& store, const PubOptions& options) : store_(store), options_(options) {}

  void line(const std::string& text, std::uint64_t number) {
    if (text.find_first_not_of(" \t\r") == std::string::npos) return;
    try {
      if (text.size() > kLineBytesMax) {
        throw Error(ErrorCode::payload_too_large, "it has " + std::to_string(text.size()) +
                                                      " bytes; at most " +
                                                      std::to_string(kLineBytesMax) + " are read");
      }
      events_.push_back(event_of(text, options_));
      numbers_.push_back(number);
    } catch (const Error& error) {
      refuse(number, error.what());
    }
    if (events_.size() == kBatch) flush();
  }
  void flush() {
    std::vector<AppendResult> results(events_.size());
    store_.append(events_, results);
    for (std::size_t i = 0; i < results.size(); ++i) {
      switch (results[i].answer) {
        case Appended::stored: ++stored; break;
        case Appended::duplicate: ++duplicates; break;
        case Appended::unknown:
        case Appended::not_stored: refuse(numbers_[i], results[i].error); break;
      }
    }
    events_.clear();
    numbers_.clear();
    progress();
  }

  std::uint64_t stored = 0;
  std::uint64_t duplicates = 0;
  std::uint64_t failed = 0;

 private:
  void refuse(std::uint64_t number, const std::string& why) {
    if (++failed <= kErrorsShown) print_error("line " + std::to_string(number) + ": " + why);
    if (failed == kErrorsShown + 1) print_note("further faulty lines are only counted");
  }
  void progress() const {
    if (isatty(STDERR_FILENO) == 0) return;
    std::fprintf(stderr, "\r%llu events", static_cast<unsigned long long>(stored));
  }

  Store& store_;
  const PubOptions& options_;
  std::vector<Event> events_;
  std::vector<std::uint64_t> numbers_;
};

int pub(const PubOptions& options) {
  std::ifstream file;
  if (!options.file.empty() && options.file != "-") {
    file.open(options.file);
    if (!file) {
      print_error("the file " + escape(options.file) + " cannot be read");
      return kUsage;
    }
  }
  std::istream& in = file.is_open() ? static_cast<std::istream&>(file) : std::cin;
  return with_store(options.store, Missing::is_made, [&](Store& store) {
    Publishing publishing(store, options);
    std::string line;
    for (std::uint64_t number = 1; std::getline(in, line); ++number) {
      publishing.line(line, number);
    }
    publishing.flush();
    if (isatty(STDERR_FILENO) != 0) std::fputs("\r\x1b[K", stderr);
    const StandardOutput out;
    if (options.json) {
      out.write(Json{{"stored", publishing.stored},
                     {"duplicates", publishing.duplicates},
                     {"failed", publishing.failed}}
                    .dump() +
                '\n');
    } else {
      out.write("stored=" + std::to_string(publishing.stored) +
                " duplicates=" + std::to_string(publishing.duplicates) +
                " failed=" + std::to_string(publishing.failed) + '\n');
    }
    return publishing.failed == 0 ? kDone : kProblems;
  });
}

}  // namespace

void add_pub(CLI::App& tool, Chosen& chosen) {
  const auto options = std::make_shared<PubOptions>();
  CLI::App* const command =
      tool.add_subcommand("pub", "Publish lines of JSON, each an event, into a store");
  command->add_option("FILE", options->file, "Where the lines are; none or -: standard input");
  add_store_option(*command, options->store);
  command->add_option("--topic", options->topic,
                      "Topic of lines that are no CloudEvents but plain JSON");
  command->add_option("--source", options->source, "Their source");
  command->add_flag("--json", options->json, "Print the counts as one JSON object");
  command->footer(std::string("A line is a CloudEvent, or any JSON with --topic. An event whose id "
                              "is stored already counts as\n"
                              "a duplicate, so that a file may be published again. The store is "
                              "made if it is missing.\n\n") +
                  kExitCodesHelp);
  command->callback([options, &chosen] { chosen = [options] { return pub(*options); }; });
}

}  // namespace busway::app
