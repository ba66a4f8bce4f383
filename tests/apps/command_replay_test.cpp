#include <csignal>
#include <eventually.hpp>
#include <string>
#include <utility>
#include <vector>

#include "store_verbs.hpp"

namespace busway::app {
namespace {

TEST_F(StoreVerbs, ReplayIntoAPrefixPublishesEachAgain) {
  fill(3);
  const Ended ended = run({"replay", "order.*", "--into", "again."});
  EXPECT_EQ(ended.code, 0) << ended.err;
  EXPECT_EQ(ended.out, "replayed=3 skipped=0 refused=0 corrupt=0 end=all last_sequence=3\n");
  EXPECT_EQ(ended.err, "");
  const std::vector<json> all = lines_of(run({"history", "--json", "--oldest-first"}).out);
  ASSERT_EQ(all.size(), 6U);
  EXPECT_EQ(all[3].at("type"), "again.order.made");
  EXPECT_EQ(all[3].at("data"), (json{{"n", 1}}));
  EXPECT_EQ(all[3].at("causationid"), all[0].at("id"));
  EXPECT_NE(all[3].at("id"), all[0].at("id"));
  // Those that begin with the prefix are left out.
  EXPECT_EQ(run({"replay", "*", "--into", "again.", "--limit", "2"}).out,
            "replayed=2 skipped=0 refused=0 corrupt=0 end=limit last_sequence=2\n");
  EXPECT_EQ(json::parse(run({"replay", "*", "--into", "again.", "--json"}).out),
            (json{{"replayed", 3},
                  {"skipped", 5},
                  {"refused", json::array()},
                  {"corrupt", 0},
                  {"end", "all"},
                  {"last_sequence", 8},
                  {"dry_run", false}}));
}

TEST_F(StoreVerbs, ReplayIntoADurableNameGivesItTheEventsOnceMore) {
  fill(4);
  fill(2, "other");
  EXPECT_EQ(lines_of(drain("mailer", "order.*").out).size(), 4U);
  EXPECT_EQ(lines_of(drain("quiet", "order.*").out).size(), 4U);
  const Ended ended = run({"replay", "*", "--into-durable", "mailer", "--from", "2"});
  EXPECT_EQ(ended.code, 0) << ended.err;
  EXPECT_EQ(ended.out, "replayed=3 skipped=2 refused=0 corrupt=0 end=all last_sequence=6\n");
  const std::vector<json> again = lines_of(drain("mailer", "order.*").out);
  ASSERT_EQ(again.size(), 3U);
  EXPECT_EQ(again[0].at("sequence"), "2");
  EXPECT_EQ(drain("quiet", "order.*").out, "");
  EXPECT_EQ(lines_of(run({"history", "--json"}).out).size(), 6U) << "nothing was published";
}

TEST_F(StoreVerbs, ReplayTakesTheRangeByTimeSequenceAndId) {
  fill(5);
  const std::vector<json> all = lines_of(run({"history", "--json", "--oldest-first"}).out);
  ASSERT_EQ(all.size(), 5U);
  const auto count = [&](const std::vector<std::string>& range) {
    std::vector<std::string> words{"replay", "*", "--into", "x.", "--dry-run", "--json"};
    words.insert(words.end(), range.begin(), range.end());
    const Ended ended = run(words);
    EXPECT_EQ(ended.code, 0) << ended.err;
    return json::parse(ended.out).at("replayed").get<int>();
  };
  EXPECT_EQ(count({}), 5);
  EXPECT_EQ(count({"--from", "2", "--to", "4"}), 3);
  EXPECT_EQ(count({"--from", all[3].at("id")}), 2);
  EXPECT_EQ(count({"--from", all[0].at("time"), "--to", all[4].at("time")}), 5);
  EXPECT_EQ(count({"--to", "2001-01-01T00:00:00Z"}), 0);
  EXPECT_EQ(count({"--from", "9"}), 0);
  EXPECT_EQ(lines_of(run({"history", "--json"}).out).size(), 5U) << "a dry run changes nothing";
  EXPECT_EQ(run({"replay", "*", "--into", "x.", "--dry-run"}).out,
            "would_replay=5 skipped=0 refused=0 corrupt=0 end=all last_sequence=5\n");
}

TEST_F(StoreVerbs, ReplayThatRefusesSomeSaysWhyAndEndsWithOne) {
  fill(1, std::string(250, 't'));
  fill(1);
  const Ended ended = run({"replay", "*", "--into", "again.", "--json"});
  EXPECT_EQ(ended.code, 1);
  EXPECT_TRUE(has(ended.err, "1 event was refused")) << ended.err;
  const json counts = json::parse(ended.out);
  EXPECT_EQ(counts.at("replayed"), 1);
  EXPECT_EQ(counts.at("refused").at(0).at("code"), "invalid_topic");
  EXPECT_EQ(counts.at("refused").at(0).at("count"), 1);
}

TEST_F(StoreVerbs, ReplayRefusesWhatCannotBeMeant) {
  fill(1);
  const auto fails = [&](const std::vector<std::string>& words, int code, const std::string& part) {
    std::vector<std::string> all{"replay"};
    all.insert(all.end(), words.begin(), words.end());
    const Ended ended = run(all);
    EXPECT_EQ(ended.code, code) << part << ": " << ended.err;
    EXPECT_EQ(ended.out, "") << part;
    EXPECT_TRUE(has(ended.err, part)) << ended.err;
  };
  fails({"--into", "x."}, 2, "PATTERN");
  fails({"*"}, 2, "--into PREFIX or --into-durable NAME");
  fails({"*", "--into", ""}, 2, "--into");
  fails({"*", "--into", "x.", "--into-durable", "d"}, 2, "--into");
  fails({"*", "--into", "x y"}, 2, "prefix");
  fails({"a..*", "--into", "x."}, 2, "a..*");
  fails({"*", "--into", "x.", "--from", "yesterday"}, 2, "\"yesterday\" is none");
  fails({"*", "--into", "x.", "--to", "2026-13-01"}, 2, "2026-13-01");
  fails({"*", "--into", "x.", "--from", "5", "--to", "4"}, 2, "sequence 5");
  fails({"*", "--into", "x.", "--from", "2026-01-02T00:00:00Z", "--to", "2026-01-01T00:00:00Z"}, 2,
        "later than to");
  fails({"*", "--into", "x.", "--from", "01932c07-209b-7e5a-8e2f-5b8f6d2f3a11"}, 4,
        "01932c07-209b-7e5a-8e2f-5b8f6d2f3a11");
  fails({"*", "--into-durable", "nobody"}, 4, "nobody");
  fails({"*", "--into", "x.", "--limit", "-1"}, 2, "--limit");
  fails({"*", "--into", "x.", "--rate", "0"}, 2, "--rate");
  fails({"*", "--into", "x.", "--rate", "fast"}, 2, "--rate");
  for (const std::string wrong : {"0", "nan", "inf", "-1", "1x"}) {
    fails({"*", "--into", "x.", "--rate", wrong}, 2, '"' + wrong + "\" is no rate: it takes");
  }
  const Ended none =
      busway({"replay", "*", "--into", "x.", "--store", "sqlite:" + folder.file("none.db")});
  EXPECT_EQ(none.code, 4);
  EXPECT_TRUE(has(none.err, "does not exist")) << none.err;
  EXPECT_EQ(lines_of(run({"history", "--json"}).out).size(), 1U);
}

TEST_F(StoreVerbs, ReplayShowsATerminalHowFarItIs) {
  fill(600);
  fill(400, "other");
  const auto replayed = [&](const std::vector<std::string>& words) {
    std::vector<std::string> all{"replay", "order.*", "--into", "again.", "--store", store};
    all.insert(all.end(), words.begin(), words.end());
    Process process(tool(all), {.terminal = true});
    const Ended ended = process.wait();
    EXPECT_EQ(ended.code, 0) << ended.err;
    EXPECT_FALSE(has(ended.out, "%"));
    return ended.err;
  };
  const std::string full = "[##############################] 100 %  ";
  for (const auto& [words, count] :
       std::vector<std::pair<std::vector<std::string>, std::string>>{{{}, "600"},
                                                                     {{"--limit", "5"}, "5"},
                                                                     {{"--from", "599"}, "2"},
                                                                     {{"--to", "40"}, "40"}}) {
    const std::string shown = replayed(words);
    EXPECT_TRUE(has(shown, full + count + " events")) << count << ": " << shown;
    EXPECT_TRUE(shown.ends_with("\r\x1b[K")) << "it goes at the end: " << shown;
  }
  // Also within a page, which takes minutes at this rate.
  Process slow(
      tool({"replay", "*", "--into", "x.", "--rate", "2", "--to", "400", "--store", store}),
      {.terminal = true});
  EXPECT_TRUE(slow.wait_for("[..............................] 0 %  "));
  slow.signal(SIGINT);
  EXPECT_EQ(slow.wait().code, 1);
  // What is wrong is told as without a bar.
  Process none(tool({"replay", "*", "--into", "x.", "--from",
                     "01932c07-209b-7e5a-8e2f-5b8f6d2f3a11", "--store", store}),
               {.terminal = true});
  const Ended ended = none.wait();
  EXPECT_EQ(ended.code, 4);
  EXPECT_TRUE(has(ended.err, "01932c07-209b-7e5a-8e2f-5b8f6d2f3a11")) << ended.err;
}

TEST_F(StoreVerbs, ReplayEndsAtASignalAndSaysWhereItStopped) {
  fill(400);
  Process process(tool({"replay", "*", "--into", "x.", "--rate", "1", "--json", "--store", store}));
  // It replays one a second: the first tells that it has begun.
  EXPECT_TRUE(eventually([&] {
    return json::parse(run({"store", "info", "--json"}).out).at("events").get<int>() > 400;
  }));
  process.signal(SIGINT);
  const Ended ended = process.wait();
  EXPECT_EQ(ended.code, 1) << ended.err;
  const json counts = json::parse(ended.out);
  EXPECT_EQ(counts.at("end"), "cancelled");
  EXPECT_EQ(counts.at("replayed"), counts.at("last_sequence"));
}

}  // namespace
}  // namespace busway::app
