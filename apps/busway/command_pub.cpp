// busway pub: events from lines of JSON into a store.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "base/escape.hpp"
#include "bus/payload_size.hpp"
#include "busway/clock.hpp"
#include "busway/cloud_events.hpp"
#include "busway/error.hpp"
#include "busway/limits.hpp"
#include "busway/topic_name.hpp"
#include "command.hpp"
#include "event/event_access.hpp"
#include "event/id_generator.hpp"
#include "event/json_guard.hpp"
#include "event/text_field.hpp"
#include "exit_code.hpp"
#include "key_values.hpp"
#include "line_reader.hpp"
#include "platform/host_name.hpp"
#include "progress.hpp"
#include "signal_watch.hpp"
#include "standard_output.hpp"
#include "store_access.hpp"
#include "terminal.hpp"

namespace busway::app {
namespace {

constexpr std::size_t kBatch = 1'000;
constexpr std::size_t kErrorsShown = 10;
/// A line is a payload with its envelope.
constexpr std::size_t kLineBytesMax = 2 * limits::kPayloadBytesDefault;
constexpr std::size_t kPayloadBytesMax = limits::kPayloadBytesDefault;

struct PubOptions {
  StoreChoice store;
  std::string topic;
  std::string source;
  std::string file;
  bool json = false;
};

/// Before a line is read: each of them would fail by it, and of no lines nobody would hear.
std::string fault_of_topic(const std::string& text) {
  return check_topic(text).value_or(std::string());
}

std::string fault_of_source(const std::string& text) {
  try {
    detail::require_text_field("the source", text);
    return {};
  } catch (const Error& error) {
    return error.what();
  }
}

std::string bytes_text(std::uint64_t bytes, std::size_t most) {
  return "has " + std::to_string(bytes) + " bytes; at most " + std::to_string(most) + " are taken";
}

/// A CloudEvent, or any JSON under the topic of the command line. Both bear the instance that put
/// them into the store, unless they bear one already.
Event event_of(std::string_view line, const PubOptions& options) {
  static event_detail::IdGenerator ids;
  static const std::string instance = platform_detail::host_name();
  const WallTime now = Clock::system()->wall();
  Json json = detail::parse_json(line);
  if (json.is_object() && json.contains("specversion")) {
    json.emplace("instanceid", instance);
    Event event = from_cloud_event(json);
    if (event.time() == WallTime{}) {
      detail::EventAccess::set_time(event, now.time_since_epoch().count());
    }
    return event;
  }
  if (options.topic.empty()) {
    throw Error(ErrorCode::invalid_argument,
                "it is no CloudEvent (it has no specversion); name a topic for it with --topic");
  }
  const std::string source = options.source.empty() ? "/busway/" + instance : options.source;
  return Event(options.topic, Payload::json(std::move(json)),
               {.source = source,
                .instance_id = instance,
                .id = ids.next(now.time_since_epoch().count()),
                .time = now});
}

/// What a bus would refuse, too: whoever subscribes counts on it.
std::size_t require_size(const Event& event) {
  const detail::PayloadBlock* const block = detail::EventAccess::block(event);
  const std::size_t bytes = block == nullptr ? 0 : detail::payload_bytes(*block);
  if (bytes > kPayloadBytesMax) {
    throw Error(ErrorCode::payload_too_large,
                "its payload " + bytes_text(bytes, kPayloadBytesMax) + " (max_payload)");
  }
  return bytes;
}

class Publishing {
 public:
  Publishing(Store& store, const PubOptions& options, Progress& progress)
      : store_(store), options_(options), progress_(progress) {}

