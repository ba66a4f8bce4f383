// The library as a host runs it.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include <test_paths.hpp>
#include "busway/bus.hpp"
#include "busway/error.hpp"
#include "busway/plugin_import.hpp"
#include "busway/plugin_manager.hpp"

BUSWAY_IMPORT_PLUGIN(busway_console_static)

namespace busway {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr const char* kLibrary = BUSWAY_BINARY_DIR "/plugins/busway_console.so";

class ConsoleTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("busway_console_test_" + std::to_string(::getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string file(const std::string& text) {
    const fs::path path = folder_ / "chat.log";
    std::ofstream(path, std::ios::binary) << text;
    return path.string();
  }

  /// Lets the console read a file to its end. Returns what it said it found.
  Json play(const std::string& text, Json config = Json::object(),
            const std::string& library = kLibrary, const PluginRules& rules = {}) {
    config["input"] = file(text);
    Bus bus;
    Json summary;
    auto events = bus.subscribe("chat.*", [this](const Event& event) { keep(event); });
    auto found = bus.subscribe("run.summary", [&](const Json& payload) { summary = payload; });
    PluginManager plugins(bus);
    plugins.load(PluginSpec{.path = library, .config = config, .rules = rules});
    EXPECT_TRUE(plugins.start_all().empty());
    EXPECT_TRUE(plugins.wait_until_idle(60s));
    EXPECT_TRUE(plugins.stop_all().empty());
    return summary;
  }

  void keep(const Event& event) {
    const std::lock_guard lock(mutex_);
    topics_.emplace_back(event.topic());
    payloads_.push_back(event.json());
    sources_.emplace_back(event.source());
  }

  fs::path folder_;
  std::mutex mutex_;
  std::vector<std::string> topics_;
  std::vector<std::string> sources_;
  std::vector<Json> payloads_;
};

TEST_F(ConsoleTest, MakesAnEventOfEachLine) {
  const Json summary = play("[09:03] <alice> hi\n=== bob has joined\nbob: hello\n\n");
  EXPECT_EQ(topics_, (std::vector<std::string>{"chat.message", "chat.notice", "chat.message",
                                               "chat.notice"}));
  EXPECT_EQ(sources_, std::vector<std::string>(4, "console"));
  ASSERT_EQ(payloads_.size(), 4U);
  EXPECT_EQ(payloads_[0], (Json{{"name", "alice"}, {"text", "hi"}, {"time", "09:03"}}));
  EXPECT_EQ(payloads_[1], (Json{{"text", "=== bob has joined"}}));
  EXPECT_EQ(payloads_[2], (Json{{"name", "bob"}, {"text", "hello"}}));
  EXPECT_EQ(payloads_[3], (Json{{"text", ""}}));
  EXPECT_EQ(summary, (Json{{"lines", 4}, {"messages", 2}, {"notices", 2}}));
}

TEST_F(ConsoleTest, WorksLinkedInAndInAProcessOfItsOwnAsWell) {
  const Json wanted{{"lines", 2}, {"messages", 1}, {"notices", 1}};
  EXPECT_EQ(play("alice: hi\nbye\n", Json::object(), "static:busway_console_static"), wanted);
  PluginRules rules;
  rules.isolation = PluginIsolation::process;
  EXPECT_EQ(play("alice: hi\nbye\n", Json::object(), kLibrary, rules), wanted);
  EXPECT_EQ(topics_, (std::vector<std::string>{"chat.message", "chat.notice", "chat.message",
                                               "chat.notice"}));
}

TEST_F(ConsoleTest, ShowsEventsWithoutTheirSecrets) {
  ::testing::internal::CaptureStdout();
  {
    Bus bus;
    PluginManager plugins(bus);
    plugins.load(PluginSpec{
        .path = kLibrary,
        .config = {{"input", file("")}, {"patterns", "door.*"}, {"secret_keys", {"pin"}}}});
    EXPECT_TRUE(plugins.start_all().empty());
    bus.publish("door.opened",
                Json{{"door", "front"}, {"pin", 1234}, {"by", {{"accessToken", "hunter2"}}}});
    bus.publish("door.closed", Payload::json_text(R"({"z":1.0,"door":"front"})"));
    EXPECT_TRUE(plugins.wait_until_idle(60s));
    EXPECT_TRUE(plugins.stop_all().empty());
  }
  EXPECT_EQ(::testing::internal::GetCapturedStdout(),
            "[] door.opened {\"by\":{\"accessToken\":\"***\"},\"door\":\"front\",\"pin\":\"***\"}\n"
            "[] door.closed {\"door\":\"front\",\"z\":1.0}\n");
}

TEST_F(ConsoleTest, CountsWhatItHadToMend) {
  const Json summary = play("alice: caf\xE9\n" + std::string("bob: a\0b\n", 9) +
                            "carol: " + std::string(100'000, 'x') + "\n");
  EXPECT_EQ(
      summary,
      (Json{{"lines", 3}, {"messages", 3}, {"notices", 0}, {"overlong", 1}, {"repaired", 2}}));
  ASSERT_EQ(payloads_.size(), 3U);
  EXPECT_EQ(payloads_[0].at("text"), "caf\xEF\xBF\xBD");
  EXPECT_EQ(payloads_[1].at("text"),
            "a\xEF\xBF\xBD"
            "b");
  EXPECT_EQ(payloads_[2].at("text").get_ref<const std::string&>().size() + 7, 16'384U);
  EXPECT_EQ(payloads_[2].at("cut_bytes"), 100'007 - 16'384);
}

TEST_F(ConsoleTest, TheLongestLineItTakesFitsAnEventWhateverItHolds) {
  const Json summary = play(std::string(131'072, '\x01') + "\n", {{"line_bytes_max", 131'072}});
  EXPECT_EQ(summary, (Json{{"lines", 1}, {"messages", 0}, {"notices", 1}}));
  EXPECT_EQ(topics_.size(), 1U);
}

TEST_F(ConsoleTest, AnAsynchronousListenerThatBlocksLosesNothing) {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += "alice: " + std::to_string(i) + "\n";
  const std::string path = file(text);
  Bus bus;
  int heard = 0;
  auto listener = bus.subscribe(
      "chat.message",
      [&](const Json& message) { heard += message.at("text") == std::to_string(heard) ? 1 : 0; },
      {.mode = Mode::async,
       .queue_capacity = 4,
       .overflow = Overflow::block,
       .block_timeout = 60s});
  PluginManager plugins(bus);
  plugins.load(PluginSpec{.path = kLibrary, .config = {{"input", path}}});
  EXPECT_TRUE(plugins.start_all().empty());
  EXPECT_TRUE(plugins.wait_until_idle(60s));
  EXPECT_TRUE(bus.wait_idle(60s));
  EXPECT_EQ(heard, 5000);
  EXPECT_EQ(bus.stats().dropped, 0U);
}

TEST_F(ConsoleTest, ReadsNothingBeforeAPluginThatIsListedAfterItHasStarted) {
  const std::string path = file("alice: hi\n");
  Bus bus;
  auto events = bus.subscribe({"plugin.running", "chat.message"},
                              [this](const Event& event) { keep(event); });
  PluginManager plugins(bus);
  plugins.load(PluginSpec{.path = kLibrary, .config = {{"input", path}}});
  plugins.load(PluginSpec{.path = kLibrary, .id = "after", .config = {{"input", "/dev/null"}}});
  EXPECT_TRUE(plugins.start_all().empty());
  EXPECT_TRUE(plugins.wait_until_idle(60s));
  EXPECT_EQ(topics_,
            (std::vector<std::string>{"plugin.running", "plugin.running", "chat.message"}));
}

TEST_F(ConsoleTest, StopsWhileItWaitsForInput) {
  const fs::path path = folder_ / "pipe";
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  Bus bus;
  PluginManager plugins(bus);
  plugins.load(PluginSpec{.path = kLibrary, .config = {{"input", path.string()}}});
  EXPECT_TRUE(plugins.start_all().empty());
  EXPECT_FALSE(plugins.idle());
  EXPECT_TRUE(plugins.stop_all().empty());
}

TEST_F(ConsoleTest, AMissingInputIsNamedWhenItIsLoaded) {
  Bus bus;
  PluginManager plugins(bus);
  try {
    plugins.load(PluginSpec{.path = kLibrary, .config = {{"input", "/no/such/log"}}});
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::plugin_failed);
    EXPECT_NE(std::string(error.what()).find("/no/such/log"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace busway
