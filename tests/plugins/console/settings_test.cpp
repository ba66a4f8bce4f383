#include "../../../plugins/console/settings.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

namespace console {
namespace {

using nlohmann::json;

std::string refusal(const json& config) {
  try {
    (void)read_settings(config);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "accepted";
}

TEST(Settings, EachKeyHasADefault) {
  const Settings settings = read_settings(json::object());
  EXPECT_EQ(settings.input, "-");
  EXPECT_EQ(settings.sample, "");
  EXPECT_EQ(settings.name, "you");
  EXPECT_EQ(settings.patterns, std::vector<std::string>{"chat.reply"});
  EXPECT_EQ(settings.line_bytes_max, 16'384U);
}

TEST(Settings, EachKeyIsRead) {
  const Settings settings = read_settings({{"input", "chat.log"},
                                           {"sample", "sample.txt"},
                                           {"name", "ada"},
                                           {"patterns", {"chat.*", "trivia.*"}},
                                           {"secret_keys", {"pin"}},
                                           {"line_bytes_max", 512}});
  EXPECT_EQ(settings.input, "chat.log");
  EXPECT_EQ(settings.sample, "sample.txt");
  EXPECT_EQ(settings.name, "ada");
  EXPECT_EQ(settings.patterns, (std::vector<std::string>{"chat.*", "trivia.*"}));
  EXPECT_EQ(settings.secret_keys, std::vector<std::string>{"pin"});
  EXPECT_EQ(settings.line_bytes_max, 512U);
}

TEST(Settings, OnePatternNeedsNoList) {
  EXPECT_EQ(read_settings({{"patterns", "chat.*"}}).patterns, std::vector<std::string>{"chat.*"});
}

TEST(Settings, RefusalsNameTheKeyTheValueAndWhatIsWanted) {
  EXPECT_EQ(
      refusal({{"inptu", "x"}}),
      "unknown key \"inptu\"; the console knows input, line_bytes_max, name, patterns, sample and "
      "secret_keys");
  EXPECT_EQ(refusal({{"input", 5}}), "input: a text is wanted, not 5");
  EXPECT_EQ(refusal({{"name", ""}}), "name: a text is wanted, not \"\"");
  EXPECT_EQ(refusal({{"patterns", json::array()}}),
            "patterns: a text or a list of texts is wanted, not []");
  EXPECT_EQ(refusal({{"patterns", {1}}}), "patterns: a text is wanted, not 1");
  for (const json& wrong : {json(15), json(131'073), json(-1), json("512"), json(1.5)}) {
    EXPECT_EQ(refusal({{"line_bytes_max", wrong}}),
              "line_bytes_max: a whole number from 16 to 131072 is wanted, not " + wrong.dump());
  }
}

}  // namespace
}  // namespace console
