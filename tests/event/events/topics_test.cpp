#include "busway/topics.hpp"

#include <gtest/gtest.h>

namespace busway {
namespace {

TEST(Topics, AreWrittenAsDocumented) {
  EXPECT_EQ(topics::kPhaseStarted, "phase.started");
  EXPECT_EQ(topics::kPhaseRetrySuccess, "phase.retry_success");
  EXPECT_EQ(topics::kPhaseFinalFailure, "phase.final_failure");
  EXPECT_EQ(topics::kPhaseLookup, "phase.lookup");
  EXPECT_EQ(topics::kChainFailed, "chain.failed");
  EXPECT_EQ(topics::kPluginQuarantined, "plugin.quarantined");
  EXPECT_EQ(topics::kPluginDenied, "plugin.denied");
  EXPECT_EQ(topics::kPluginExecuted, "plugin.executed");
  EXPECT_EQ(topics::kSystemStartup, "system.startup");
  EXPECT_EQ(topics::kBreakerOpened, "breaker.opened");
  EXPECT_EQ(topics::kBreakerHalfOpened, "breaker.half_opened");
  EXPECT_EQ(topics::kBreakerClosed, "breaker.closed");
  EXPECT_EQ(topics::kConfigChanged, "config.changed");
  EXPECT_EQ(topics::kUserLoginFailed, "user.login_failed");
  EXPECT_EQ(topics::kSubscriptionUpdated, "subscription.updated");
  EXPECT_EQ(topics::kAuthSuspicious, "auth.suspicious");
  EXPECT_EQ(topics::kDataDeleted, "data.deleted");
  EXPECT_EQ(topics::kQualityAlert, "quality.alert");
  EXPECT_EQ(topics::kCacheHit, "cache.hit");
  EXPECT_EQ(topics::kCacheMiss, "cache.miss");
}

}  // namespace
}  // namespace busway
