// busway/topics.hpp -- the topics that busway itself publishes or has payload types for.
// Layer: event
//
// Model      Constants. "user:login" and "user.login" are two topics; these are written with dots.
// Threads    None.
// Ownership  None.
// Errors     None.
// Cost       None.
// Example    tests/event/events/topics_test.cpp
#pragma once

#include <string_view>

namespace busway::topics {

// Phases of a chain, see events/phase_event_data.hpp.
inline constexpr std::string_view kPhaseStarted = "phase.started";
inline constexpr std::string_view kPhaseCompleted = "phase.completed";
inline constexpr std::string_view kPhaseFailed = "phase.failed";
inline constexpr std::string_view kPhaseRetrying = "phase.retrying";
inline constexpr std::string_view kPhaseRetrySuccess = "phase.retry_success";
inline constexpr std::string_view kPhaseFinalFailure = "phase.final_failure";

// The question whether a phase's output is known already, see events/phase_lookup.hpp.
inline constexpr std::string_view kPhaseLookup = "phase.lookup";

// Chains, see events/chain_event_data.hpp.
inline constexpr std::string_view kChainStarted = "chain.started";
inline constexpr std::string_view kChainCompleted = "chain.completed";
inline constexpr std::string_view kChainFailed = "chain.failed";

// The states of a plugin, see events/plugin_event_data.hpp.
inline constexpr std::string_view kPluginDiscovered = "plugin.discovered";
inline constexpr std::string_view kPluginValidated = "plugin.validated";
inline constexpr std::string_view kPluginLoaded = "plugin.loaded";
inline constexpr std::string_view kPluginCreated = "plugin.created";
inline constexpr std::string_view kPluginStarting = "plugin.starting";
inline constexpr std::string_view kPluginRunning = "plugin.running";
inline constexpr std::string_view kPluginReloading = "plugin.reloading";
inline constexpr std::string_view kPluginStopping = "plugin.stopping";
inline constexpr std::string_view kPluginStopped = "plugin.stopped";
inline constexpr std::string_view kPluginUnloaded = "plugin.unloaded";
inline constexpr std::string_view kPluginFailed = "plugin.failed";
inline constexpr std::string_view kPluginQuarantined = "plugin.quarantined";
inline constexpr std::string_view kPluginError = "plugin.error";
inline constexpr std::string_view kPluginDenied = "plugin.denied";

// See events/plugin_executed.hpp.
inline constexpr std::string_view kPluginExecuted = "plugin.executed";

// The host program, see events/system_event_data.hpp.
inline constexpr std::string_view kSystemStartup = "system.startup";
inline constexpr std::string_view kSystemShutdown = "system.shutdown";
inline constexpr std::string_view kSystemError = "system.error";

// The breakers of subscriptions, see events/breaker_event_data.hpp.
inline constexpr std::string_view kBreakerOpened = "breaker.opened";
inline constexpr std::string_view kBreakerHalfOpened = "breaker.half_opened";
inline constexpr std::string_view kBreakerClosed = "breaker.closed";

// See events/config_changed.hpp.
inline constexpr std::string_view kConfigChanged = "config.changed";

// See events/user_event_data.hpp.
inline constexpr std::string_view kUserRegistered = "user.registered";
inline constexpr std::string_view kUserLogin = "user.login";
inline constexpr std::string_view kUserLoginFailed = "user.login_failed";
inline constexpr std::string_view kUserLogout = "user.logout";

// See events/subscription_updated.hpp.
inline constexpr std::string_view kSubscriptionUpdated = "subscription.updated";

// See events/auth_suspicious.hpp.
inline constexpr std::string_view kAuthSuspicious = "auth.suspicious";

// Records of a data source, see events/data_event_data.hpp.
inline constexpr std::string_view kDataCreated = "data.created";
inline constexpr std::string_view kDataUpdated = "data.updated";
inline constexpr std::string_view kDataDeleted = "data.deleted";

// See events/quality_alert.hpp.
inline constexpr std::string_view kQualityAlert = "quality.alert";

// See events/cache_hit.hpp and events/cache_miss.hpp.
inline constexpr std::string_view kCacheHit = "cache.hit";
inline constexpr std::string_view kCacheMiss = "cache.miss";

}  // namespace busway::topics
