// Tail: follows files and turns their lines into events.
//
//   publishes   what its `lines` say, with where the line stood in the metadata: {file, offset}
//               tail.opened     {path, offset}   a file is read from there
//               tail.rotated    {path}           the path names another file now, or none
//               tail.truncated  {path, read}     it was cut or written anew after so many bytes
//               tail.overlong   {path, offset, bytes}   a line was refused
//               tail.failed     {path, error}    a file cannot be read, until it can; a line is
//                                                not taken by the bus, until it is
//               tail.lost       {path, read, error}   what a rotated file held after so many bytes
//               run.summary     {lines, events, unmatched, overlong, repaired, unconverted,
//                                refused}
//
// README.md lists the configuration.
#include <busway/plugin.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "change_wait.hpp"
#include "followed_file.hpp"
#include "positions.hpp"
#include "settings.hpp"
#include "shared/announcing_plugin.hpp"
#include "shared/line_assembler.hpp"
#include "shared/repair_text.hpp"

namespace {

using busway::Json;
using busway::LogLevel;
using busway::PluginError;
using busway::PluginHealth;
using busway::PluginPublishOptions;
using namespace tail;

/// Positions in their file: the disk has its say each time.
constexpr std::chrono::seconds kKeepEach{1};

class Tail : public busway::Plugin {
 private:
  void setup(const Json& config) override { settings_ = read_settings(config); }

  void start() override {
    if (!files_.empty()) begin_again();
    if (positions_.empty() && !settings_.positions.empty()) {
      positions_ = load_positions(settings_.positions);
    }
    make_files();
    // Whoever writes a line after this finds it read, though the source begins later.
    for (const auto& file : files_) file->look();
    run_source([this](const std::stop_token& stop) { follow(stop); });
  }

  void stop() override {
    Json summary{
        {"lines", lines_.load()}, {"events", events_.load()}, {"unmatched", unmatched_.load()}};
    for (const auto& [key, count] : {std::pair<const char*, std::uint64_t>{"overlong", overlong_},
                                     {"repaired", repaired_},
                                     {"unconverted", unconverted_},
                                     {"refused", refused_}}) {
      if (count > 0) summary[key] = count;
    }
    publish("run.summary", summary);
  }

  /// It was stopped, and goes on where it was.
  void begin_again() {
    positions_ = positions();
    files_.clear();
    stop_ = {};
    bus_has_stopped_ = false;
    keep_again_at_ = {};
    kept_ = nullptr;
    cannot_keep_ = false;
    failing_ = 0;
    not_taken_.clear();
    waiting_ = 0;
    for (auto* const count :
         {&lines_, &events_, &unmatched_, &overlong_, &repaired_, &unconverted_, &refused_}) {
      *count = 0;
    }
  }

  Json save_state() override { return write_positions(positions()); }

  void restore_state(std::uint32_t /*version*/, const Json& state) override {
    positions_ = read_positions(state);
  }

  PluginHealth health() override {
    std::string words;
    if (const std::uint64_t count = failing_) {
      words = std::to_string(count) + " of the files cannot be read; see tail.failed";
    }
    if (const std::uint64_t count = waiting_) {
      words += (words.empty() ? "" : "; ") + std::to_string(count) +
               " of the files wait until the bus takes their next line";
    }
    return words.empty() ? PluginHealth::ok() : PluginHealth::degraded(words);
  }

  [[nodiscard]] Positions positions() const {
    Positions all = positions_;
    for (const auto& file : files_) {
      if (const std::optional<PathPosition> position = file->position())
        all[file->path()] = *position;
    }
    return all;
  }

  // -- On the source's thread. Nothing else runs when the state is saved.

  void follow(const std::stop_token& stop) {
    stop_ = stop;
    ChangeWait changes(settings_.files, settings_.watch, stop);
    if (settings_.watch == Watch::inotify && !changes.is_watching()) {
      log(LogLevel::warning, "not all folders can be watched; their files are looked at each " +
                                 std::to_string(settings_.poll.count()) + " ms");
    }
    while (!stop.stop_requested() && !bus_has_stopped_) {
      const bool more = check_files();
      if (!goes_on()) break;
      keep_positions(Keep::now_and_then);
      if (more) continue;
      if (settings_.follow == Follow::no && finish_files()) return end();
      if (goes_on()) changes.wait(patience());
    }
    keep_positions(Keep::now);
  }

