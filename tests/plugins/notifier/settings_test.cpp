#include "notifier/settings.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

namespace notifier {
namespace {

using nlohmann::json;
using Texts = std::vector<std::string>;

std::string refusal(const json& config) {
  try {
    (void)read_settings(config);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "it was not refused";
}

TEST(NotifierSettings, NothingMeansTheUsualTopicsAndNoCommand) {
  const Settings settings = read_settings(json::object());
  EXPECT_EQ(settings.patterns, (Texts{"quality.alert", "system.error", "plugin.error",
                                      "phase.final_failure", "chain.failed"}));
  EXPECT_TRUE(settings.command.empty());
}

TEST(NotifierSettings, PatternsComeBesideTheUsualOnesOrInTheirPlace) {
  EXPECT_EQ(read_settings({{"patterns", "auth.*"}}).patterns.size(), 6U);
  EXPECT_EQ(read_settings({{"patterns", "auth.*"}, {"usual", false}}).patterns, Texts{"auth.*"});
  EXPECT_EQ(refusal({{"usual", false}}),
            "patterns: with usual: false at least one pattern is wanted; it is missing");
}

TEST(NotifierSettings, ACommandHasNoShellUnlessItIsToldTo) {
  EXPECT_EQ(read_settings({{"command", "notify"}}).command, Texts{"notify"});
  EXPECT_EQ(read_settings({{"command", {"mail", "-s", "two words"}}}).command,
            (Texts{"mail", "-s", "two words"}));
  EXPECT_EQ(read_settings({{"command", "cat >> log"}, {"shell", true}}).command,
            (Texts{"/bin/sh", "-c", "cat >> log"}));
  EXPECT_NE(refusal({{"command", "cat >> log"}}).find("or shell: true beside a text"),
            std::string::npos);
  EXPECT_NE(refusal({{"command", {"a", "b"}}, {"shell", true}}).find("command: a text is wanted"),
            std::string::npos);
  EXPECT_NE(refusal({{"shell", true}}).find("command: "), std::string::npos);
  EXPECT_TRUE(refusal({{"shell", true}, {"comand", "x"}}).starts_with("unknown key \"comand\""));
}

TEST(NotifierSettings, RefuseWhatIsWrongByName) {
  EXPECT_NE(refusal({{"command_timeout", "1h"}}).find("command_timeout: a duration such as"),
            std::string::npos);
  EXPECT_NE(refusal({{"comand", "mail"}}).find("unknown key \"comand\""), std::string::npos);
  EXPECT_NE(refusal({{"notices_max", 0}}).find("notices_max: a whole number from 1"),
            std::string::npos);
}

}  // namespace
}  // namespace notifier
