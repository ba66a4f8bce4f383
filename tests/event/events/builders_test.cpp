#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include <expect_error.hpp>
#include "busway/events/auth_suspicious.hpp"
#include "busway/events/breaker_event_data.hpp"
#include "busway/events/cache_hit.hpp"
#include "busway/events/cache_miss.hpp"
#include "busway/events/chain_event_data.hpp"
#include "busway/events/config_changed.hpp"
#include "busway/events/data_event_data.hpp"
#include "busway/events/phase_event_data.hpp"
#include "busway/events/phase_lookup.hpp"
#include "busway/events/plugin_event_data.hpp"
#include "busway/events/plugin_executed.hpp"
#include "busway/events/quality_alert.hpp"
#include "busway/events/subscription_updated.hpp"
#include "busway/events/system_event_data.hpp"
#include "busway/events/user_event_data.hpp"
#include "busway/typed_event.hpp"

namespace busway {
namespace {

// The names of the fields as they stand in JSON.
template <class T>
std::set<std::string> fields_of() {
  std::set<std::string> names;
  const Json json = T{};
  for (const auto& [name, value] : json.items()) names.insert(name);
  return names;
}

using Names = std::set<std::string>;

TEST(WellKnownPayloads, HaveTheDocumentedFields) {
  EXPECT_EQ(fields_of<PhaseEventData>(),
            (Names{"phase_name", "session_id", "input", "output", "error", "duration_ms", "attempt",
                   "max_attempts", "metadata"}));
  EXPECT_EQ(fields_of<ChainEventData>(),
            (Names{"session_id", "phase_count", "phase_names", "completed_phases", "failed_phase",
                   "phase_index", "error", "elapsed_ms"}));
  EXPECT_EQ(fields_of<PhaseLookup>(), (Names{"name", "key"}));
  EXPECT_EQ(fields_of<PluginEventData>(),
            (Names{"plugin_name", "plugin_version", "path", "generation", "error", "metadata"}));
  EXPECT_EQ(fields_of<BreakerEventData>(),
            (Names{"subscription", "name", "owner", "state", "reason", "times_opened"}));
  EXPECT_EQ(fields_of<PluginExecuted>(), (Names{"plugin", "user", "execution_time_ms"}));
  EXPECT_EQ(fields_of<ConfigChanged>(), (Names{"path", "keys"}));
  EXPECT_EQ(fields_of<UserEventData>(), (Names{"user_id", "email", "address"}));
  EXPECT_EQ(fields_of<SubscriptionUpdated>(), (Names{"user_id", "tier"}));
  EXPECT_EQ(fields_of<QualityAlert>(),
            (Names{"phase_name", "failure_count", "success_rate", "duration_ms", "reason"}));
  EXPECT_EQ(fields_of<CacheHit>(), (Names{"phase_name", "cache_key", "output"}));
}

TEST(WellKnownPayloads, AreReadFromJsonWithFieldsMissing) {
  const Event event("phase.started",
                    Payload::json({{"phase_name", "plan"}, {"input", {{"a", 1}}}}));
  const auto& data = event.as<PhaseEventData>();
  EXPECT_EQ(data.phase_name, "plan");
  EXPECT_EQ(data.input, Json({{"a", 1}}));
  EXPECT_TRUE(data.output.is_null());
  EXPECT_EQ(data.attempt, 1);
  EXPECT_TRUE(data.metadata.is_object());
}

TEST(WellKnownPayloads, SurviveJson) {
  const Event event = chain_failed("s", {"a", "b", "c"}, 1, "broken", 12.5);
  const Event again("x", Payload::json_text(event.json().dump()));
  EXPECT_EQ(again.as<ChainEventData>().completed_phases, std::vector<std::string>{"a"});
  EXPECT_EQ(again.as<ChainEventData>().elapsed_ms, 12.5);
  EXPECT_EQ(Json(again.as<ChainEventData>()), event.json());
}

TEST(PhaseEvents, NamePhaseAndSession) {
  const Event started = phase_started("plan", "s1", {{"goal", "x"}}, {.source = "chain"});
  EXPECT_EQ(to_string(started), "Event(phase.started from chain)");
  EXPECT_EQ(started.session_id(), "s1");
  EXPECT_EQ(started.as<PhaseEventData>().phase_name, "plan");
  EXPECT_EQ(started.as<PhaseEventData>().input, Json({{"goal", "x"}}));
  EXPECT_EQ(phase_started("plan", "s1", {}, {.session_id = "outer"}).session_id(), "outer");
}

TEST(PhaseEvents, TellHowAnAttemptEnded) {
  const Event completed = phase_completed("p", "s", 7, 3.5);
  EXPECT_EQ(completed.topic(), "phase.completed");
  EXPECT_EQ(completed.as<PhaseEventData>().output, 7);
  EXPECT_EQ(completed.as<PhaseEventData>().duration_ms, 3.5);
  const Event failed = phase_failed("p", "s", "why", 2, 3);
  EXPECT_EQ(failed.topic(), "phase.failed");
  EXPECT_EQ(failed.as<PhaseEventData>().error, "why");
  EXPECT_EQ(failed.as<PhaseEventData>().attempt, 2);
  EXPECT_EQ(failed.as<PhaseEventData>().max_attempts, 3);
  EXPECT_EQ(phase_retrying("p", "s", 2, 3).topic(), "phase.retrying");
  EXPECT_EQ(phase_retry_success("p", "s", 2, 3).topic(), "phase.retry_success");
  EXPECT_EQ(phase_final_failure("p", "s", "why", 3, 3).topic(), "phase.final_failure");
}

TEST(ChainEvents, CountTheirPhases) {
  const Event started = chain_started("s", {"a", "b"});
  EXPECT_EQ(started.topic(), "chain.started");
  EXPECT_EQ(started.as<ChainEventData>().phase_count, 2);
  EXPECT_TRUE(started.as<ChainEventData>().completed_phases.empty());
  const Event completed = chain_completed("s", {"a", "b"}, 9);
  EXPECT_EQ(completed.topic(), "chain.completed");
  EXPECT_EQ(completed.as<ChainEventData>().completed_phases.size(), 2U);
  const Event failed = chain_failed("s", {"a", "b"}, 1, "why", 9);
  EXPECT_EQ(failed.topic(), "chain.failed");
  EXPECT_EQ(failed.as<ChainEventData>().failed_phase, "b");
  EXPECT_EQ(failed.session_id(), "s");
  (void)error_of(ErrorCode::invalid_argument, [] { (void)chain_failed("s", {"a"}, 1, "why", 9); });
}

TEST(PluginEvents, AreNamedAfterTheState) {
  const Event running = plugin_state("running", {.plugin_name = "trivia", .generation = 2});
  EXPECT_EQ(running.topic(), "plugin.running");
  EXPECT_EQ(running.as<PluginEventData>().generation, 2U);
  EXPECT_TRUE(
      mentions(error_of(ErrorCode::invalid_argument, [] { (void)plugin_state("runing", {}); }),
               "quarantined"));
  const Event error = plugin_error({.plugin_name = "trivia"}, "why");
  EXPECT_EQ(error.topic(), "plugin.error");
  EXPECT_EQ(error.as<PluginEventData>().error, "why");
  const Event denied = plugin_denied({.plugin_name = "trivia"}, "why", 3);
  EXPECT_EQ(denied.topic(), "plugin.denied");
  EXPECT_EQ(denied.json().at("error"), "why");
  EXPECT_EQ(denied.json().at("metadata"), Json({{"denied", 3}}));
  EXPECT_EQ(plugin_executed("trivia", "ann", 2).topic(), "plugin.executed");
}

TEST(BreakerEventBuilders, NameTheStateInTopicAndPayload) {
  const BreakerEventData data{.subscription = 7, .name = "fragile", .reason = "why"};
  EXPECT_EQ(breaker_opened(data).topic(), "breaker.opened");
  EXPECT_EQ(breaker_opened(data).as<BreakerEventData>().state, "open");
  EXPECT_EQ(breaker_half_opened(data).topic(), "breaker.half_opened");
  EXPECT_EQ(breaker_half_opened(data).as<BreakerEventData>().state, "half_open");
  EXPECT_EQ(breaker_closed(data, {.source = "bus"}).source(), "bus");
  EXPECT_EQ(breaker_closed(data).as<BreakerEventData>().state, "closed");
  EXPECT_EQ(breaker_closed(data).as<BreakerEventData>().subscription, 7U);
}

TEST(SystemEvents, NameTheComponent) {
  EXPECT_EQ(system_startup("host").topic(), "system.startup");
  EXPECT_EQ(system_shutdown("host", "SIGTERM").as<SystemEventData>().reason, "SIGTERM");
  EXPECT_EQ(system_error("host", "why").as<SystemEventData>().error, "why");
  EXPECT_EQ(config_changed("a.yaml", {"mode"}).as<ConfigChanged>().keys.front(), "mode");
}

TEST(UserEvents, NameTheUserInTheEventToo) {
  const Event login = user_login("7", "a@b.c", "10.0.0.1");
  EXPECT_EQ(login.topic(), "user.login");
  EXPECT_EQ(login.user_id(), "7");
  EXPECT_EQ(login.as<UserEventData>().address, "10.0.0.1");
  EXPECT_EQ(user_registered("7", "", "").topic(), "user.registered");
  EXPECT_EQ(user_login_failed("7", "", "").topic(), "user.login_failed");
  EXPECT_EQ(user_logout("7", "", "").topic(), "user.logout");
  EXPECT_EQ(subscription_updated("7", "gold").as<SubscriptionUpdated>().tier, "gold");
  EXPECT_EQ(auth_suspicious("7", "10.0.0.1", "50 tries").user_id(), "7");
}

TEST(DataEvents, NameEntityAndOperationInTheEventToo) {
  const Event created = data_created("order", "9", {{"total", 1}});
  EXPECT_EQ(created.topic(), "data.created");
  EXPECT_EQ(created.entity(), "order");
  EXPECT_EQ(created.operation(), "created");
  EXPECT_EQ(created.as<DataEventData>().data, Json({{"total", 1}}));
  EXPECT_EQ(data_updated("order", "9").operation(), "updated");
  EXPECT_EQ(data_deleted("order", "9").topic(), "data.deleted");
}

TEST(QualityAndCacheEvents, HaveTopicsOfTheirOwn) {
  const Event alert = quality_alert({.phase_name = "p", .success_rate = 0.5});
  EXPECT_EQ(alert.topic(), "quality.alert");
  EXPECT_EQ(alert.as<QualityAlert>().success_rate, 0.5);
  EXPECT_EQ(cache_hit("p", "k", 1).as<CacheHit>().output, 1);
  EXPECT_EQ(cache_miss("p", "k").topic(), "cache.miss");
  const Event lookup = phase_lookup("plan", "0f");
  EXPECT_EQ(lookup.topic(), "phase.lookup");
  EXPECT_EQ(lookup.json(), (Json{{"name", "plan"}, {"key", "0f"}}));
}

}  // namespace
}  // namespace busway
