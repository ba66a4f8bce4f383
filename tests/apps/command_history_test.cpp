#include <chrono>
#include <string>
#include <vector>

#include "store_verbs.hpp"

namespace busway::app {
namespace {

/// Event 1 has all that can be asked for, event 2 has other things, event 3 nothing.
struct History : StoreVerbs {
  History() {
    const std::string one =
        R"({"specversion":"1.0","id":"01932c07-209b-7e5a-8e2f-5b8f6d2f3a11","type":"order.made",)"
        R"("source":"shop","time":"2026-01-01T00:00:00Z","origin":"websocket","userid":"ann",)"
        R"("sessionid":"s1","instanceid":"node-1","schema":"v1","entity":"order",)"
        R"("operation":"insert","correlationid":"c1"})";
    const std::string two =
        R"({"specversion":"1.0","id":"01932c07-209b-7e5a-8e2f-5b8f6d2f3a12","type":"order.paid",)"
        R"("source":"bank","time":"2026-02-01T00:00:00Z","origin":"database","userid":"bob",)"
        R"("sessionid":"s2","instanceid":"node-2","schema":"v2","entity":"bill",)"
        R"("operation":"update","correlationid":"c2"})";
    const std::string three = R"({"specversion":"1.0","type":"other","source":"x","id":"3"})";
    EXPECT_EQ(run({"pub", file(one + '\n' + two + '\n' + three + '\n')}).code, 0);
  }
  /// The sequences printed, oldest first.
  std::string found(const std::vector<std::string>& filter) const {
    std::vector<std::string> words{"history", "--json", "--oldest-first"};
    words.insert(words.end(), filter.begin(), filter.end());
    const Ended ended = run(words);
    EXPECT_EQ(ended.code, 0) << ended.err;
    std::string all;
    for (const json& one : lines_of(ended.out)) all += one.at("sequence").get<std::string>();
    return all;
  }
};

TEST_F(History, EachFieldIsAFilter) {
  const std::vector<std::vector<std::string>> filters{{"--origin", "websocket", "database"},
                                                      {"--source", "shop", "bank"},
                                                      {"--user", "ann", "bob"},
                                                      {"--session", "s1", "s2"},
                                                      {"--instance", "node-1", "node-2"},
                                                      {"--schema", "v1", "v2"},
                                                      {"--entity", "order", "bill"},
                                                      {"--operation", "insert", "update"},
                                                      {"--correlation", "c1", "c2"}};
  for (const std::vector<std::string>& one : filters) {
    EXPECT_EQ(found({one[0], one[1]}), "1") << one[0];
    EXPECT_EQ(found({one[0], one[2]}), "2") << one[0];
    if (one[0] != "--origin") {
      EXPECT_EQ(found({one[0], "nobody"}), "") << one[0];
    }
  }
  EXPECT_EQ(found({}), "123");
  EXPECT_EQ(found({"order.*"}), "12");
  EXPECT_EQ(found({"order.*", "--user", "bob"}), "2");
  EXPECT_EQ(found({"--after", "1"}), "23");
  EXPECT_EQ(run({"history", "--origin", "moon"}).code, 2);
}

TEST_F(History, TheStatusIsAFilter) {
  const auto held = opened();
  const std::vector<Pattern> patterns{Pattern::parse("order.*")};
  const auto consumer =
      held->open({.name = "mailer", .patterns = patterns, .start = Replay::beginning()});
  EXPECT_EQ(found({"--status", "pending"}), "12");
  EXPECT_EQ(found({"--status", "completed"}), "3") << "nobody listens";
  ASSERT_EQ(consumer->fetch(2).deliveries.size(), 2U);
  EXPECT_EQ(found({"--status", "processing"}), "12");
  const std::vector<Settlement> settled{{.sequence = 1},
                                        {.sequence = 2, .kind = Settlement::Kind::dead_letter}};
  EXPECT_EQ(consumer->settle(settled).accepted, 2U);
  EXPECT_EQ(found({"--status", "completed"}), "13");
  EXPECT_EQ(found({"--status", "failed"}), "2");
  EXPECT_EQ(run({"history", "--status", "lost"}).code, 2);
}

TEST_F(History, ATimeIsAFilterGivenAsAMomentOrAsHowLongAgo) {
  EXPECT_EQ(found({"--since", "2026-02-01T00:00:00Z"}), "23");
  EXPECT_EQ(found({"--until", "2026-02-01T00:00:00Z"}), "1") << "before, not at";
  EXPECT_EQ(found({"--since", "2026-02-01T01:00:00+01:00", "--until", "2026-02-02T00:00:00Z"}),
            "2");
  EXPECT_EQ(found({"--since", "1h"}), "3") << "without a time it is of now";
  EXPECT_EQ(found({"--until", "1h"}), "12");
  for (const std::string wrong : {"yesterday", "2026-13-01", "5", "-1h"}) {
    const Ended ended = run({"history", "--since=" + wrong});
    EXPECT_EQ(ended.code, 2) << wrong;
    EXPECT_TRUE(has(ended.err, "--since: \"" + wrong + "\" is no time: it takes")) << ended.err;
  }
}

TEST_F(StoreVerbs, HistorySaysEachTimeThatItLeftDamagedEventsOut) {
  EXPECT_EQ(run({"pub", "--topic", "a", file("\"one\"\n\"needle\"\n\"three\"\n")}).code, 0);
  damage("needle");
  for (int i = 0; i < 2; ++i) {
    const Ended ended = run({"history", "--json"});
    EXPECT_EQ(ended.code, 1);
    EXPECT_EQ(lines_of(ended.out).size(), 2U);
    EXPECT_TRUE(has(ended.err, "1 damaged event was left out; busway store check tells which"))
        << ended.err;
  }
  EXPECT_EQ(run({"store", "check"}).code, 1);
  EXPECT_FALSE(json::parse(run({"store", "check", "--json"}).out).at("sound").get<bool>());
}

}  // namespace
}  // namespace busway::app