  void line(std::string_view text, std::uint64_t number) {
    if (text.find_first_not_of(" \t\r") == std::string_view::npos) return;
    try {
      Event event = event_of(text, options_);
      bytes_ += require_size(event);
      events_.push_back(std::move(event));
      numbers_.push_back(number);
    } catch (const Error& error) {
      refuse(number, error.what());
    }
    if (events_.size() == kBatch || bytes_ > limits::kStoreBytesAtOnce) flush();
  }
  void flush() {
    if (events_.empty()) return;
    std::vector<AppendResult> results(events_.size());
    store_.append(events_, results);
    ask_again(results);
    if (std::all_of(results.begin(), results.end(), &is_refused_by_store)) {
      stopped_at = numbers_.front();
      why_stopped = results.front().error;
      failed += results.size();
    } else {
      for (std::size_t i = 0; i < results.size(); ++i) count(results[i], numbers_[i]);
    }
    events_.clear();
    numbers_.clear();
    bytes_ = 0;
  }
  void refuse(std::uint64_t number, const std::string& why) {
    ++failed;
    tell(number, why);
  }
  /// The store takes nothing any more.
  [[nodiscard]] bool is_over() const noexcept { return stopped_at != 0; }

  std::uint64_t stored = 0;
  std::uint64_t duplicates = 0;
  std::uint64_t failed = 0;
  std::uint64_t unknown = 0;     // nobody can say whether they are stored
  std::uint64_t stopped_at = 0;  // the first line of what the store refused whole; 0: it did not
  std::string why_stopped;

 private:
  static bool is_refused_by_store(const AppendResult& result) {
    return result.answer == Appended::not_stored && !result.is_of_event;
  }
  /// The same event once more: it has its id, so that it is stored once whatever became of it.
  void ask_again(std::vector<AppendResult>& results) {
    std::vector<Event> events;
    std::vector<std::size_t> places;
    for (std::size_t i = 0; i < results.size(); ++i) {
      if (results[i].answer != Appended::unknown) continue;
      events.push_back(events_[i]);
      places.push_back(i);
    }
    if (events.empty()) return;
    std::vector<AppendResult> again(events.size());
    store_.append(events, again);
    for (std::size_t i = 0; i < again.size(); ++i) {
      AppendResult& one = results[places[i]];
      // It is the first time that has stored it. One that is refused now may be there all the same.
      if (again[i].ok()) one.answer = Appended::stored;
    }
  }
  void count(const AppendResult& result, std::uint64_t number) {
    switch (result.answer) {
      case Appended::stored: ++stored; break;
      case Appended::duplicate: ++duplicates; break;
      case Appended::unknown:
        ++unknown;
        tell(number, result.error + "; nobody can say whether it is stored");
        break;
      case Appended::not_stored: refuse(number, result.error); break;
    }
  }
  void tell(std::uint64_t number, const std::string& why) {
    if (++told_ > kErrorsShown + 1) return;
    progress_.clear();
    if (told_ <= kErrorsShown) print_error("line " + std::to_string(number) + ": " + why);
    if (told_ == kErrorsShown + 1) print_note("further faulty lines are only counted");
  }

  Store& store_;
  const PubOptions& options_;
  Progress& progress_;
  std::vector<Event> events_;
  std::vector<std::uint64_t> numbers_;
  std::size_t bytes_ = 0;
  std::uint64_t told_ = 0;
};

/// The file of the command line, or standard input.
class Input {
 public:
  explicit Input(const std::string& path) : is_file_(!path.empty() && path != "-") {
    name = is_file_ ? "the file " + escape(path) : "standard input";
    if (is_file_) descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat about {};
    if (descriptor < 0 || ::fstat(descriptor, &about) != 0) {
      fault = errno;
    } else if (S_ISDIR(about.st_mode)) {
      fault = EISDIR;
    } else if (S_ISREG(about.st_mode)) {
      const off_t begun = ::lseek(descriptor, 0, SEEK_CUR);
      size =
          static_cast<std::uint64_t>(std::max<off_t>(0, about.st_size - std::max<off_t>(0, begun)));
    }
  }
  Input(const Input&) = delete;
  Input& operator=(const Input&) = delete;
  ~Input() {
    if (is_file_ && descriptor >= 0) ::close(descriptor);
  }

  void tell_fault() const {
    print_error(name + " cannot be read: " + std::generic_category().message(fault));
  }

  std::string name;
  int descriptor = STDIN_FILENO;
  int fault = 0;           // errno
  std::uint64_t size = 0;  // of what is left of it; 0: not known

