#include "analytics/settings.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

namespace analytics {
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

TEST(AnalyticsSettings, NothingMeansAllTopicsByTheMinute) {
  const Settings settings = read_settings(json::object());
  EXPECT_EQ(settings.bucket, 1min);
  EXPECT_EQ(settings.topics, std::vector<std::string>{"*"});
  EXPECT_TRUE(settings.fields.empty());
  EXPECT_EQ(settings.quantiles, (std::vector<double>{0.5, 0.9, 0.99}));
}

TEST(AnalyticsSettings, AFieldIsAKeyOrAPointer) {
  const Settings settings = read_settings(
      {{"fields", {{"duration_ms", "phase.*"}, {"/total/net", {"order.*", "cart.*"}}}}});
  ASSERT_EQ(settings.fields.size(), 2U);
  const json payload{{"duration_ms", 5}, {"total", {{"net", 7}}}, {"/total/net", 1}};
  EXPECT_EQ(*settings.fields[0].find(payload), 7);
  EXPECT_EQ(settings.fields[0].patterns, (std::vector<std::string>{"order.*", "cart.*"}));
  EXPECT_EQ(*settings.fields[1].find(payload), 5);
  for (const MeasuredField& field : settings.fields) {
    EXPECT_EQ(field.find(json::object()), nullptr);
    EXPECT_EQ(field.find(json(5)), nullptr);
    EXPECT_EQ(field.find(json::array({1})), nullptr);
  }
}

TEST(AnalyticsSettings, RefuseWhatIsWrongByName) {
  EXPECT_NE(refusal({{"fields", {{"amount", json::array()}}}})
                .find("fields.amount: a text or a list of texts is wanted"),
            std::string::npos)
      << refusal({{"fields", {{"amount", json::array()}}}});
  EXPECT_NE(refusal({{"fields", {{"/a~b", "x"}}}}).find("JSON pointer"), std::string::npos);
  EXPECT_EQ(refusal({{"quantiles", {0.5, 2}}}),
            "quantiles: a list of 1 to 16 numbers from 0 to 1 is wanted, not [0.5,2]");
  EXPECT_NE(refusal({{"buckets", 5}}).find("unknown key \"buckets\""), std::string::npos);
  json many = json::object();
  for (int i = 0; i < 65; ++i) many["f" + std::to_string(i)] = "x";
  EXPECT_NE(refusal({{"fields", many}}).find("a map of at most 64 fields"), std::string::npos);
}

}  // namespace
}  // namespace analytics