  /// Whether there is more to read at once. A file of which the bus did not take a line holds up no
  /// other one.
  [[nodiscard]] bool check_files() {
    bool more = false;
    std::uint64_t failing = 0;
    for (const auto& file : files_) {
      const auto now = std::chrono::steady_clock::now();
      if (!waits(file->path(), now)) {
        const FollowedFile::Checked checked = file->check(now);
        if (!goes_on()) break;
        more = more || checked == FollowedFile::Checked::more;
      }
      failing += file->has_failed() ? 1U : 0U;
    }
    failing_ = failing;
    return more;
  }

  /// False when a line is still to be taken.
  [[nodiscard]] bool finish_files() {
    bool all = true;
    for (const auto& file : files_) {
      const bool is_finished = !waits(file->path(), std::chrono::steady_clock::now()) &&
                               file->finish() != FollowedFile::Checked::stopped;
      if (!goes_on()) return false;
      all = all && is_finished;
    }
    return all;
  }

  [[nodiscard]] bool waits(const std::string& path, FollowedFile::Time now) const {
    const auto one = not_taken_.find(path);
    return one != not_taken_.end() && now < one->second;
  }

  enum class Keep : unsigned char { now, now_and_then };

  /// At most once a second, as it waits for the disk: what was read since is read again after a
  /// crash.
  void keep_positions(Keep when) {
    if (settings_.positions.empty()) return;
    const auto now = std::chrono::steady_clock::now();
    if (when == Keep::now_and_then && now < keep_again_at_) return;
    Json wanted = write_positions(positions());
    if (wanted == kept_) return;
    keep_again_at_ = now + kKeepEach;
    try {
      store_positions(settings_.positions, wanted);
    } catch (const std::exception& error) {
      if (!std::exchange(cannot_keep_, true)) report_error(error.what());
      return;
    }
    kept_ = std::move(wanted);
    cannot_keep_ = false;
  }

  void make_files() {
    for (const std::string& path : settings_.files) {
      files_.push_back(std::make_unique<FollowedFile>(FollowedFile::Options{
          .path = path,
          .start = settings_.follow == Follow::no ? Start::beginning : settings_.start,
          .line_bytes_max = settings_.line_bytes_max,
          .rotate_wait = settings_.rotate_wait,
          .on_line = [this, path](const shared::Line& line,
                                  std::int64_t offset) { return take(path, line, offset); },
          .on_note = [this](std::string_view topic,
                            const Json& payload) { note(topic, payload); }}));
      if (const auto known = positions_.find(path); known != positions_.end()) {
        files_.back()->go_on_from(known->second);
      }
    }
  }

  /// Without `follow` each file is read once; one that is not there is a fault.
  void end() {
    std::string missing;
    for (const auto& file : files_) {
      if (!file->is_open()) missing += (missing.empty() ? "" : ", ") + file->path();
    }
    keep_positions(Keep::now);
    if (!missing.empty()) throw std::runtime_error("could not be read: " + missing);
  }

  /// Until the next look: a rotated file may have been silent long enough before, and what was read
  /// is to be kept.
  [[nodiscard]] std::chrono::milliseconds patience() const {
    std::chrono::milliseconds time = settings_.poll;
    const auto now = std::chrono::steady_clock::now();
    const auto no_longer_than = [&](FollowedFile::Time until) {
      time = std::min(time, std::max(std::chrono::ceil<std::chrono::milliseconds>(until - now),
                                     std::chrono::milliseconds(1)));
    };
    for (const auto& file : files_) {
      if (const auto until = file->wait_until()) no_longer_than(*until);
    }
    for (const auto& [path, again_at] : not_taken_) no_longer_than(again_at);
    if (now < keep_again_at_) no_longer_than(keep_again_at_);
    return time;
  }

  /// Makes an event of a line. It is counted once it has been read: one that the bus does not take
  /// comes again.
  OpenFile::Told take(const std::string& path, const shared::Line& line, std::int64_t offset) {
    const bool is_overlong = line.cut_bytes > 0;
    const std::string text = shared::repair_text(line.text);
    unsigned unconverted = 0;
    bool is_unmatched = false;
    if (is_overlong && settings_.overlong == Overlong::refuse) {
      const Json payload{
          {"path", path}, {"offset", offset}, {"bytes", line.text.size() + line.cut_bytes}};
      if (announce("tail.overlong", payload, {}, path, offset) == Announced::not_taken) {
        return OpenFile::Told::refused;
      }
    } else {
      std::optional<ParsedLine> parsed = parse(text);
      is_unmatched = !parsed;
      if (!parsed && !settings_.unmatched.empty()) {
        parsed = ParsedLine{.topic = settings_.unmatched, .payload = {{"text", text}}};
      }
      if (parsed) {
        unconverted = parsed->unconverted;
        if (is_overlong) parsed->payload["cut_bytes"] = line.cut_bytes;
        const PluginPublishOptions options{.key = parsed->key,
                                           .metadata = {{"file", path}, {"offset", offset}},
                                           .user_id = parsed->user_id,
                                           .session_id = parsed->session_id};
        const Announced what = announce(parsed->topic, parsed->payload, options, path, offset);
        if (what == Announced::not_taken) return OpenFile::Told::refused;
        if (what == Announced::taken) ++events_;
      }
      if (text != line.text) ++repaired_;
    }
    ++lines_;
    overlong_ += is_overlong ? 1U : 0U;
    unmatched_ += is_unmatched ? 1U : 0U;
    unconverted_ += unconverted;
    return goes_on() ? OpenFile::Told::go_on : OpenFile::Told::stop;
  }

