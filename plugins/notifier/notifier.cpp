// The notifier: tells people what went wrong, few times and in time.
//
//   hears       quality.alert, system.error, plugin.error, phase.final_failure, chain.failed, and
//               what is configured
//   tells       the log, and a command's standard input: one JSON object a line a notice
//   answers     notifier.stats {}
//
// Its own faults are plugin.error like any other's, but it does not notify about them. README.md
// lists the configuration and the fields.
#include <busway/plugin.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "notice.hpp"
#include "notice_groups.hpp"
#include "sender.hpp"
#include "settings.hpp"
#include "shared/announcing_plugin.hpp"
#include "shared/timeline.hpp"

namespace {

using busway::Json;
using busway::LogLevel;
using busway::PluginContext;
using busway::PluginEvent;
using busway::PluginHealth;
using namespace notifier;

class Notifier : public busway::Plugin {
 private:
  void setup(const Json& config) override {
    settings_ = read_settings(config);
    secrets_ = shared::Secrets(settings_.secret_keys);
    groups_ = NoticeGroups(settings_.groups);
  }

  void start() override {
    if (!settings_.command.empty()) {
      sender_.emplace(
          settings_.command, settings_.command_timeout,
          [this](const std::string& fault) { report_error(fault); },
          [this](const std::string& words) { log(LogLevel::info, words); });
    }
    subscribe(settings_.patterns, &Notifier::on_event, {.name = "told"});
    subscribe("notifier.stats", &Notifier::on_stats, {.name = "statistics"});
    wake();
  }

  void on_event(const PluginEvent& event) {
    if (is_own(event)) return;
    state_is_handed_over_ = false;
    const WallTime now = timeline_.hear(event.time());
    ++heard_;
    const Told told{.topic = event.topic(),
                    .source = event.source(),
                    .payload = event.is_json() ? &event.json() : nullptr,
                    .payload_bytes = event.bytes().size()};
    groups_.add(notice_of(told, now, secrets_), now);
    wake();
  }

  /// Of a fault of its own it would tell for ever.
  [[nodiscard]] bool is_own(const PluginEvent& event) const {
    if (event.source() == plugin_id()) return true;
    if (!event.topic().starts_with("plugin.") || !event.is_json()) return false;
    const Json& payload = event.json();
    return payload.is_object() && payload.value("plugin_name", Json()) == plugin_id();
  }

  /// Sets a timer for the next thing to do, if there is none as early.
  void wake() {
    const std::optional<WallTime> next = groups_.next();
    if (!next || (wakes_at_ && *wakes_at_ <= *next)) return;
    if (wakes_at_) cancel(timer_);
    wakes_at_ = next;
    const auto delay = std::max(*next - timeline_.now(), std::chrono::nanoseconds(0));
    timer_ = after(delay, [this, due = *next] {
      wakes_at_.reset();
      state_is_handed_over_ = false;
      tell(groups_.take_due(timeline_.hear(due)));
      wake();
    });
  }

  void tell(const std::vector<Notice>& notices) {
    for (const Notice& notice : notices) {
      ++told_;
      log(LogLevel::warning, "notice: " + line_of(notice));
      if (!sender_) continue;
      sender_->send(to_json(notice).dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
    }
  }

  void on_stats(const PluginEvent&, PluginContext& context) {
    Json stats{{"events", heard_}, {"notices", told_}, {"kinds", groups_.kinds()}};
    if (sender_) {
      const Sender::State command = sender_->state();
      stats["command"] = {{"runs", command.runs},
                          {"faults", command.faults},
                          {"dropped", command.dropped},
                          {"fault", command.fault}};
    }
    context.reply(stats);
  }

  PluginHealth health() override {
    if (!sender_) return PluginHealth::ok();
    const std::string fault = sender_->state().fault;
    return fault.empty() ? PluginHealth::ok() : PluginHealth::degraded(fault);
  }

  void stop() override {
    wakes_at_.reset();
    // What a new build has been given to tell, it tells.
    if (!state_is_handed_over_) tell(groups_.take_all());
    if (sender_) sender_->finish(2 * settings_.command_timeout);
    sender_.reset();
  }

  Json save_state() override {
    state_is_handed_over_ = true;
    return {{"now", timeline_.now().time_since_epoch().count()},
            {"events", heard_},
            {"notices", told_},
            {"groups", groups_.save()}};
  }

  void restore_state(std::uint32_t version, const Json& state) override {
    shared::require_version(version, 1);
    timeline_.hear(WallTime(std::chrono::nanoseconds(state.at("now").get<std::int64_t>())));
    heard_ = state.at("events").get<std::uint64_t>();
    told_ = state.at("notices").get<std::uint64_t>();
    groups_.load(state.at("groups"));
  }

  Settings settings_;
  shared::Secrets secrets_;
  NoticeGroups groups_;
  std::optional<Sender> sender_;
  shared::Timeline timeline_;
  std::optional<WallTime> wakes_at_;  // when the timer runs
  TimerId timer_ = 0;
  std::uint64_t heard_ = 0;
  std::uint64_t told_ = 0;
  bool state_is_handed_over_ = false;  // and nothing has come since
};

}  // namespace

BUSWAY_PLUGIN(Notifier)
