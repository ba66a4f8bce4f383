// The guard: watches logins and tells what looks wrong about them.
//
//   listens to  user.login, user.login_failed, user.logout    {user_id, address, session_id?}
//   answers     auth.sessions  {user_id} -> {user_id, sessions: [{session_id, address, since}]}
//   publishes   auth.suspicious  {user_id, address, reason, failures?}
//               run.summary      {logins, failures, suspicious, addresses, users, unusable?,
//                                 untimed?, forgotten?, unsent?}
//
// README.md lists the configuration and the reasons.
#include <busway/plugin.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bounds.hpp"
#include "guard.hpp"
#include "sessions.hpp"
#include "settings.hpp"
#include "shared/announcing_plugin.hpp"
#include "shared/rfc3339.hpp"

namespace {

using busway::Json;
using busway::LogLevel;
using busway::PluginContext;
using busway::PluginError;
using busway::PluginEvent;
using busway::PluginHealth;
using busway::PluginPublishOptions;
using busway::Priority;
using namespace auth_guard;

/// A log that does not say its time zone may be read in another one, never more than a day away.
/// What is from later is from no clock.
constexpr std::chrono::hours kAheadMax(24);

/// Events about which something was told last, of which another attempt counts nothing again.
constexpr std::size_t kToldMax = 1024;
/// Alerts that were not published yet; the oldest one has to go when there are more.
constexpr std::size_t kOutboxMax = 1000;
constexpr std::chrono::seconds kSendAgainAfter(1);

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
    run_ = {.forgotten_before = guard_->forgotten()};
    {
      const std::lock_guard lock(outbox_mutex_);
      outbox_ = {};
    }
    // One subscription, so that logins and failures keep their order.
    subscribe({"user.login", "user.login_failed", "user.logout"},
              [this](const PluginEvent& event, PluginContext& context) { take(event, context); },
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
    const std::size_t unsent = send_what_can_be_sent();
    Json summary{{"logins", run_.logins},
                 {"failures", run_.failures},
                 {"suspicious", run_.suspicious},
                 {"addresses", guard_->addresses()},
                 {"users", guard_->users()}};
    const std::uint64_t forgotten = guard_->forgotten() - run_.forgotten_before;
    for (const auto& [key, count] :
         {std::pair<const char*, std::uint64_t>{"unusable", run_.unusable},
          {"untimed", run_.untimed},
          {"forgotten", forgotten},
          {"unsent", unsent}}) {
      if (count > 0) summary[key] = count;
    }
    publish("run.summary", summary);
  }

