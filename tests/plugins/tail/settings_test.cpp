#include "../../../plugins/tail/settings.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <temporary_folder.hpp>

namespace tail {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

std::string settings_refusal(const json& config) {
  try {
    (void)read_settings(config);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "accepted";
}

json with(json more) {
  json config{{"files", "a.log"}, {"unmatched", "log.line"}};
  config.update(more);
  return config;
}

TEST(TailSettings, EachKeyHasADefault) {
  const Settings settings = read_settings(with(json::object()));
  EXPECT_EQ(settings.files, std::vector<std::string>{"a.log"});
  EXPECT_EQ(settings.start, Start::end);
  EXPECT_EQ(settings.follow, Follow::yes);
  EXPECT_EQ(settings.watch, Watch::inotify);
  EXPECT_EQ(settings.overlong, Overlong::cut);
  EXPECT_EQ(settings.poll, 1s);
  EXPECT_EQ(settings.rotate_wait, 5s);
  EXPECT_EQ(settings.line_bytes_max, 65'536U);
}

TEST(TailSettings, EachKeyIsRead) {
  const Settings settings = read_settings({{"files", {"a.log", "b.log"}},
                                           {"lines",
                                            {{{"regex", "(?P<n>\\d+)"},
                                              {"topic", "a.%n%"},
                                              {"types", {{"n", "integer"}}},
                                              {"payload", {{"x", 1}}},
                                              {"user_id", "%n%"},
                                              {"session_id", "%n%"},
                                              {"key", "%n%"}}}},
                                           {"unmatched", "log.line"},
                                           {"start", "beginning"},
                                           {"follow", false},
                                           {"watch", "poll"},
                                           {"overlong", "refuse"},
                                           {"poll", "50ms"},
                                           {"rotate_wait", "0s"},
                                           {"time_zone", "utc"},
                                           {"line_bytes_max", "1KiB"}});
  EXPECT_EQ(settings.files.size(), 2U);
  ASSERT_EQ(settings.lines.size(), 1U);
  EXPECT_EQ(settings.lines[0].parse("7", {})->topic, "a.7");
  EXPECT_EQ(settings.start, Start::beginning);
  EXPECT_EQ(settings.follow, Follow::no);
  EXPECT_EQ(settings.watch, Watch::poll);
  EXPECT_EQ(settings.overlong, Overlong::refuse);
  EXPECT_EQ(settings.poll, 50ms);
  EXPECT_EQ(settings.rotate_wait, 0ms);
  EXPECT_EQ(settings.line_bytes_max, 1024U);
}

TEST(TailSettings, ABadExpressionIsOneErrorThatNamesItsPlace) {
  EXPECT_EQ(
      settings_refusal(
          with({{"lines", {{{"regex", "ok"}, {"topic", "a"}}, {{"regex", "("}, {"topic", "b"}}}}})),
      "lines[1].regex: a regular expression as RE2 reads it (missing ): () is wanted, not "
      "\"(\"");
  EXPECT_EQ(settings_refusal(with({{"lines", {{{"regex", "x"}, {"topic", "a.%n%"}}}}})),
            "lines[0].topic: a text that names groups of its regex (it has none) is wanted, not "
            "\"a.%n%\"");
}

TEST(TailSettings, ASlipInOneKeyIsNamedAndNoOtherIsBlamed) {
  const json line{
      {"regex", "(?P<n>x)"}, {"topic", "a.%n%"}, {"types", {{"n", "text"}}}, {"user_id", "%n%"}};
  const auto slip = [](json config, const char* key, const char* wrong) {
    config[wrong] = config.at(key);
    config.erase(key);
    return config;
  };
  const std::string line_knows =
      "; lines[0] knows key, payload, regex, session_id, topic, types and user_id";
  const std::string knows =
      "; the tail knows files, follow, line_bytes_max, lines, overlong, poll, positions, "
      "rotate_wait, start, time_zone, unmatched and watch";
  EXPECT_EQ(settings_refusal({{"files", "a.log"}, {"lines", {line}}}), "accepted");
  EXPECT_EQ(settings_refusal({{"files", "a.log"}, {"lines", {slip(line, "regex", "regexp")}}}),
            "unknown key \"lines[0].regexp\"" + line_knows);
  EXPECT_EQ(settings_refusal({{"files", "a.log"}, {"lines", {slip(line, "topic", "topics")}}}),
            "unknown key \"lines[0].topics\"" + line_knows);
  EXPECT_EQ(settings_refusal({{"file", "a.log"}, {"lines", {line}}}),
            "unknown key \"file\"" + knows);
  EXPECT_EQ(settings_refusal({{"files", "a.log"}, {"line", {line}}}),
            "unknown key \"line\"" + knows);
  EXPECT_EQ(settings_refusal({{"files", "a.log"}, {"unmached", "t"}}),
            "unknown key \"unmached\"" + knows);
  EXPECT_EQ(settings_refusal({{"files", "a.log"}, {"lines", json::array()}}),
            "lines: a list of patterns, or \"unmatched\" with the topic of all lines, is wanted, "
            "not []");
}

TEST(TailSettings, TwoSpellingsOfOneFileAreOneClearError) {
  namespace fs = std::filesystem;
  const busway::TemporaryFolder folder;
  const std::string file = folder.file("a.log");
  const std::string link = folder.file("link.log");
  const std::string around = folder.file("./a.log");
  std::ofstream(file) << "text\n";
  fs::create_symlink(file, link);
  fs::create_hard_link(file, folder.file("hard.log"));
  for (const std::string& other : {link, around, folder.file("hard.log")}) {
    EXPECT_EQ(settings_refusal(with({{"files", {file, other}}})),
              "files: a list that names each file once (\"" + file + "\" and \"" + other +
                  "\" lead to one file) is wanted, not [\"" + file + "\",\"" + other + "\"]");
  }
  EXPECT_NE(settings_refusal(with({{"files", {"none.log", "./none.log"}}})), "accepted");
  EXPECT_EQ(settings_refusal(with({{"files", {file, folder.file("b.log")}}})), "accepted");
}

TEST(TailSettings, RefusalsSayWhatWouldBeRight) {
  EXPECT_EQ(settings_refusal({{"unmatched", "x"}}),
            "files: a text or a list of texts is wanted; it is missing");
  EXPECT_EQ(settings_refusal({{"files", "a"}}),
            "lines: a list of patterns, or \"unmatched\" with the topic of all lines, is wanted; "
            "it is missing");
  EXPECT_EQ(settings_refusal(with({{"files", {"a", "a"}}})),
            "files: a list that names each file once is wanted, not [\"a\",\"a\"]");
  EXPECT_EQ(settings_refusal(with({{"lines", {{{"topic", "t"}}}}})),
            "lines[0].regex: a text is wanted; it is missing");
  EXPECT_EQ(settings_refusal(with({{"lines", {{{"regexp", "x"}, {"topic", "t"}}}}})),
            "unknown key \"lines[0].regexp\"; lines[0] knows key, payload, regex, session_id, "
            "topic, types and user_id");
  EXPECT_EQ(settings_refusal(with({{"start", "now"}})),
            "start: beginning or end is wanted, not \"now\"");
}

}  // namespace
}  // namespace tail
