#include "../../../plugins/auth-guard/settings.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>

namespace auth_guard {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

TEST(GuardSettings, EachKeyHasADefault) {
  const Settings settings = read_settings(json::object());
  EXPECT_EQ(settings.rules.failures_max, 5U);
  EXPECT_EQ(settings.rules.success_after, 3U);
  EXPECT_TRUE(settings.rules.new_address);
  EXPECT_EQ(settings.rules.window, 5min);
  EXPECT_EQ(settings.rules.remind, 1h);
  EXPECT_EQ(settings.timeout, 10s);
  EXPECT_EQ(settings.time_field, "");
}

TEST(GuardSettings, EachKeyIsRead) {
  const Settings settings = read_settings({{"failures_max", 1},
                                           {"success_after", 2},
                                           {"new_address", false},
                                           {"window", "30s"},
                                           {"remind", "0s"},
                                           {"addresses_max", 3},
                                           {"users_max", 4},
                                           {"addresses_of_user_max", 5},
                                           {"sessions_of_user_max", 6},
                                           {"session_age_max", "1h"},
                                           {"time_field", "time"},
                                           {"count_field", "repeated"},
                                           {"timeout", "1s"},
                                           {"queue", 7}});
  EXPECT_EQ(settings.rules.failures_max, 1U);
  EXPECT_EQ(settings.rules.success_after, 2U);
  EXPECT_FALSE(settings.rules.new_address);
  EXPECT_EQ(settings.rules.window, 30s);
  EXPECT_EQ(settings.rules.remind, 0s);
  EXPECT_EQ(settings.rules.addresses_max, 3U);
  EXPECT_EQ(settings.rules.users_max, 4U);
  EXPECT_EQ(settings.rules.addresses_of_user_max, 5U);
  EXPECT_EQ(settings.sessions.users_max, 4U);
  EXPECT_EQ(settings.sessions.of_user_max, 6U);
  EXPECT_EQ(settings.sessions.age_max, 1h);
  EXPECT_EQ(settings.time_field, "time");
  EXPECT_EQ(settings.count_field, "repeated");
  EXPECT_EQ(settings.timeout, 1s);
  EXPECT_EQ(settings.queue, 7U);
}

TEST(GuardSettings, RefusalsSayWhatWouldBeRight) {
  const auto refusal = [](const json& config) -> std::string {
    try {
      (void)read_settings(config);
    } catch (const std::invalid_argument& error) {
      return error.what();
    }
    return "accepted";
  };
  EXPECT_EQ(refusal({{"failures_max", 0}}),
            "failures_max: a whole number from 1 to 1000 is wanted, not 0");
  EXPECT_EQ(refusal({{"window", 60}}),
            "window: a duration such as 500ms, 90s, 5m, 1h or 1d, from 1s to 30d, is wanted, not "
            "60");
}

}  // namespace
}  // namespace auth_guard
