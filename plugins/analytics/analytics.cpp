// Analytics: how often what is published, and how the numbers in it are distributed.
//
//   hears       `topics`, and the patterns of `fields`; plugin.executed and plugin_executed
//   publishes   analytics.report       when a bucket is over
//   answers     analytics.query        {topic?, buckets?}
//               analytics.executions   {plugin?, user?, limit?}
//
// README.md lists the configuration and the fields.
#include <busway/plugin.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <optional>
#include <string>
#include <utility>

#include "bucket.hpp"
#include "executions.hpp"
#include "settings.hpp"
#include "shared/announcing_plugin.hpp"
#include "shared/answering.hpp"

namespace {

using busway::Json;
using busway::Outcome;
using busway::PluginContext;
using busway::PluginEvent;
using namespace analytics;

/// An event may be as late as this; one that is older comes of a clock that was set back.
constexpr std::chrono::nanoseconds kLateMax = std::chrono::minutes(1);

constexpr std::size_t kReplyBytesMax = 512 * 1024;                   // an event may have 1 MiB
constexpr std::size_t kOverBytesMax = std::size_t{16} << 20U;        // of buckets that are over
constexpr std::size_t kExecutionsBytesMax = std::size_t{16} << 20U;  // of single ones, in a state
constexpr std::size_t kNameBytesMax = 256;                           // of a plugin or a user
constexpr std::size_t kExecutionsShownMax = 1'000;

class Analytics : public shared::AnnouncingPlugin {
 private:
  void setup(const Json& config) override {
    settings_ = read_settings(config);
    executions_ = Executions(settings_.executions_max);
  }

  void start() override {
    subscribe(settings_.topics, &Analytics::on_counted, {.name = "counts"});
    for (const MeasuredField& field : settings_.fields) {
      subscribe(field.patterns, [this, &field](const PluginEvent& event) { measure(field, event); },
                {.name = field.name});
    }
    subscribe({"plugin.executed", "plugin_executed"}, &Analytics::on_executed,
              {.name = "executions"});
    subscribe("analytics.query", &Analytics::on_query, {.name = "queries"});
    subscribe("analytics.executions", &Analytics::on_executions, {.name = "execution queries"});
    if (open_) close_at(open_->to() - heard_);  // one that was restored
  }

  // -- Counting ---------------------------------------------------------------------------------

  void on_counted(const PluginEvent& event) {
    if (event.source() != plugin_id()) bucket_of(event).count(event.topic());
  }

  void measure(const MeasuredField& field, const PluginEvent& event) {
    if (event.source() == plugin_id()) return;
    const Json* value = event.is_json() ? field.find(event.json()) : nullptr;
    bucket_of(event).measure(field.name, event.topic(), value);
  }

  /// One that comes late counts as of now: a bucket that is over has been told, and only once.
  Bucket& bucket_of(const PluginEvent& event) {
    state_is_handed_over_ = false;
    if (open_ && event.time() >= open_->to()) close();
    heard_ = open_ ? std::max(heard_, event.time()) : event.time();
    if (!open_) {
      const std::chrono::nanoseconds length = settings_.bucket;
      const bool late =
          event.time() < told_until_ && event.time() >= told_until_ - std::max(length, kLateMax);
      const WallTime at = late ? told_until_ : event.time();
      const WallTime from = at - at.time_since_epoch() % length;
      open_.emplace(from, from + length, settings_.limits);
      close_at(open_->to() - event.time());
    }
    return *open_;
  }

  void close_at(std::chrono::nanoseconds delay) {
    timer_ = after(delay, [this] {
      timer_.reset();
      close();
    });
  }

  enum class Over { in_time, before_its_time };

  void close(Over how = Over::in_time) {
    if (timer_) cancel(*std::exchange(timer_, std::nullopt));
    if (!open_) return;
    Json report = open_->describe(settings_.quantiles);
    if (how == Over::before_its_time) {
      report["partial"] = true;
    } else {
      told_until_ = open_->to();
    }
    open_.reset();
    keep(report.dump(), Place::newest);
    announce("analytics.report", report);
  }

  enum class Place { newest, oldest };

  void keep(std::string report, Place place) {
    over_bytes_ += report.size();
    if (place == Place::newest) {
      over_.push_front(std::move(report));
    } else {
      over_.push_back(std::move(report));
    }
    while (over_.size() > settings_.keep || over_bytes_ > kOverBytesMax) {
      over_bytes_ -= over_.back().size();
      over_.pop_back();
    }
  }

