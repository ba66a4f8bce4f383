// The plugin as a host runs it.
#include <gtest/gtest.h>

#include <eventually.hpp>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <temporary_folder.hpp>
#include <vector>

#include "../refusing_store.hpp"
#include "../shipped_plugin.hpp"
#include "busway/metadata.hpp"
#include "busway/plugin_import.hpp"

BUSWAY_IMPORT_PLUGIN(busway_tail_static)

namespace busway {
namespace {

namespace fs = std::filesystem;

constexpr const char* kTarget = "busway_tail";

class TailTest : public ::testing::Test {
 protected:
  /// Follows app.log; lines such as "error 7: what" are log.error {code, text}.
  [[nodiscard]] Json config(const Json& more = Json::object()) const {
    Json all{{"files", path_},
             {"lines",
              {{{"regex", R"(^(?P<level>\w+) (?P<code>\d+): (?P<text>.*)$)"},
                {"topic", "log.%level%"},
                {"types", {{"code", "integer"}, {"level", "text"}}},
                {"payload", {{"host", "h1"}}},
                {"user_id", "u%code%"}}}},
             {"start", "beginning"},
             {"rotate_wait", "0s"}};
    all.update(more);
    return all;
  }
  void append(const std::string& text) const {
    std::ofstream(path_, std::ios::binary | std::ios::app) << text;
  }