 private:
  bool is_file_;
};

/// Until there is no more, or a signal, a fault of the input or the store ends it. What was read
/// whole is published in any case, where the store takes it.
LineReader::Got publish_all(Input& input, const SignalWatch& signals, Publishing& publishing,
                            Progress& progress) {
  LineReader lines(input.descriptor, signals.stop_descriptor(), kLineBytesMax);
  auto got = LineReader::Got::line;
  try {
    while (got != LineReader::Got::end && got != LineReader::Got::stop && !publishing.is_over()) {
      got = lines.next();
      auto when = Progress::When::now_and_then;
      switch (got) {
        case LineReader::Got::line: publishing.line(lines.line(), lines.number()); break;
        case LineReader::Got::too_long:
          publishing.refuse(lines.number(), "it " + bytes_text(lines.line_bytes(), kLineBytesMax));
          break;
        case LineReader::Got::pause:
        case LineReader::Got::end:
        case LineReader::Got::stop:
          publishing.flush();
          when = Progress::When::now;
          break;
      }
      progress.show(publishing.stored, lines.bytes(), input.size, when);
    }
  } catch (const std::system_error& error) {
    publishing.flush();
    input.fault = error.code().value();
  }
  progress.clear();
  return got;
}

void print_counts(const Publishing& publishing, bool as_json, std::string_view ended_by) {
  const StandardOutput out;
  if (as_json) {
    Json counts{{"stored", publishing.stored},
                {"duplicates", publishing.duplicates},
                {"failed", publishing.failed}};
    if (publishing.unknown != 0) counts["unknown"] = publishing.unknown;
    if (!ended_by.empty()) counts["ended_by"] = ended_by;
    out.write(counts.dump() + '\n');
    return;
  }
  KeyValueLine line;
  line.add("stored", publishing.stored)
      .add("duplicates", publishing.duplicates)
      .add("failed", publishing.failed);
  if (publishing.unknown != 0) line.add("unknown", publishing.unknown);
  if (!ended_by.empty()) line.add("ended_by", ended_by);
  out.write(line.line());
}

int pub(const PubOptions& options) {
  Input input(options.file);
  if (input.fault != 0) {
    input.tell_fault();
    return kFailed;
  }
  SignalWatch signals;
  return with_store(options.store, Missing::is_made, [&](Store& store) -> int {
    Progress progress("events");
    Publishing publishing(store, options, progress);
    const bool stopped = publish_all(input, signals, publishing, progress) == LineReader::Got::stop;
    const bool by_int = stopped && signals.stop_signal() == SIGINT;
    if (input.fault != 0) input.tell_fault();
    print_counts(publishing, options.json, !stopped ? "" : by_int ? "SIGINT" : "SIGTERM");
    if (publishing.is_over()) {
      print_error(publishing.why_stopped + "; nothing from line " +
                  std::to_string(publishing.stopped_at) + " on is stored");
    }
    if (input.fault != 0 || publishing.is_over()) return kFailed;
    return publishing.failed + publishing.unknown == 0 && !stopped ? kDone : kProblems;
  });
}

}  // namespace

void add_pub(CLI::App& tool, Chosen& chosen) {
  const auto options = std::make_shared<PubOptions>();
  CLI::App* const command =
      tool.add_subcommand("pub", "Publish lines of JSON, each an event, into a store");
  command->add_option("FILE", options->file, "Where the lines are; none or -: standard input");
  add_store_option(*command, options->store);
  command
      ->add_option("--topic", options->topic,
                   "Topic of lines that are no CloudEvents but plain JSON")
      ->check(&fault_of_topic);
  command->add_option("--source", options->source, "Their source")->check(&fault_of_source);
  command->add_flag("--json", options->json, "Print the counts as one JSON object");
  command->footer(std::string("A line is a CloudEvent, or any JSON with --topic. An event whose id "
                              "is stored already counts as\n"
                              "a duplicate, so that a file may be published again. The store is "
                              "made if it is missing.\n"
                              "What has come is published whenever the input pauses, and at "
                              "Ctrl-C.\n\n") +
                  kExitCodesHelp);
  command->callback([options, &chosen] { chosen = [options] { return pub(*options); }; });
}

}  // namespace busway::app