  PluginHealth health() override {
    const std::lock_guard lock(outbox_mutex_);
    if (outbox_.alerts.empty()) return PluginHealth::ok();
    return PluginHealth::degraded(std::to_string(outbox_.alerts.size()) +
                                  " alerts wait to be published: " + outbox_.fault);
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

  void take(const PluginEvent& event, const PluginContext& context) {
    // An attempt that took too long was left behind while it told what it had found.
    if (context.attempt() > 1 && std::find(told_.begin(), told_.end(), event.id()) != told_.end()) {
      return;
    }
    Json payload = event.is_json() ? event.json() : Json();
    Login login{.user_id = bounded_name(text_of(payload, "user_id")),
                .address = bounded_name(text_of(payload, "address")),
                .time = time_of(event, payload),
                .count = count_of(payload)};
    if (login.user_id.empty()) login.user_id = bounded_name(std::string(event.user_id()));
    if (login.user_id.empty() && login.address.empty()) {
      ++run_.unusable;
      return;
    }
    std::string session_id = bounded_name(text_of(payload, "session_id"));
    if (session_id.empty()) session_id = bounded_name(std::string(event.session_id()));

    if (event.topic() == "user.login_failed") {
      run_.failures += login.count;
      tell(guard_->failed(login), session_id, event);
    } else if (event.topic() == "user.login") {
      ++run_.logins;
      if (!login.user_id.empty()) {
        sessions_->begin(login.user_id,
                         {.session_id = session_id, .address = login.address, .since = login.time});
      }
      tell(guard_->succeeded(login), session_id, event);
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
      // One that lies further ahead of those that come than they are out of order was wrong.
      const bool was_ahead = latest_ && *time < *latest_ - settings_.rules.window;
      latest_ = was_ahead ? *time : std::max(latest_.value_or(*time), *time);
      return *time;
    }
    ++run_.untimed;
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

  /// Publishing may take longer than a handler has: nothing of the guard is touched after it. What
  /// cannot be published fails no delivery: what was counted would be counted again.
  void tell(const std::vector<Finding>& findings, const std::string& session_id,
            const PluginEvent& event) {
    if (findings.empty()) return;
    run_.suspicious += findings.size();
    told_.push_back(event.id());
    if (told_.size() > kToldMax) told_.pop_front();
    for (const Finding& finding : findings) {
      Json payload{
          {"user_id", finding.user_id}, {"address", finding.address}, {"reason", finding.reason}};
      if (finding.failures > 0) payload["failures"] = finding.failures;
      send({.payload = std::move(payload),
            .user_id = finding.user_id,
            .address = finding.address,
            .session_id = session_id});
    }
  }

  // -- Alerts. On the worker, or on a thread that was left behind.

  struct Alert {
    Json payload;
    std::string user_id;
    std::string address;
    std::string session_id;
  };

  void send(Alert alert) {
    {
      const std::lock_guard lock(outbox_mutex_);
      if (!outbox_.alerts.empty()) return keep(std::move(alert));  // in their order
    }
    if (const std::optional<std::string> fault = try_to_publish(alert)) {
      log(LogLevel::error,
          "auth.suspicious could not be published and is tried again each second: " + *fault);
      const std::lock_guard lock(outbox_mutex_);
      outbox_.fault = *fault;
      keep(std::move(alert));
    }
  }

  /// Why it is to be tried again.
  [[nodiscard]] std::optional<std::string> try_to_publish(const Alert& alert) {
    try {
      publish("auth.suspicious", alert.payload,
              PluginPublishOptions{.priority = Priority::high,
                                   .key = alert.address,
                                   .user_id = alert.user_id,
                                   .session_id = alert.session_id});
    } catch (const PluginError& error) {
      const busway_status status = error.status();
      if (status != BUSWAY_STOPPED && !shared::is_refused_for_good(status)) return error.what();
      if (status != BUSWAY_STOPPED && status != BUSWAY_FILTERED) report_error(error.what());
    }
    return std::nullopt;
  }

  /// outbox_mutex_ is held.
  void keep(Alert alert) {
    if (outbox_.alerts.size() == kOutboxMax) {
      outbox_.alerts.pop_front();
      ++outbox_.lost;
    }
    outbox_.alerts.push_back(std::move(alert));
    send_again_later();
  }

  /// outbox_mutex_ is held.
  void send_again_later() {
    if (outbox_.is_timed) return;
    try {
      after(kSendAgainAfter, [this] { send_again(); });
      outbox_.is_timed = true;
    } catch (const PluginError&) {
      // It is being stopped, which sends them.
    }
  }

  void send_again() {
    send_until_one_fails();
    const std::lock_guard lock(outbox_mutex_);
    outbox_.is_timed = false;
    if (!outbox_.alerts.empty()) send_again_later();
  }

  /// On the worker, which alone takes any out.
  void send_until_one_fails() {
    for (;;) {
      Alert alert;
      {
        const std::lock_guard lock(outbox_mutex_);
        if (outbox_.alerts.empty()) return;
        alert = outbox_.alerts.front();
      }
      const std::optional<std::string> fault = try_to_publish(alert);
      const std::lock_guard lock(outbox_mutex_);
      if (fault) {
        outbox_.fault = *fault;
        return;
      }
      outbox_.alerts.pop_front();
    }
  }

  /// How many were not published, which is told.
  [[nodiscard]] std::size_t send_what_can_be_sent() {
    send_until_one_fails();
    std::size_t unsent = 0;
    std::string fault;
    {
      const std::lock_guard lock(outbox_mutex_);
      unsent = outbox_.alerts.size() + outbox_.lost;
      fault = outbox_.fault;
      outbox_ = {};
    }
    if (unsent > 0) {
      report_error(std::to_string(unsent) + " alerts auth.suspicious were not published: " + fault);
    }
    return unsent;
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
  std::optional<Time> latest_;    // of all logins
  std::deque<std::string> told_;  // ids of events

  /// From one start() to the next.
  struct Run {
    std::uint64_t logins = 0;
    std::uint64_t failures = 0;
    std::uint64_t suspicious = 0;
    std::uint64_t unusable = 0;
    std::uint64_t untimed = 0;  // of which the time was not believed
    std::uint64_t forgotten_before = 0;
  };
  Run run_;

  struct Outbox {
    std::deque<Alert> alerts{};  // oldest first
    std::string fault{};         // why they are here
    std::uint64_t lost = 0;      // for want of room
    bool is_timed = false;
  };
  std::mutex outbox_mutex_;  // guards what follows
  Outbox outbox_;
};

}  // namespace

BUSWAY_PLUGIN(AuthGuard)
