// The quality monitor: says when a phase fails or lags more than it should, and when no longer.
//
//   hears       phase.completed, phase.failed   PhaseEventData
//   publishes   quality.alert, quality.recovered   QualityAlert; metadata {rule, value, limit}
//   answers     quality.query   {phase_name?}
//
// README.md lists the configuration and the fields.
#include <busway/plugin.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "phase_book.hpp"
#include "settings.hpp"
#include "shared/announcing_plugin.hpp"
#include "shared/answering.hpp"
#include "shared/timeline.hpp"

namespace {

using busway::Json;
using busway::Outcome;
using busway::PluginContext;
using busway::PluginEvent;
using namespace quality_monitor;

/// A state may have 64 MiB.
constexpr std::size_t kStateBytesMax = 32U << 20U;

/// All phases fit into one answer.
constexpr std::size_t kNameBytesMax = 255;

class QualityMonitor : public shared::AnnouncingPlugin {
 private:
  void setup(const Json& config) override { settings_ = read_settings(config); }

  void start() override {
    subscribe({"phase.completed", "phase.failed"}, &QualityMonitor::on_ended, {.name = "phases"});
    subscribe("quality.query", &QualityMonitor::on_query, {.name = "queries"});
    look_later();
  }

  /// What cannot be read will not be readable when it is tried again.
  Outcome on_ended(const PluginEvent& event) {
    const WallTime now = timeline_.hear(event.time());
    const std::string topic(event.topic());
    try {
      const Json& payload = event.json();
      const auto name = payload.at("phase_name").get<std::string>();
      if (name.empty() || name.size() > kNameBytesMax) {
        return Outcome::dead_letter(topic + " has a phase_name of " + std::to_string(name.size()) +
                                    " bytes; it has 1 to " + std::to_string(kNameBytesMax));
      }
      if (is_spared(payload)) {
        book_.count_spared(name, now);
        return Outcome::done();
      }
      const Ended how = topic == "phase.completed" ? Ended::well : Ended::badly;
      tell(book_.count(name, how, payload.value("duration_ms", 0.0), now));
    } catch (const std::exception& error) {
      return Outcome::dead_letter(topic + " cannot be read: " + error.what());
    }
    look_later();
    return Outcome::done();
  }

  /// Whether a cache has taken the place of the execution.
  [[nodiscard]] static bool is_spared(const Json& payload) {
    const auto metadata = payload.find("metadata");
    return metadata != payload.end() && metadata->is_object() &&
           metadata->value("cached", Json()) == true;
  }

  void on_query(const PluginEvent& event, PluginContext& context) {
    shared::answer(context, [&]() -> Json {
      const WallTime now = timeline_.hear(event.time());
      const auto phase = shared::text_in(shared::question_of(event), "phase_name");
      return {{"window_ms", settings_.window.count()}, {"phases", book_.describe(now, phase)}};
    });
  }

  void tell(const std::vector<Announcement>& announcements) {
    for (const Announcement& one : announcements) {
      const bool begins = one.change.kind == Change::Kind::broken;
      const Json payload{{"phase_name", one.phase},
                         {"failure_count", one.failures},
                         {"success_rate", one.success_rate},
                         {"duration_ms", one.duration_ms},
                         {"reason", one.change.reason}};
      const Json metadata{{"rule", to_string(one.change.rule)},
                          {"value", one.change.value},
                          {"limit", one.change.limit}};
      announce(begins ? "quality.alert" : "quality.recovered", payload, {.metadata = metadata});
    }
  }

  /// What is in a window leaves it without any event.
  void look_later() {
    const std::optional<WallTime> due = book_.next();
    if (looking_ || !due) return;
    looking_ = true;
    const auto delay = std::max(*due - timeline_.now(), std::chrono::nanoseconds(0));
    after(delay, [this, moment = *due] {
      looking_ = false;
      tell(book_.review(timeline_.hear(moment)));
      look_later();
    });
  }

  void stop() override { looking_ = false; }

  Json save_state() override {
    return {{"now", timeline_.now().time_since_epoch().count()},
            {"phases", book_.save(kStateBytesMax)}};
  }

  void restore_state(std::uint32_t version, const Json& state) override {
    shared::require_version(version, 1);
    timeline_.hear(WallTime(std::chrono::nanoseconds(state.at("now").get<std::int64_t>())));
    book_.load(state.at("phases"));
  }

  Settings settings_;
  PhaseBook book_{settings_};
  shared::Timeline timeline_;
  bool looking_ = false;
};

}  // namespace

BUSWAY_PLUGIN(QualityMonitor)
