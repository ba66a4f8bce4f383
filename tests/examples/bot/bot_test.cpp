// The plugins of the example bot, one by one and together, without the console.
#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include <test_paths.hpp>
#include "busway/bus.hpp"
#include "busway/error.hpp"
#include "busway/plugin_manager.hpp"
#include "busway/testing/manual_clock.hpp"

namespace busway {
namespace {

using namespace std::chrono_literals;
using testing::ManualClock;

/// A bus with some of the bot's plugins, and what they say.
class Bot {
 public:
  explicit Bot(const std::vector<std::string>& plugins, const Json& config = Json::object())
      : bus_({.clock = clock_}), plugins_(bus_) {
    for (const std::string& plugin : plugins) {
      plugins_.load(
          PluginSpec{.path = BUSWAY_BINARY_DIR "/plugins/bot_" + plugin + ".so", .config = config});
    }
    EXPECT_TRUE(plugins_.start_all().empty());
  }

  /// What is answered to it. Everybody has dealt with it when publish returns.
  std::vector<std::string> say(const std::string& name, const std::string& text) {
    EXPECT_TRUE(bus_.publish("chat.message", Json{{"name", name}, {"text", text}}).ok());
    return std::exchange(replies_, {});
  }

  Bus& bus() { return bus_; }
  PluginManager& plugins() { return plugins_; }
  ManualClock& clock() { return *clock_; }

