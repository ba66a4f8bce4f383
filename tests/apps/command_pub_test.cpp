#include <csignal>
#include <eventually.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "busway/limits.hpp"
#include "platform/host_name.hpp"
#include "store_verbs.hpp"

namespace busway::app {
namespace {

struct Pub : StoreVerbs {
  /// Reads standard input.
  Process live() const {
    return Process(tool({"pub", "--store", store, "--topic", "a", "--json"}), {.input = true});
  }
  int stored() const {
    const Ended info = run({"store", "info", "--json"});
    return info.code == 0 ? json::parse(info.out).at("events").get<int>() : 0;
  }
};

TEST_F(Pub, WhatCannotBeReadIsAnErrorAndNotAnEnd) {
  const std::string broken = "/proc/self/mem";
  for (const std::string& path : {folder.file(""), folder.file("none"), broken}) {
    const Ended ended = run({"pub", "--topic", "a", path});
    EXPECT_EQ(ended.code, 4) << path;
    EXPECT_TRUE(has(ended.err, path) && has(ended.err, "cannot be read: ")) << ended.err;
  }
}

TEST_F(Pub, AnOptionThatNoLineCouldUseIsRefusedBeforeOneIsRead) {
  struct Row {
    std::vector<std::string> words;
    std::string part;
  };
  const std::string long_text(limits::kTextBytesMax + 1, 'x');
  for (const Row& row : std::vector<Row>{{{"--topic", "a b"}, "a b"},
                                         {{"--topic", ""}, "--topic"},
                                         {{"--topic", "order.*"}, "order.*"},
                                         {{"--topic", std::string(256, 't')}, "256 bytes"},
                                         {{"--topic", "a", "--source", "\xff"}, "UTF-8"},
                                         {{"--topic", "a", "--source", long_text}, "--source"}}) {
    for (const std::string& path : {file(""), file("1\n"), folder.file("none")}) {
      std::vector<std::string> words{"pub", path};
      words.insert(words.end(), row.words.begin(), row.words.end());
      const Ended ended = run(words);
      EXPECT_EQ(ended.code, 2) << row.part << ": " << ended.err;
      EXPECT_EQ(ended.out, "") << row.part;
      EXPECT_TRUE(has(ended.err, row.part)) << ended.err;
    }
  }
  EXPECT_FALSE(std::filesystem::exists(folder.file("events.db"))) << "nor is the store made";
}

TEST_F(Pub, ALineThatIsTooLongIsNamedWithItsSizeAndTheBound) {
  const std::string large(2 * limits::kPayloadBytesDefault + 1, 'x');
  const Ended ended = run({"pub", "--topic", "a", file("1\n" + large + "\n3\n")});
  EXPECT_EQ(ended.code, 1);
  EXPECT_EQ(ended.out, "stored=2 duplicates=0 failed=1\n");
  EXPECT_TRUE(has(ended.err, "line 2: it has 2097153 bytes; at most 2097152")) << ended.err;
}

TEST_F(Pub, APayloadThatABusWouldRefuseIsRefused) {
  const std::string large(limits::kPayloadBytesDefault, 'x');
  const Ended ended = run({"pub", "--topic", "a", file("1\n\"" + large + "\"\n3\n")});
  EXPECT_EQ(ended.code, 1);
  EXPECT_EQ(ended.out, "stored=2 duplicates=0 failed=1\n");
  EXPECT_TRUE(has(ended.err,
                  "line 2: its payload has 1048578 bytes; at most 1048576 are taken "
                  "(max_payload)"))
      << ended.err.substr(0, 400);
}

TEST_F(Pub, WhatAPipeHasGivenIsStoredAsSoonAsItPauses) {
  Process process = live();
  ASSERT_TRUE(process.feed("1\n2\n3\n4"));
  EXPECT_TRUE(eventually([&] { return stored() == 3; }));
  ASSERT_TRUE(process.feed("\n5"));
  process.end_input();
  const Ended ended = process.wait();
  EXPECT_EQ(ended.code, 0) << ended.err;
  EXPECT_EQ(json::parse(ended.out), (json{{"stored", 5}, {"duplicates", 0}, {"failed", 0}}));
}

TEST_F(Pub, ASignalEndsItWithTheExactCount) {
  for (const int signal : {SIGINT, SIGTERM}) {
    const int before = stored();
    Process process = live();
    ASSERT_TRUE(process.feed("1\n2\n3"));
    EXPECT_TRUE(eventually([&] { return stored() == before + 2; }));
    process.signal(signal);
    const Ended ended = process.wait();
    EXPECT_EQ(ended.code, 1) << ended.err;
    const char* const name = signal == SIGINT ? "SIGINT" : "SIGTERM";
    EXPECT_EQ(json::parse(ended.out),
              (json{{"stored", 2}, {"duplicates", 0}, {"failed", 0}, {"ended_by", name}}));
    EXPECT_EQ(stored(), before + 2);
  }
}

TEST_F(Pub, EndsWhereTheStoreTakesNothingMoreAndSaysWhichLineIsNext) {
  Process process = live();
  ASSERT_TRUE(process.feed("1\n2\n"));
  ASSERT_TRUE(eventually([&] { return stored() == 2; }));
  std::filesystem::remove(folder.file("events.db"));
  ASSERT_TRUE(process.feed("\n4\n"));
  EXPECT_TRUE(eventually([&] { return process.has_ended(); })) << "though its input goes on";
  const Ended ended = process.wait();
  EXPECT_EQ(ended.code, 4);
  EXPECT_EQ(json::parse(ended.out), (json{{"stored", 2}, {"duplicates", 0}, {"failed", 1}}));
  EXPECT_TRUE(has(ended.err, "removed or replaced; nothing from line 4 on is stored")) << ended.err;
}

TEST_F(Pub, AnEventOfUnknownOutcomeIsPublishedOnceMoreAndStoredOnce) {
  const std::string lines = file("1\n2\n3\n");
  int opened_so_often = 0;
  for (int n = 1; n <= 20; ++n) {
    const TemporaryFolder place;
    const Ended ended =
        Process({"/usr/bin/env", std::string("LD_PRELOAD=") + BUSWAY_FAILING_DISK,
                 "ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0",
                 "BUSWAY_DISK_FOLDER=" + place.path().string(), "BUSWAY_DISK_CALLS=sync",
                 "BUSWAY_DISK_FAILS=" + std::to_string(n), BUSWAY_TOOL, "pub", "--topic", "a",
                 "--store", "sqlite:" + place.file("events.db"), lines})
            .wait();
    if (ended.out.empty()) continue;  // it was while the store was opened
    ++opened_so_often;
    EXPECT_EQ(ended.code, 0) << n << ": " << ended.err;
    EXPECT_EQ(ended.out, "stored=3 duplicates=0 failed=0\n") << n;
    store = "sqlite:" + place.file("events.db");
    EXPECT_EQ(stored(), 3) << n;
  }
  EXPECT_GT(opened_so_often, 1);
}

TEST_F(Pub, ATerminalSeesHowFarItIs) {
  std::string text;
  for (int i = 0; i < 2'500; ++i) text += std::to_string(i) + "\n";
  Process bar(tool({"pub", "--store", store, "--topic", "a", file(text)}), {.terminal = true});
  const Ended with_size = bar.wait();
  EXPECT_EQ(with_size.code, 0) << with_size.err;
  EXPECT_TRUE(has(with_size.err, "[##############################] 100 %  2500 events"))
      << with_size.err;
  Process count(tool({"pub", "--store", store, "--topic", "a"}), {.input = true, .terminal = true});
  ASSERT_TRUE(count.feed("1\n"));
  EXPECT_TRUE(count.wait_for("1 events"));
  count.end_input();
  const Ended without = count.wait();
  EXPECT_FALSE(has(without.err, "%")) << without.err;
  EXPECT_EQ(run({"pub", "--topic", "a", file("1\n")}).err, "");
}

TEST_F(Pub, EachEventBearsTheInstanceThatPutItIntoTheStore) {
  const std::string here = platform_detail::host_name();
  const std::string event = R"({"specversion":"1.0","type":"b","source":"shop",)"
                            R"("id":"01932c07-209b-7e5a-8e2f-5b8f6d2f3a11"})";
  EXPECT_EQ(run({"pub", "--topic", "a", file("1\n" + event + "\n")}).code, 0);
  const std::vector<json> all = lines_of(run({"history", "--json", "--instance", here}).out);
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[1].at("source"), "/busway/" + here);
  EXPECT_EQ(all[0].at("source"), "shop");
  EXPECT_EQ(all[0].at("instanceid"), here);
}

TEST_F(StoreVerbs, AStoreThatEndsWithTheCommandIsRefused) {
  for (const std::vector<std::string>& verb : {std::vector<std::string>{"pub", "--topic", "a"},
                                               {"sub", "*"},
                                               {"history"},
                                               {"stats"},
                                               {"dlq", "list"},
                                               {"store", "info"},
                                               {"replay", "*", "--into", "x."}}) {
    std::vector<std::string> words = verb;
    words.insert(words.end(), {"--store", "memory:"});
    const Ended ended = busway(words);
    EXPECT_EQ(ended.code, 2) << verb.front();
    EXPECT_TRUE(has(ended.err, "\"memory:\"") && has(ended.err, "sqlite:events.db")) << ended.err;
  }
}

}  // namespace
}  // namespace busway::app
