#include "phase_book.hpp"

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <utility>

namespace quality_monitor {
namespace {

using nlohmann::json;

Announcement announcement(const std::string& phase, Change change, const Totals& totals,
                          const Limits& limits) {
  return {.phase = phase,
          .change = std::move(change),
          .failures = totals.failures,
          .success_rate = totals.success_rate(),
          .duration_ms = totals.durations_ms.quantile(limits.duration_quantile)};
}

json describe_phase(const std::string& name, const Totals& totals, const Alerts& alerts,
                    std::uint64_t spared) {
  json out{{"phase_name", name},
           {"successes", totals.successes},
           {"failures", totals.failures},
           {"success_rate", totals.success_rate()},
           {"cached", spared},
           {"alerts", alerts.save()}};
  const shared::QuantileSketch& durations = totals.durations_ms;
  if (durations.count() > 0) {
    out["duration_ms"] = {{"count", durations.count()},
                          {"mean", durations.mean()},
                          {"min", durations.min()},
                          {"p50", durations.quantile(0.5)},
                          {"p95", durations.quantile(0.95)},
                          {"max", durations.max()},
                          {"relative_error", durations.relative_error()}};
  }
  return out;
}

}  // namespace

std::vector<Announcement> PhaseBook::count(const std::string& name, Ended how, double duration_ms,
                                           WallTime now) {
  std::vector<Announcement> out;
  Phase& phase = phase_of(name, now, out);
  phase.window.add(now, how, duration_ms);
  judge(name, phase, out);
  return out;
}

void PhaseBook::count_spared(const std::string& name, WallTime now) {
  // Nothing was executed: a phase that is not watched is not worth a place.
  const auto found = phases_.find(name);
  if (found == phases_.end()) return;
  ++found->second.spared;
  found->second.last = now;
}

std::vector<Announcement> PhaseBook::review(WallTime now) {
  std::vector<Announcement> out;
  for (auto place = phases_.begin(); place != phases_.end();) {
    auto& [name, phase] = *place;
    phase.window.advance(now);
    judge(name, phase, out);
    place = phase.window.empty() ? phases_.erase(place) : std::next(place);
  }
  return out;
}

std::optional<WallTime> PhaseBook::next() const {
  std::optional<WallTime> first;
  for (const auto& [name, phase] : phases_) {
    const std::optional<WallTime> one = phase.window.next();
    if (one && (!first || *one < *first)) first = one;
  }
  return first;
}

PhaseBook::Phase& PhaseBook::phase_of(const std::string& name, WallTime now,
                                      std::vector<Announcement>& out) {
  if (!phases_.contains(name) && phases_.size() >= settings_->phases_max) let_go_of_quietest(out);
  Phase& phase = phases_.try_emplace(name, settings_->window).first->second;
  phase.last = now;
  return phase;
}

void PhaseBook::judge(const std::string& name, Phase& phase, std::vector<Announcement>& out) const {
  // Durations take the longest to add up, and mostly nobody asks for them.
  const Limits& limits = settings_->limits_of(name);
  const Totals found = limits.duration_ms_max ? phase.window.totals() : phase.window.counts();
  std::vector<Change> changes = phase.alerts.judge(found, limits, settings_->window);
  if (changes.empty()) return;
  const Totals all = phase.window.totals();
  for (Change& change : changes) {
    out.push_back(announcement(name, std::move(change), all, limits));
  }
}

void PhaseBook::let_go_of_quietest(std::vector<Announcement>& out) {
  const auto quietest =
      std::min_element(phases_.begin(), phases_.end(),
                       [](const auto& a, const auto& b) { return a.second.last < b.second.last; });
  const Totals totals = quietest->second.window.totals();
  const Limits& limits = settings_->limits_of(quietest->first);
  for (const Rule rule : kRules) {
    if (!quietest->second.alerts.broken(rule)) continue;
    Change change{.rule = rule, .kind = Change::Kind::kept_again};
    change.reason = "the phase is no longer watched, for there are more than " +
                    std::to_string(settings_->phases_max);
    out.push_back(announcement(quietest->first, std::move(change), totals, limits));
  }
  phases_.erase(quietest);
}

json PhaseBook::describe(WallTime now, const std::optional<std::string>& wanted) {
  json out = json::array();
  for (auto& [name, phase] : phases_) {
    if (wanted && *wanted != name) continue;
    phase.window.advance(now);
    out.push_back(describe_phase(name, phase.window.totals(), phase.alerts, phase.spared));
  }
  return out;
}

json PhaseBook::save(std::size_t bytes_max) const {
  std::vector<const std::pair<const std::string, Phase>*> by_age;
  for (const auto& entry : phases_) by_age.push_back(&entry);
  std::stable_sort(by_age.begin(), by_age.end(),
                   [](const auto* a, const auto* b) { return a->second.last > b->second.last; });
  json out = json::array();
  std::size_t bytes = 0;
  for (const auto* entry : by_age) {
    const Phase& phase = entry->second;
    json one{{"phase_name", entry->first},
             {"window", phase.window.save()},
             {"alerts", phase.alerts.save()},
             {"cached", phase.spared},
             {"last", phase.last.time_since_epoch().count()}};
    bytes += one.dump().size();
    if (bytes > bytes_max) break;
    out.push_back(std::move(one));
  }
  return out;
}

void PhaseBook::load(const json& saved) {
  std::map<std::string, Phase> phases;
  for (const json& one : saved) {
    Phase phase(settings_->window);
    phase.window.load(one.at("window"));
    phase.alerts.load(one.at("alerts"));
    phase.spared = one.at("cached").get<std::uint64_t>();
    phase.last = WallTime(std::chrono::nanoseconds(one.at("last").get<std::int64_t>()));
    phases.insert_or_assign(one.at("phase_name").get<std::string>(), std::move(phase));
  }
  phases_ = std::move(phases);
}

}  // namespace quality_monitor