  Outcome on_executed(const PluginEvent& event) {
    state_is_handed_over_ = false;
    const std::string topic(event.topic());
    try {
      const Json& payload = event.json();
      Execution execution{.plugin = payload.at("plugin").get<std::string>(), .at = event.time()};
      if (const auto user = payload.find("user"); user != payload.end() && !user->is_null()) {
        execution.user = user->is_string() ? user->get<std::string>() : user->dump();
      }
      const bool in_ms = payload.contains("execution_time_ms");
      execution.time_ms = payload.at(in_ms ? "execution_time_ms" : "execution_time").get<double>();
      if (execution.plugin.size() > kNameBytesMax || execution.user.size() > kNameBytesMax) {
        return Outcome::dead_letter(topic + ": a plugin or user of more than " +
                                    std::to_string(kNameBytesMax) + " bytes");
      }
      executions_.add(std::move(execution));
    } catch (const std::exception& error) {
      return Outcome::dead_letter(topic + " cannot be read: " + error.what());
    }
    return Outcome::done();
  }

  // -- Answering --------------------------------------------------------------------------------

  void on_query(const PluginEvent& event, PluginContext& context) {
    shared::answer(context, [&] { return answer(shared::question_of(event)); });
  }

  [[nodiscard]] Json answer(const Json& question) const {
    const auto topic = shared::text_in(question, "topic");
    const std::size_t wanted = shared::count_in(question, "buckets").value_or(settings_.keep);
    Json answer{{"bucket_ms", settings_.bucket.count()},
                {"open", open_ ? of_topic(open_->describe(settings_.quantiles), topic) : Json()},
                {"over", Json::array()}};
    std::size_t bytes = 0;
    for (const std::string& one : over_) {
      if (answer["over"].size() >= wanted) break;
      Json bucket = of_topic(Json::parse(one), topic);
      bytes += bucket.dump().size();
      if (bytes > kReplyBytesMax) {
        answer["cut"] = true;
        break;
      }
      answer["over"].push_back(std::move(bucket));
    }
    return answer;
  }

  [[nodiscard]] static Json of_topic(Json bucket, const std::optional<std::string>& topic) {
    if (!topic) return bucket;
    Json& topics = bucket["topics"];
    const auto found = topics.find(*topic);
    Json only = Json::object();
    if (found != topics.end()) only[*topic] = *found;
    topics = std::move(only);
    return bucket;
  }

  void on_executions(const PluginEvent& event, PluginContext& context) {
    shared::answer(context, [&] {
      const Json question = shared::question_of(event);
      ExecutionQuery query{.plugin = shared::text_in(question, "plugin"),
                           .user = shared::text_in(question, "user")};
      query.limit =
          std::min(shared::count_in(question, "limit").value_or(query.limit), kExecutionsShownMax);
      return executions_.answer(query, settings_.quantiles);
    });
  }

  // -- The end, and what comes after ------------------------------------------------------------

  /// What a new build has been given to tell, it tells.
  void stop() override {
    if (!state_is_handed_over_) close(Over::before_its_time);
    timer_.reset();
  }

  Json save_state() override {
    state_is_handed_over_ = true;
    Json over = Json::array();
    for (const std::string& one : over_) over.push_back(Json::parse(one));
    return {{"heard", heard_.time_since_epoch().count()},
            {"open", open_ ? open_->save() : Json()},
            {"told_until", told_until_.time_since_epoch().count()},
            {"over", std::move(over)},
            {"executions", executions_.save(kExecutionsBytesMax)}};
  }

  void restore_state(std::uint32_t version, const Json& state) override {
    shared::require_version(version, 1);
    const auto time = [](const Json& ns) {
      return WallTime(std::chrono::nanoseconds(ns.get<std::int64_t>()));
    };
    heard_ = time(state.at("heard"));
    told_until_ = time(state.value("told_until", Json(0)));  // earlier builds did not know it
    const Json& open = state.at("open");
    if (!open.is_null()) open_.emplace(Bucket::load(open, settings_.limits));
    for (const Json& one : state.at("over")) keep(one.dump(), Place::oldest);
    executions_.load(state.at("executions"));
  }

  Settings settings_;
  std::optional<Bucket> open_;
  WallTime heard_{};              // the stamp of the last event in it
  WallTime told_until_{};         // the end of the last bucket that was told whole
  std::optional<TimerId> timer_;  // closes the one that is open
  std::deque<std::string> over_;  // described, the newest first
  std::size_t over_bytes_ = 0;
  Executions executions_{0};
  bool state_is_handed_over_ = false;  // and nothing has come since
};

}  // namespace

BUSWAY_PLUGIN(Analytics)
