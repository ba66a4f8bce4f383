#include "cache/settings.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>

namespace cache {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

std::string refusal(const json& config) {
  try {
    (void)read_settings(config);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "it was not refused";
}

TEST(CacheSettings, NothingMeansAnHour) {
  const Settings settings = read_settings(json::object());
  EXPECT_EQ(settings.limits.age_max, 1h);
  EXPECT_EQ(settings.limits.entries_max, 1'000U);
  EXPECT_EQ(settings.limits.bytes_max, 16U << 20U);
  EXPECT_TRUE(settings.wants("any"));
}

TEST(CacheSettings, SayWhichPhases) {
  const Settings only = read_settings({{"phases", {"plan", "write"}}, {"except", "write"}});
  EXPECT_TRUE(only.wants("plan"));
  EXPECT_FALSE(only.wants("write"));
  EXPECT_FALSE(only.wants("other"));
  const Settings except = read_settings({{"except", "dice"}});
  EXPECT_TRUE(except.wants("plan"));
  EXPECT_FALSE(except.wants("dice"));
}

TEST(CacheSettings, RefuseWhatIsWrongByName) {
  EXPECT_NE(refusal({{"age", "1h"}}).find("unknown key \"age\"; the cache knows age_max"),
            std::string::npos);
  EXPECT_NE(refusal({{"bytes_max", 4096}}).find("bytes_max: a size such as"), std::string::npos);
  EXPECT_EQ(refusal({{"entries_max", 0}}),
            "entries_max: a whole number from 1 to 1000000 is wanted, not 0");
}

}  // namespace
}  // namespace cache