 private:
  std::shared_ptr<ManualClock> clock_ = std::make_shared<ManualClock>();
  std::vector<std::string> replies_;
  Bus bus_;
  Subscription listener_ = bus_.subscribe("chat.reply", [this](const Json& reply) {
    replies_.push_back(reply.at("text").get<std::string>());
  });
  PluginManager plugins_;
};

using Replies = std::vector<std::string>;

TEST(Trivia, TheFirstRightAnswerWinsHoweverItIsWritten) {
  Bot bot({"trivia"});
  Json ended;
  auto listener =
      bot.bus().subscribe("trivia.ended", [&](const Json& payload) { ended = payload; });
  EXPECT_EQ(bot.say("ada", "!trivia"), Replies{"Which planet is nearest to the sun?"});
  EXPECT_EQ(bot.say("bob", "Venus"), Replies{});
  EXPECT_EQ(bot.say("bob", "  mercury!! "), Replies{"Right, bob: Mercury."});
  EXPECT_EQ(ended, (Json{{"winner", "bob"}, {"answer", "Mercury"}}));
  EXPECT_EQ(bot.say("ada", "Mercury"), Replies{});
}

TEST(Trivia, AsksOneQuestionAtATimeAndAnotherNext) {
  Bot bot({"trivia"});
  (void)bot.say("ada", "!trivia");
  EXPECT_EQ(bot.say("bob", "!trivia"),
            Replies{"One at a time: Which planet is nearest to the sun?"});
  (void)bot.say("ada", "mercury");
  EXPECT_EQ(bot.say("bob", "!trivia"), Replies{"How many bits has a byte?"});
}

TEST(Trivia, EndsWithoutAWinnerWhenTheTimeIsUp) {
  Bot bot({"trivia"}, {{"timeout_seconds", 20}});
  Json started;
  std::promise<Json> ended;
  auto start =
      bot.bus().subscribe("trivia.started", [&](const Json& payload) { started = payload; });
  auto end =
      bot.bus().subscribe("trivia.ended", [&](const Json& payload) { ended.set_value(payload); });
  (void)bot.say("ada", "!trivia");
  EXPECT_EQ(started, (Json{{"question", "Which planet is nearest to the sun?"}, {"timeout", 20}}));
  bot.clock().advance(20s);
  auto payload = ended.get_future();
  ASSERT_EQ(payload.wait_for(60s), std::future_status::ready);
  EXPECT_EQ(payload.get(), (Json{{"winner", nullptr}, {"answer", "Mercury"}}));
}

TEST(Trivia, ARightAnswerStopsTheClock) {
  Bot bot({"trivia"}, {{"timeout_seconds", 20}});
  int ended = 0;
  auto listener = bot.bus().subscribe("trivia.ended", [&](const Event&) { ++ended; });
  (void)bot.say("ada", "!trivia");
  (void)bot.say("ada", "Mercury");
  bot.clock().advance(60s);
  EXPECT_EQ(bot.say("bob", "!trivia"), Replies{"How many bits has a byte?"});
  EXPECT_EQ(ended, 1);
}

TEST(Trivia, RefusesATimeThatIsNone) {
  Bus bus;
  PluginManager plugins(bus);
  for (const Json& wrong : {Json(0), Json(3601), Json("30"), Json(1.5)}) {
    try {
      plugins.load(PluginSpec{.path = BUSWAY_BINARY_DIR "/plugins/bot_trivia.so",
                              .config = {{"timeout_seconds", wrong}}});
      FAIL() << wrong;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("timeout_seconds"), std::string::npos)
          << error.what();
    }
  }
}

TEST(Quotes, AreKeptAndGivenInTurnOrByNumber) {
  Bot bot({"quotes"});
  Json added;
  auto listener = bot.bus().subscribe("quote.added", [&](const Json& payload) { added = payload; });
  EXPECT_EQ(bot.say("ada", "!quote"), Replies{"There is no quote yet. Say !quote add TEXT."});
  EXPECT_EQ(bot.say("ada", "!quote add first things first"), Replies{"Quote 1 is kept."});
  EXPECT_EQ(added, (Json{{"number", 1}, {"text", "first things first"}, {"by", "ada"}}));
  (void)bot.say("bob", "!quote add  and then ");
  EXPECT_EQ(bot.say("ada", "!quote"), Replies{"#1: first things first"});
  EXPECT_EQ(bot.say("ada", "!quote"), Replies{"#2: and then"});
  EXPECT_EQ(bot.say("ada", "!quote"), Replies{"#1: first things first"});
  EXPECT_EQ(bot.say("ada", "!quote 2"), Replies{"#2: and then"});
  EXPECT_EQ(bot.say("ada", "!quote 3"), Replies{"There is no quote 3; the last is 2."});
}

TEST(Quotes, TellsHowItIsUsedAndLeavesOtherWordsAlone) {
  Bot bot({"quotes"});
  for (const char* text : {"!quote add", "!quote 1x", "!quote -1", "!quote remove 1"}) {
    EXPECT_EQ(bot.say("ada", text), Replies{"Say !quote add TEXT, !quote, or !quote NUMBER."})
        << text;
  }
  for (const char* text : {"!quotes", "quote", "look: !quote", ""}) {
    EXPECT_EQ(bot.say("ada", text), Replies{}) << text;
  }
}

TEST(Search, FindsQuotesThatHaveAllWords) {
  Bot bot({"search"});
  const auto add = [&](int number, const char* text) {
    EXPECT_TRUE(bot.bus().publish("quote.added", Json{{"number", number}, {"text", text}}).ok());
  };
  EXPECT_EQ(bot.say("ada", "!search simple"), Replies{"No quote has that."});
  add(1, "Simple things should be simple.");
  add(2, "Make it simple");
  EXPECT_EQ(bot.say("ada", "!search SIMPLE things"),
            Replies{"#1: Simple things should be simple."});
  EXPECT_EQ(bot.say("ada", "!search simple"),
            Replies{"#1: Simple things should be simple. | #2: Make it simple"});
  EXPECT_EQ(bot.say("ada", "!search simple make things"), Replies{"No quote has that."});
  EXPECT_EQ(bot.say("ada", "!search ?!"), Replies{});
}

TEST(Search, ShowsAFewAndCountsTheRest) {
  Bot bot({"search"});
  for (int number = 1; number <= 5; ++number) {
    (void)bot.bus().publish("quote.added", Json{{"number", number}, {"text", "same"}});
  }
  EXPECT_EQ(bot.say("ada", "!search same"), Replies{"#1: same | #2: same | #3: same | and 2 more"});
}

TEST(Stats, CountsPeopleAndGamesWhoeverRunsThem) {
  Bot bot({"stats"});
  (void)bot.say("ada", "hi");
  (void)bot.say("bob", "hi");
  (void)bot.bus().publish("trivia.started", Json{{"question", "?"}, {"timeout", 1}});
  (void)bot.bus().publish("trivia.ended", Json{{"winner", "bob"}, {"answer", "!"}});
  (void)bot.bus().publish("trivia.started", Json{{"question", "?"}, {"timeout", 1}});
  (void)bot.bus().publish("trivia.ended", Json{{"winner", nullptr}, {"answer", "!"}});
  EXPECT_EQ(bot.say("bob", "!stats"),
            Replies{"3 messages from 2 people, most by bob (2); 2 games, bob leads with 1 win"});
}

TEST(Bot, ItsPluginsAreReplacedInTheMiddleOfAChat) {
  Bot bot({"trivia", "stats", "quotes", "search"});
  (void)bot.say("ada", "!quote add a bus is not a train");
  (void)bot.say("ada", "!trivia");
  for (const char* plugin : {"trivia", "stats", "quotes", "search"}) {
    bot.plugins().reload(plugin);
  }
  EXPECT_EQ(bot.say("bob", "mercury"), Replies{"Right, bob: Mercury."});
  EXPECT_EQ(bot.say("bob", "!quote"), Replies{"#1: a bus is not a train"});
  EXPECT_EQ(bot.say("bob", "!search train"), Replies{"#1: a bus is not a train"});
  EXPECT_EQ(bot.say("ada", "!stats"),
            Replies{"6 messages from 2 people, most by ada (3); 1 game, bob leads with 1 win"});
}

TEST(Bot, PluginsWorkTogetherThroughEventsAlone) {
  Bot bot({"trivia", "stats", "quotes", "search"});
  (void)bot.say("ada", "!quote add a bus is not a train");
  EXPECT_EQ(bot.say("bob", "!search train"), Replies{"#1: a bus is not a train"});
  (void)bot.say("ada", "!trivia");
  (void)bot.say("bob", "mercury");
  EXPECT_EQ(bot.say("ada", "!stats"),
            Replies{"5 messages from 2 people, most by ada (3); 1 game, bob leads with 1 win"});
}

}  // namespace
}  // namespace busway