  TemporaryFolder folder_;
  const std::string path_ = folder_.file("app.log");
};

TEST_F(TailTest, MakesEventsOfLines) {
  append("error 7: disk\nnoise\ninfo 12: up\n");
  ShippedPlugin tail(kTarget, config({{"follow", false}}));
  tail.start();
  EXPECT_EQ(tail.finish(), (Json{{"lines", 3}, {"events", 2}, {"unmatched", 1}}));
  const Event error = tail.watcher().wait("log.error");
  EXPECT_EQ(error.json(),
            (Json{{"level", "error"}, {"code", 7}, {"text", "disk"}, {"host", "h1"}}));
  EXPECT_EQ(error.source(), "tail");
  EXPECT_EQ(error.user_id(), "u7");
  EXPECT_EQ(error.metadata().json().at("file"), path_);
  EXPECT_EQ(error.metadata().json().at("offset"), 0);
  EXPECT_EQ(tail.watcher().wait("log.info").metadata().json().at("offset"), 20);
  EXPECT_EQ(tail.watcher().wait("tail.opened").json(), (Json{{"path", path_}, {"offset", 0}}));
}

TEST_F(TailTest, TakesTheFirstPatternThatFitsAndTheRestAsItIsTold) {
  append("error 7: disk\nnoise\n");
  ShippedPlugin tail(kTarget, config({{"follow", false}, {"unmatched", "log.line"}}));
  tail.start();
  EXPECT_EQ(tail.finish(), (Json{{"lines", 2}, {"events", 2}, {"unmatched", 1}}));
  EXPECT_EQ(tail.watcher().wait("log.line").json(), (Json{{"text", "noise"}}));
}

TEST_F(TailTest, FollowsAFileThroughRotationAndTruncation) {
  ShippedPlugin tail(kTarget, config());
  tail.start();
  append("info 1: a\n");
  EXPECT_EQ(tail.watcher().wait("log.info", 0).json().at("code"), 1);
  fs::rename(path_, path_ + ".1");
  append("info 2: b\n");
  EXPECT_EQ(tail.watcher().wait("log.info", 1).json().at("code"), 2);
  EXPECT_EQ(tail.watcher().wait("tail.rotated").json(), (Json{{"path", path_}}));
  fs::resize_file(path_, 0);
  EXPECT_EQ(tail.watcher().wait("tail.truncated").json(), (Json{{"path", path_}, {"read", 10}}));
  append("info 3: c\n");
  EXPECT_EQ(tail.watcher().wait("log.info", 2).json().at("code"), 3);
  EXPECT_EQ(tail.stop().at("events"), 3);
}

TEST_F(TailTest, FollowsByLookingWhereThereIsNoInotify) {
  ShippedPlugin tail(kTarget, config({{"watch", "poll"}, {"poll", "10ms"}}));
  tail.start();
  append("info 1: a\n");
  EXPECT_EQ(tail.watcher().wait("log.info").json().at("code"), 1);
  (void)tail.stop();
}

TEST_F(TailTest, TakesALineOfTenMegabytesInBoundedPieces) {
  append("info 1: " + std::string(10'000'000, 'x') + "\ninfo 2: b\n");
  {
    ShippedPlugin tail(kTarget, config({{"follow", false}}));
    tail.start();
    EXPECT_EQ(tail.finish(),
              (Json{{"lines", 2}, {"events", 2}, {"unmatched", 0}, {"overlong", 1}}));
    const Event cut = tail.watcher().wait("log.info");
    EXPECT_EQ(cut.json().at("text").get_ref<const std::string&>().size(), 65'536U - 8);
    EXPECT_EQ(cut.json().at("cut_bytes"), 10'000'008 - 65'536);
    EXPECT_EQ(tail.watcher().wait("log.info", 1).json().at("code"), 2);
  }
  ShippedPlugin tail(kTarget, config({{"follow", false}, {"overlong", "refuse"}}));
  tail.start();
  EXPECT_EQ(tail.finish(), (Json{{"lines", 2}, {"events", 1}, {"unmatched", 0}, {"overlong", 1}}));
  EXPECT_EQ(tail.watcher().wait("tail.overlong").json(),
            (Json{{"path", path_}, {"offset", 0}, {"bytes", 10'000'008}}));
}

TEST_F(TailTest, TheLongestLineItTakesFitsAnEventWhateverItHolds) {
  append(std::string(131'072, '\x01') + "\n");
  ShippedPlugin tail(
      kTarget,
      config({{"follow", false}, {"unmatched", "log.line"}, {"line_bytes_max", "128KiB"}}));
  tail.start();
  EXPECT_EQ(tail.finish(), (Json{{"lines", 1}, {"events", 1}, {"unmatched", 1}}));
}

TEST_F(TailTest, MendsWhatIsNotUtf8) {
  append("info 1: caf\xE9\n" + std::string("info 2: a\0b\n", 12) + "\xFF\xFE\n");
  ShippedPlugin tail(kTarget, config({{"follow", false}}));
  tail.start();
  EXPECT_EQ(tail.finish(), (Json{{"lines", 3}, {"events", 2}, {"unmatched", 1}, {"repaired", 3}}));
  EXPECT_EQ(tail.watcher().wait("log.info").json().at("text"), "caf\xEF\xBF\xBD");
}

TEST_F(TailTest, ALineThatGivesNoTopicIsCountedAndTheFirstIsAnError) {
  append("[x] 1: a\n[y] 1: b\ninfo 3: c\n");
  ShippedPlugin tail(
      kTarget,
      config({{"follow", false},
              {"lines", {{{"regex", R"(^(?P<level>\S+) \d: )"}, {"topic", "log.%level%"}}}}}));
  tail.start();
  EXPECT_EQ(tail.finish(), (Json{{"lines", 3}, {"events", 1}, {"unmatched", 0}, {"refused", 2}}));
  const Event error = tail.watcher().wait("plugin.error");
  EXPECT_NE(error.json().at("error").get<std::string>().find(path_), std::string::npos)
      << error.json();
  EXPECT_EQ(tail.watcher().count("plugin.error"), 1U);
}

TEST_F(TailTest, CountsWhatIsNotOfItsType) {
  append("info 99999999999999999999: a\n");
  ShippedPlugin tail(kTarget, config({{"follow", false}}));
  tail.start();
  EXPECT_EQ(tail.finish(),
            (Json{{"lines", 1}, {"events", 1}, {"unmatched", 0}, {"unconverted", 1}}));
  EXPECT_FALSE(tail.watcher().wait("log.info").json().contains("code"));
}

TEST_F(TailTest, WaitsForAFileThatIsNotThereYet) {
  ShippedPlugin tail(kTarget, config({{"start", "end"}}));
  tail.start();
  append("info 1: a\n");
  EXPECT_EQ(tail.watcher().wait("log.info").json().at("code"), 1);
  (void)tail.stop();
}

TEST_F(TailTest, AFileThatIsNotThereAndShallNotBeFollowedIsAFault) {
  ShippedPlugin tail(kTarget, config({{"follow", false}}));
  tail.start();
  const Event error = tail.watcher().wait("plugin.error");
  EXPECT_NE(error.json().at("error").get<std::string>().find(path_), std::string::npos);
  (void)tail.stop();
}

TEST_F(TailTest, TellsOfAFileThatItCannotRead) {
  fs::create_directory(path_);
  ShippedPlugin tail(kTarget, config());
  tail.start();
  const Event failed = tail.watcher().wait("tail.failed");
  EXPECT_EQ(failed.json(),
            (Json{{"path", path_},
                  {"error", "\"" + path_ + "\" is no regular file, which alone can be followed"}}));
  (void)tail.stop();
}

TEST_F(TailTest, GoesOnWhereItWasAfterItsReplacement) {
  append("info 1: a\ninfo 2: b\nhalf");
  ShippedPlugin tail(kTarget, config());
  tail.start();
  (void)tail.watcher().wait("log.info", 1);
  tail.manager().reload(tail.id());
  append(" 3: c\n");
  EXPECT_EQ(tail.watcher().wait("log.half").json().at("code"), 3);
  EXPECT_EQ(tail.watcher().count("log.info"), 2U);
  (void)tail.stop();
}

TEST_F(TailTest, GoesOnWhereItWasAfterARestartWhenItKeepsPositions) {
  const Json with_positions = config({{"positions", folder_.file("positions.json")}});
  append("info 1: a\nhalf");
  {
    ShippedPlugin tail(kTarget, with_positions);
    tail.start();
    (void)tail.watcher().wait("log.info");
    EXPECT_EQ(tail.stop().at("events"), 1);
  }
  append(" 2: b\ninfo 3: c\n");
  {
    ShippedPlugin tail(kTarget, with_positions);
    tail.start();
    EXPECT_EQ(tail.watcher().wait("log.half").json().at("code"), 2);
    EXPECT_EQ(tail.watcher().wait("log.info").json().at("code"), 3);
    EXPECT_EQ(tail.watcher().wait("tail.opened").json().at("offset"), 10);
    (void)tail.stop();
  }
  std::ofstream(folder_.file("positions.json")) << "{";
  ShippedPlugin tail(kTarget, with_positions);
  try {
    tail.start();
    FAIL() << "started";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("positions.json"), std::string::npos) << error.what();
  }
}

TEST_F(TailTest, ReadsWhatCameWhileItWasAwayAlsoWhenItHadReadNothingBefore) {
  for (const bool is_there : {true, false}) {
    const std::string positions = folder_.file(is_there ? "there.json" : "absent.json");
    const Json from_the_end = config({{"positions", positions}, {"start", "end"}});
    fs::remove(path_);
    if (is_there) append("info 1: old\n");
    {
      ShippedPlugin tail(kTarget, from_the_end);
      tail.start();
      EXPECT_TRUE(eventually([&] { return fs::exists(positions); }));
      EXPECT_EQ(tail.stop().at("events"), 0);
    }
    append("info 2: new\n");
    ShippedPlugin tail(kTarget, from_the_end);
    tail.start();
    EXPECT_EQ(tail.watcher().wait("log.info").json().at("code"), 2);
    EXPECT_EQ(tail.stop().at("events"), 1);
  }
}

/// How one generation of the plugin follows another.
enum class Following { restart, reload, stop_and_start };

/// What happened to the file while the plugin was away, or before it was replaced. It looks at the
/// beginning, but a replaced one may have looked once more: what must come of it is the same.
class TailThatReturns : public TailTest, public ::testing::WithParamInterface<Following> {
 protected:
  TailThatReturns() { begin(); }

  void begin() {
    tail_ = std::make_unique<ShippedPlugin>(kTarget,
                                            config({{"positions", folder_.file("positions.json")},
                                                    {"watch", "poll"},
                                                    {"poll", "1h"},
                                                    {"rotate_wait", "1h"},
                                                    {"unmatched", "log.line"}}));
    if (is_begun_) tail_->start();
    is_begun_ = true;
  }
  void start_on(const std::string& text) {
    append(text);
    tail_->start();
    (void)tail_->watcher().wait("log.line", 0);
  }
  template <class Meanwhile>
  void return_after(const Meanwhile& meanwhile) {
    if (GetParam() == Following::reload) {
      seen_ = tail_->watcher().count("log.line");
      meanwhile();
      tail_->manager().reload(tail_->id());
    } else if (GetParam() == Following::stop_and_start) {
      (void)tail_->stop();
      seen_ = tail_->watcher().count("log.line");
      meanwhile();
      tail_->start();
    } else {
      (void)tail_->stop();
      meanwhile();
      begin();
    }
  }
  /// The lines since.
  std::vector<std::string> lines(std::size_t count) {
    std::vector<std::string> found;
    for (std::size_t i = 0; i < count; ++i) {
      found.push_back(
          tail_->watcher().wait("log.line", seen_ + i).json().at("text").get<std::string>());
    }
    (void)tail_->stop();
    EXPECT_EQ(tail_->watcher().count("log.line"), seen_ + count);
    return found;
  }

  std::unique_ptr<ShippedPlugin> tail_;
  std::size_t seen_ = 0;
  bool is_begun_ = false;
};

using TextLines = std::vector<std::string>;

TEST_P(TailThatReturns, ReadsTheRestOfARotatedFile) {
  start_on("a\nhalf");
  return_after([&] {
    append(" a line\nb\n");
    fs::rename(path_, path_ + ".1");
    append("c\n");
  });
  EXPECT_EQ(lines(3), (TextLines{"half a line", "b", "c"}));
}

TEST_P(TailThatReturns, ReadsAFileThatWasWrittenAnewFromItsBeginning) {
  start_on("a\n");
  return_after([&] {
    fs::resize_file(path_, 0);
    append("another\nand one\nand one more\n");
  });
  EXPECT_EQ(lines(3), (TextLines{"another", "and one", "and one more"}));
  EXPECT_EQ(tail_->watcher().wait("tail.truncated").json(), (Json{{"path", path_}, {"read", 2}}));
}

TEST_P(TailThatReturns, TellsOfARotatedFileThatIsGone) {
  start_on("a\n");
  return_after([&] {
    append("b\n");
    fs::rename(path_, path_ + ".1");
    append("c\n");
    fs::remove(path_ + ".1");
  });
  const Json lost = tail_->watcher().wait("tail.lost").json();
  EXPECT_EQ(lost.at("path"), path_);
  EXPECT_EQ(lost.at("error"), "the rotated file is not in its folder any more");
  // The one that was replaced may have read it to its end.
  const bool has_read_it = GetParam() == Following::reload && lost.at("read") == 4;
  EXPECT_EQ(lost.at("read"), has_read_it ? 4 : 2);
  EXPECT_EQ(lines(has_read_it ? 2 : 1).back(), "c");
}

TEST_P(TailThatReturns, GoesOnInALineOfTenMegabytesAndMendsWhatIsNotUtf8) {
  const std::string begun(5'000'000, 'x');
  start_on("a\n" + begun);
  return_after([&] { append(begun + "\ncaf\xE9\n"); });
  EXPECT_EQ(lines(2), (TextLines{std::string(65'536, 'x'), "caf\xEF\xBF\xBD"}));
}

std::string following_name(const ::testing::TestParamInfo<Following>& info) {
  switch (info.param) {
    case Following::restart: return "AfterARestart";
    case Following::reload: return "AfterAReload";
    case Following::stop_and_start: break;
  }
  return "AfterAStop";
}

INSTANTIATE_TEST_SUITE_P(Returning, TailThatReturns,
                         ::testing::Values(Following::restart, Following::reload,
                                           Following::stop_and_start),
                         following_name);

TEST_F(TailTest, APositionsFileThatCannotBeWrittenIsAnErrorOnce) {
  append("info 1: a\n");
  ShippedPlugin tail(kTarget, config({{"positions", folder_.file("no/such/folder.json")}}));
  tail.start();
  const Event error = tail.watcher().wait("plugin.error");
  EXPECT_NE(error.json().at("error").get<std::string>().find("no/such/folder.json"),
            std::string::npos);
  append("info 2: a\n");
  (void)tail.watcher().wait("log.info", 1);
  (void)tail.stop();
  EXPECT_EQ(tail.watcher().count("plugin.error"), 1U);
}

TEST_F(TailTest, ABadExpressionIsOneClearErrorWhenItIsLoaded) {
  const std::string refusal =
      ShippedPlugin::refusal(kTarget, config({{"lines", {{{"regex", "(?P<a>"}, {"topic", "t"}}}}}));
  EXPECT_NE(refusal.find("lines[0].regex: a regular expression as RE2 reads it (missing ): "
                         "(?P<a>) is wanted, not \"(?P<a>\""),
            std::string::npos)
      << refusal;
}

TEST_F(TailTest, WorksLinkedInAndInAProcessOfItsOwn) {
  append("info 1: a\ninfo 2: b");
  for (const Form form : {Form::linked_in, Form::process}) {
    ShippedPlugin tail(kTarget, config({{"follow", false}}), form);
    tail.start();
    EXPECT_EQ(tail.finish(), (Json{{"lines", 2}, {"events", 2}, {"unmatched", 0}}));
    EXPECT_EQ(tail.watcher().wait("log.info", 1).json().at("text"), "b");
  }
}

/// "ok", or why not.
std::string health_of(ShippedPlugin& tail) {
  for (const PluginInfo& info : tail.manager().examine(kGuard)) {
    if (!info.health) continue;
    return info.health->level == PluginHealthInfo::Level::ok ? "ok" : info.health->message;
  }
  return "none";
}

/// A bus whose store refuses events of such topics so many times.
BusOptions refusing(const std::string& prefix, int times) {
  BusOptions options = quiet_options();
  options.opened_store = std::make_shared<RefusingStore>(prefix, times);
  options.keep = std::vector<std::string>{"log.*"};
  return options;
}

TEST_F(TailTest, ALineThatTheStoreDoesNotTakeIsTriedAgainAndThoseBehindItWait) {
  append("info 1: a\ninfo 2: b\ninfo 3: c\n");
  ShippedPlugin tail(kTarget, config({{"poll", "10ms"}}), Form::library, refusing("log.", 3));
  tail.start();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(tail.watcher().wait("log.info", static_cast<std::size_t>(i)).json().at("code"),
              i + 1);
  }
  EXPECT_EQ(health_of(tail), "ok");
  EXPECT_EQ(tail.stop(), (Json{{"lines", 3}, {"events", 3}, {"unmatched", 0}}));
  ASSERT_EQ(tail.watcher().count("tail.failed"), 1U);
  EXPECT_NE(tail.watcher()
                .wait("tail.failed")
                .json()
                .at("error")
                .get<std::string>()
                .find("the disk is full"),
            std::string::npos);
}

TEST_F(TailTest, ALineThatTheStoreDoesNotTakeIsReadByTheNextRun) {
  append("info 1: a\ninfo 2: b\n");
  const Json with_positions =
      config({{"positions", folder_.file("positions.json")}, {"poll", "10ms"}});
  {
    ShippedPlugin tail(kTarget, with_positions, Form::library,
                       refusing("log.", RefusingStore::kAlways));
    tail.start();
    (void)tail.watcher().wait("tail.failed");
    EXPECT_EQ(health_of(tail), "1 of the files wait until the bus takes their next line");
    EXPECT_EQ(tail.stop(), (Json{{"lines", 0}, {"events", 0}, {"unmatched", 0}}));
  }
  ShippedPlugin tail(kTarget, with_positions);
  tail.start();
  EXPECT_EQ(tail.watcher().wait("log.info", 0).json().at("code"), 1);
  EXPECT_EQ(tail.watcher().wait("log.info", 1).json().at("code"), 2);
  EXPECT_EQ(tail.stop().at("events"), 2);
}

TEST_F(TailTest, WithoutFollowItEndsWhenTheStoreHasTakenTheLastLine) {
  append("info 1: a\ninfo 2: b");  // no line yet
  ShippedPlugin tail(kTarget, config({{"poll", "10ms"}, {"follow", false}}), Form::library,
                     refusing("log.", 4));
  tail.start();
  EXPECT_EQ(tail.finish(), (Json{{"lines", 2}, {"events", 2}, {"unmatched", 0}}));
}

TEST_F(TailTest, ALineThatTheStoreDoesNotTakeHoldsUpNoOtherFile) {
  append("error 1: a\n");
  const std::string other = folder_.file("other.log");
  std::ofstream(other) << "info 2: b\n";
  ShippedPlugin tail(kTarget, config({{"files", {path_, other}}, {"poll", "10ms"}}), Form::library,
                     refusing("log.error", RefusingStore::kAlways));
  tail.start();
  EXPECT_EQ(tail.watcher().wait("log.info").json().at("code"), 2);
  EXPECT_EQ(tail.stop().at("events"), 1);
  EXPECT_EQ(tail.watcher().count("log.error"), 0U);
}

}  // namespace
}  // namespace busway