  [[nodiscard]] std::optional<ParsedLine> parse(const std::string& text) const {
    const auto now = std::chrono::system_clock::now();
    for (const LinePattern& pattern : settings_.lines) {
      if (std::optional<ParsedLine> parsed = pattern.parse(text, now)) return parsed;
    }
    return std::nullopt;
  }

  enum class Announced : unsigned char { taken, refused, not_taken };

  Announced announce(std::string_view topic, const Json& payload,
                     const PluginPublishOptions& options, const std::string& path,
                     std::int64_t offset) {
    try {
      publish(topic, payload, options);
    } catch (const PluginError& error) {
      if (error.status() == BUSWAY_STOPPED) {
        bus_has_stopped_ = true;
        return Announced::not_taken;
      }
      if (!shared::is_refused_for_good(error.status())) {
        try_again(path, "the line at " + std::to_string(offset) + " of " + path +
                            " was not taken, and waits until it is: " + error.what());
        return Announced::not_taken;
      }
      is_taken(path);
      // A topic from a line that is none, an event that is too large: not a fault of the lines to
      // come. The first is told, all are counted.
      if (error.status() != BUSWAY_FILTERED && refused_++ == 0) {
        report_error("the line at " + std::to_string(offset) + " of " + path +
                     " is no event: " + error.what());
      }
      return Announced::refused;
    }
    is_taken(path);
    return Announced::taken;
  }

  /// Told once, until the bus has taken it.
  void try_again(const std::string& path, const std::string& why) {
    const auto again_at = std::chrono::steady_clock::now() + settings_.poll;
    const bool is_new = not_taken_.insert_or_assign(path, again_at).second;
    waiting_ = not_taken_.size();
    if (is_new) note("tail.failed", {{"path", path}, {"error", why}});
  }

  void is_taken(const std::string& path) {
    if (not_taken_.erase(path) > 0) waiting_ = not_taken_.size();
  }

  void note(std::string_view topic, const Json& payload) {
    if (topic == "tail.failed") log(LogLevel::error, payload.at("error").get<std::string>());
    if (topic == "tail.lost") {
      log(LogLevel::warning,
          "what the rotated file of " + payload.at("path").get<std::string>() +
              " held after its first " + std::to_string(payload.at("read").get<std::int64_t>()) +
              " bytes, if anything, was not read: " + payload.at("error").get<std::string>());
    }
    try {
      publish(topic, payload);
    } catch (const PluginError& error) {
      if (error.status() == BUSWAY_STOPPED) {
        bus_has_stopped_ = true;
      } else {
        log(LogLevel::error, error.what());
      }
    }
  }

  [[nodiscard]] bool goes_on() const { return !stop_.stop_requested() && !bus_has_stopped_; }

  Settings settings_;
  Positions positions_;  // of an earlier generation, or of this one before it was stopped
  std::vector<std::unique_ptr<FollowedFile>> files_;
  std::stop_token stop_;
  bool bus_has_stopped_ = false;
  FollowedFile::Time keep_again_at_{};  // positions, when they are others than
  Json kept_;                           // these, which are in the file
  bool cannot_keep_ = false;
  std::map<std::string, FollowedFile::Time> not_taken_;  // paths; when their line is tried again

  // Written by the source's thread.
  std::atomic<std::uint64_t> lines_{0};
  std::atomic<std::uint64_t> events_{0};
  std::atomic<std::uint64_t> unmatched_{0};
  std::atomic<std::uint64_t> overlong_{0};
  std::atomic<std::uint64_t> repaired_{0};
  std::atomic<std::uint64_t> unconverted_{0};
  std::atomic<std::uint64_t> refused_{0};
  std::atomic<std::uint64_t> failing_{0};  // files, now
  std::atomic<std::uint64_t> waiting_{0};  // of which the bus did not take a line, now
};

}  // namespace

BUSWAY_PLUGIN(Tail)
