// The guard: watches logins and tells what looks wrong about them.
//
//   listens to  user.login, user.login_failed, user.logout    {user_id, address, session_id?}
//   answers     auth.sessions  {user_id} -> {user_id, sessions: [{session_id, address, since}]}
//   publishes   auth.suspicious  {user_id, address, reason, failures?}
//               run.summary      {logins, failures, suspicious, addresses, users, unusable?,
//                                 untimed?, forgotten?}
//
// README.md lists the configuration and the reasons.
#include <busway/plugin.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bounds.hpp"
#include "guard.hpp"
#include "sessions.hpp"
#include "settings.hpp"
#include "shared/rfc3339.hpp"

namespace {

using busway::Json;
using busway::PluginContext;
using busway::PluginEvent;
using busway::PluginPublishOptions;
using busway::Priority;
using namespace auth_guard;

/// A log that does not say its time zone may be read in another one, never more than a day away.
/// What is from later is from no clock.
constexpr std::chrono::hours kAheadMax(24);

/// A text, or a number as one: ids are written both ways.
std::string text_of(const Json& payload, const std::string& key) {
  if (!payload.is_object()) return {};
  const auto at = payload.find(key);
  if (at == payload.end()) return {};
  if (at->is_string()) return at->get<std::string>();
  return at->is_number_integer() ? at->dump() : std::string();
}

class AuthGuard : public busway::Plugin {
 private:
  void setup(const Json& config) override {
    settings_ = read_settings(config);
    guard_.emplace(settings_.rules);
    sessions_.emplace(settings_.sessions);
  }

  void start() override {
    // One subscription, so that logins and failures keep their order.
    subscribe({"user.login", "user.login_failed", "user.logout"},
              [this](const PluginEvent& event) { take(event); },
              {.name = "logins",
               .mode = Mode::async,
               .queue_capacity = settings_.queue,
               .overflow = Overflow::block,
               .block_timeout = std::chrono::hours(1),
               .timeout = settings_.timeout});
    subscribe("auth.sessions",
              [this](const PluginEvent& event, PluginContext& context) { answer(event, context); },
              {.name = "questions", .mode = Mode::async, .timeout = settings_.timeout});
  }

  void stop() override {
    Json summary{{"logins", logins_},
                 {"failures", failures_},
                 {"suspicious", suspicious_},
                 {"addresses", guard_->addresses()},
                 {"users", guard_->users()}};
    if (unusable_ > 0) summary["unusable"] = unusable_;
    if (untimed_ > 0) summary["untimed"] = untimed_;
    if (guard_->forgotten() > 0) summary["forgotten"] = guard_->forgotten();
    publish("run.summary", summary);
  }

  Json save_state() override {
    Json state{{"guard", guard_->save()}, {"sessions", sessions_->save()}};
    if (latest_) state["latest"] = latest_->time_since_epoch().count();
    return state;
  }
  void restore_state(std::uint32_t /*version*/, const Json& state) override {
    guard_->restore(state.at("guard"));
    sessions_->restore(state.at("sessions"));
    // Earlier builds did not save it.
    if (const auto latest = state.find("latest"); latest != state.end()) {
      latest_ = Time(std::chrono::nanoseconds(latest->get<std::int64_t>()));
    }
  }

  void take(const PluginEvent& event) {
    Json payload = event.is_json() ? event.json() : Json();
    Login login{.user_id = bounded_name(text_of(payload, "user_id")),
                .address = bounded_name(text_of(payload, "address")),
                .time = time_of(event, payload),
                .count = count_of(payload)};
    if (login.user_id.empty()) login.user_id = bounded_name(std::string(event.user_id()));
    if (login.user_id.empty() && login.address.empty()) {
      ++unusable_;
      return;
    }
    std::string session_id = bounded_name(text_of(payload, "session_id"));
    if (session_id.empty()) session_id = bounded_name(std::string(event.session_id()));

    if (event.topic() == "user.login_failed") {
      failures_ += login.count;
      tell(guard_->failed(login), session_id);
    } else if (event.topic() == "user.login") {
      ++logins_;
      if (!login.user_id.empty()) {
        sessions_->begin(login.user_id,
                         {.session_id = session_id, .address = login.address, .since = login.time});
      }
      tell(guard_->succeeded(login), session_id);
    } else if (!login.user_id.empty()) {
      sessions_->end(login.user_id, session_id, login.address);
    }
  }

  /// Where the event tells no time that can be one, it is of the time of those before it: what is
  /// read from a log may be of any time, and one of its lines is not of another than the rest.
  [[nodiscard]] Time time_of(const PluginEvent& event, const Json& payload) {
    std::optional<Time> time = event.time();
    if (!settings_.time_field.empty() && payload.is_object() &&
        payload.contains(settings_.time_field)) {
      time = shared::parse_rfc3339(text_of(payload, settings_.time_field));
    }
    if (time && can_be(*time)) {
      latest_ = std::max(latest_.value_or(*time), *time);
      return *time;
    }
    ++untimed_;
    return latest_.value_or(now_of(event));
  }

  [[nodiscard]] static bool can_be(Time time) {
    return time >= Time{} && time <= std::chrono::system_clock::now() + kAheadMax;
  }

  /// A publisher may stamp an event as it likes.
  [[nodiscard]] static Time now_of(const PluginEvent& event) {
    return can_be(event.time()) ? event.time() : Time(std::chrono::system_clock::now());
  }

  [[nodiscard]] std::uint64_t count_of(const Json& payload) const {
    if (settings_.count_field.empty() || !payload.is_object()) return 1;
    const auto at = payload.find(settings_.count_field);
    if (at == payload.end() || !at->is_number_unsigned()) return 1;
    return std::clamp<std::uint64_t>(at->get<std::uint64_t>(), 1, 1'000'000);
  }

  /// Publishing may take longer than a handler has: nothing of the guard is touched after it.
  void tell(const std::vector<Finding>& findings, const std::string& session_id) {
    suspicious_ += findings.size();
    for (const Finding& finding : findings) {
      Json payload{
          {"user_id", finding.user_id}, {"address", finding.address}, {"reason", finding.reason}};
      if (finding.failures > 0) payload["failures"] = finding.failures;
      publish("auth.suspicious", payload,
              PluginPublishOptions{.priority = Priority::high,
                                   .key = finding.address,
                                   .user_id = finding.user_id,
                                   .session_id = session_id});
    }
  }

  void answer(const PluginEvent& event, PluginContext& context) {
    const std::string user_id = bounded_name(event.is_json() ? text_of(event.json(), "user_id")
                                                             : std::string(event.user_id()));
    Json list = Json::array();
    // Whoever asks may stamp the question as he likes, and logins that are read from a log are of
    // another time.
    const Time clock = std::chrono::system_clock::now();
    const Time now = settings_.time_field.empty() ? clock : latest_.value_or(clock);
    for (const Session& one : sessions_->of(user_id, now)) {
      list.push_back({{"session_id", one.session_id},
                      {"address", one.address},
                      {"since", shared::format_rfc3339(one.since)}});
    }
    context.reply({{"user_id", user_id}, {"sessions", std::move(list)}});
  }

  Settings settings_;
  std::optional<Guard> guard_;
  std::optional<Sessions> sessions_;
  std::optional<Time> latest_;  // of all logins
  std::uint64_t logins_ = 0;
  std::uint64_t failures_ = 0;
  std::uint64_t suspicious_ = 0;
  std::uint64_t unusable_ = 0;
  std::uint64_t untimed_ = 0;  // of which the time was not believed
};

}  // namespace

BUSWAY_PLUGIN(AuthGuard)
