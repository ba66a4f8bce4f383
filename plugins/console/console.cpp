// The console: turns chat lines into events, and events into lines on the screen.
//
//   publishes   chat.message  {name, text, time?}   what somebody said
//               chat.notice   {text}                any other line
//   shows       what comes under its `patterns`, chat.reply by default
//
// A line that was cut carries cut_bytes beside its text. README.md lists the configuration.
#include <unistd.h>
#include <busway/plugin.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "chat_line.hpp"
#include "display.hpp"
#include "input.hpp"
#include "line_reader.hpp"
#include "settings.hpp"
#include "shared/repair_text.hpp"
#include "shared/secrets.hpp"

namespace {

using busway::Json;
using busway::PluginError;
using busway::PluginEvent;
using namespace console;

class Console : public busway::Plugin {
 private:
  void setup(const Json& config) override {
    settings_ = read_settings(config);
    secrets_ = shared::Secrets(settings_.secret_keys);
    input_.emplace(settings_.input);
    typed_ = input_->kind() == Input::Kind::terminal;
    if (!settings_.sample.empty()) sample_.emplace(settings_.sample);
  }

  void start() override {
    const bool on_screen = typed_ && ::isatty(STDOUT_FILENO) == 1;
    display_.emplace(on_screen ? Prompt::shown : Prompt::none);
    show(settings_.patterns);
    run_source([this](const std::stop_token& stop) { read_all(stop); });
  }

  void stop() override {
    display_->end();
    const std::uint64_t messages = messages_;
    const std::uint64_t notices = notices_;
    Json summary{{"lines", messages + notices}, {"messages", messages}, {"notices", notices}};
    if (overlong_ > 0) summary["overlong"] = overlong_.load();
    if (repaired_ > 0) summary["repaired"] = repaired_.load();
    publish("run.summary", summary);
  }

  // -- Lines in, on the source's thread ---------------------------------------------------------

  void read_all(const std::stop_token& stop) {
    const bool sample_may_stand_in =
        sample_.has_value() && settings_.input == "-" &&
        (input_->kind() == Input::Kind::stream || input_->kind() == Input::Kind::closed);
    if (input_->kind() == Input::Kind::closed && !sample_may_stand_in) {
      throw std::runtime_error("standard input is closed");
    }
    if (input_->kind() != Input::Kind::closed && read_lines(input_->fd(), stop)) return;
    if (stop.stop_requested() || !sample_may_stand_in) return;

    // Nobody sees the sample's lines go in, so they are shown among the answers.
    std::vector<std::string> patterns = settings_.patterns;
    patterns.insert(patterns.end(), {"chat.message", "chat.notice"});
    unsubscribe(shown_);
    show(patterns);
    (void)read_lines(sample_->fd(), stop);
  }

  /// Whether there was a line.
  bool read_lines(int fd, const std::stop_token& stop) {
    LineReader reader(fd, settings_.line_bytes_max, stop);
    bool any = false;
    display_->ask();
    while (const std::optional<shared::Line> line = reader.next()) {
      any = true;
      if (!take(*line)) break;
      display_->ask();
    }
    return any;
  }

  /// Makes an event of a line; every line is one. False when the bus has stopped.
  bool take(const shared::Line& line) {
    const std::string text = shared::repair_text(line.text);
    if (text != line.text) ++repaired_;
    if (line.cut_bytes > 0) ++overlong_;

    std::optional<ChatLine> said = parse_chat_line(text);
    if (!said && typed_ && !text.empty()) said = ChatLine{.name = settings_.name, .text = text};
    Json payload{{"text", said ? said->text : std::string_view(text)}};
    if (said) payload["name"] = said->name;
    if (said && !said->time.empty()) payload["time"] = said->time;
    if (line.cut_bytes > 0) payload["cut_bytes"] = line.cut_bytes;
    ++(said ? messages_ : notices_);
    return announce(said ? "chat.message" : "chat.notice", payload);
  }

  bool announce(std::string_view topic, const Json& payload) {
    try {
      publish(topic, payload);
    } catch (const PluginError& error) {
      if (error.status() == BUSWAY_STOPPED) return false;
      // A filter may want it so; all else is a fault, but not of the lines to come.
      if (error.status() != BUSWAY_FILTERED) report_error(error.what());
    }
    return true;
  }

  // -- Events out, on the plugin's worker -------------------------------------------------------

  /// Who answers faster than the screen takes it waits: nothing that was said is dropped.
  void show(const std::vector<std::string>& patterns) {
    shown_ =
        subscribe(patterns, [this](const PluginEvent& event) { display_->show(line_of(event)); },
                  {.name = "screen",
                   .mode = Mode::async,
                   .overflow = Overflow::block,
                   .block_timeout = std::chrono::hours(1)});
  }

  [[nodiscard]] std::string line_of(const PluginEvent& event) const {
    const std::string source(event.source());
    if (!event.is_json() || !event.json().is_object() || !event.json().contains("text") ||
        !event.json().at("text").is_string()) {
      return "[" + source + "] " + std::string(event.topic()) + " " +
             (event.is_json() ? payload_of(event) : std::string(event.content_type()));
    }
    const Json& payload = event.json();
    const auto text = payload.at("text").get<std::string>();
    if (payload.contains("name") && payload.at("name").is_string()) {
      return payload.at("name").get<std::string>() + ": " + text;
    }
    return event.source() == plugin_id() ? text : "[" + source + "] " + text;
  }

  /// The payload as it came, unless it holds secrets.
  [[nodiscard]] std::string payload_of(const PluginEvent& event) const {
    Json payload = event.json();
    return secrets_.mask(payload) ? payload.dump() : std::string(event.bytes());
  }

  Settings settings_;
  shared::Secrets secrets_;
  std::optional<Input> input_;
  std::optional<Input> sample_;
  std::optional<Display> display_;
  bool typed_ = false;  // somebody sits there
  SubscriptionId shown_ = 0;

  // Written by the source's thread.
  std::atomic<std::uint64_t> messages_{0};
  std::atomic<std::uint64_t> notices_{0};
  std::atomic<std::uint64_t> overlong_{0};
  std::atomic<std::uint64_t> repaired_{0};
};

}  // namespace

BUSWAY_PLUGIN(Console)
