// The verbs that look into a store: pub, sub, history, status, dlq, store.
#include <algorithm>
#include <csignal>
#include <filesystem>
#include <string>
#include <vector>

#include "store_verbs.hpp"

namespace busway::app {
namespace {

TEST_F(StoreVerbs, WhatIsPublishedIsInTheHistoryNewestFirst) {
  fill(3);
  const Ended ended = busway({"history", "--store", store, "--json", "order.*"});
  EXPECT_EQ(ended.code, 0) << ended.err;
  const std::vector<json> lines = lines_of(ended.out);
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(lines[0].at("data"), (json{{"n", 3}}));
  EXPECT_EQ(lines[0].at("type"), "order.made");
  EXPECT_EQ(lines[0].at("source"), "shop");
  EXPECT_EQ(lines[0].at("sequence"), "3");
  const Ended one = busway({"history", "--store", store, "--limit", "1", "--oldest-first"});
  EXPECT_TRUE(has(one.out, "order.made from shop\t{\"n\":1}")) << one.out;
  EXPECT_EQ(busway({"history", "--store", store, "--source", "other"}).out, "");
}

TEST_F(StoreVerbs, ACloudEventKeepsItsIdAndIsADuplicateTheSecondTime) {
  fill(1);
  const std::string history = busway({"history", "--store", store, "--json"}).out;
  const Ended again = busway({"pub", "--store", store, file(history)});
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(again.out, "stored=0 duplicates=1 failed=0\n");
}

TEST_F(StoreVerbs, AFaultyLineIsNamedAndTheOthersArePublished) {
  const Ended ended = busway(
      {"pub", "--store", store, "--topic", "a", "--json", file("{\"n\":1}\nnonsense\n\n[2]\n")});
  EXPECT_EQ(ended.code, 1);
  EXPECT_EQ(json::parse(ended.out), (json{{"stored", 2}, {"duplicates", 0}, {"failed", 1}}));
  EXPECT_TRUE(has(ended.err, "line 2: ")) << ended.err;
  const Ended topicless = busway({"pub", "--store", store, file("{}\n")});
  EXPECT_EQ(topicless.code, 1);
  EXPECT_TRUE(has(topicless.err, "--topic")) << topicless.err;
}

TEST_F(StoreVerbs, ADurableSubPrintsEachOnceAndGoesOn) {
  fill(5);
  const std::vector<std::string> sub{"sub",     "--store", store,       "--durable",
                                     "mailer",  "--from",  "beginning", "--json",
                                     "order.*", "--count", "2",         "--until-idle"};
  const Ended first = busway(sub);
  EXPECT_EQ(first.code, 0) << first.err;
  EXPECT_EQ(lines_of(first.out).size(), 2U);
  const Ended second =
      busway({"sub", "--store", store, "--durable", "mailer", "--json", "order.*", "--until-idle"});
  const std::vector<json> rest = lines_of(second.out);
  ASSERT_EQ(rest.size(), 3U);
  EXPECT_EQ(rest[0].at("data"), (json{{"n", 3}}));
  const Ended names = busway({"store", "durable", "list", "--store", store, "--json"});
  EXPECT_EQ(json::parse(names.out).at("lag"), 0);
  EXPECT_EQ(json::parse(names.out).at("leased"), 0);
  EXPECT_EQ(busway({"store", "durable", "rm", "--store", store, "mailer"}).code, 0);
  EXPECT_EQ(busway({"store", "durable", "rm", "--store", store, "mailer"}).code, 4);
}

TEST_F(StoreVerbs, StatusTellsOfEachDurableName) {
  fill(1);
  const std::string id =
      json::parse(busway({"history", "--store", store, "--json"}).out).at("id").get<std::string>();
  EXPECT_EQ(busway({"sub", "--store", store, "--durable", "a", "--from", "beginning", "*",
                    "--until-idle"})
                .code,
            0);
  const Ended ended = busway({"status", "--store", store, "--json", id});
  EXPECT_EQ(ended.code, 0) << ended.err;
  const json status = json::parse(ended.out);
  EXPECT_EQ(status.at("status"), "completed");
  EXPECT_EQ(status.at("deliveries").at(0).at("durable"), "a");
  EXPECT_EQ(busway({"status", "--store", store, "x"}).code, 2);
  EXPECT_EQ(busway({"status", "--store", store, "01932c07-209b-7e5a-8e2f-5b8f6d2f3a11"}).code, 4);
}

TEST_F(StoreVerbs, TheStoreIsLookedAfter) {
  fill(10);
  const json info = json::parse(busway({"store", "info", "--store", store, "--json"}).out);
  EXPECT_EQ(info.at("events"), 10);
  EXPECT_EQ(info.at("durability"), "power_loss");
  EXPECT_EQ(busway({"store", "check", "--store", store}).code, 0);
  const std::string copy = folder.file("copy.db");
  EXPECT_EQ(busway({"store", "backup", "--store", store, copy}).code, 0);
  EXPECT_EQ(busway({"store", "backup", "--store", store, copy}).code, 4);
  EXPECT_EQ(busway({"store", "trim", "--store", store}).code, 2);
  EXPECT_EQ(busway({"store", "trim", "--store", store, "--max-events", "4"}).out,
            "removed=6 held=0\n");
  EXPECT_EQ(busway({"store", "vacuum", "--store", store}).code, 0);
  EXPECT_EQ(json::parse(busway({"store", "info", "--store", "sqlite:" + copy, "--json"}).out)
                .at("events"),
            10);
}

TEST_F(StoreVerbs, WhatLooksAfterAStoreAnswersInJson) {
  fill(10);
  EXPECT_EQ(json::parse(run({"store", "check", "--json"}).out),
            (json{{"sound", true}, {"faults", json::array()}}));
  const std::string copy = folder.file("copy.db");
  const json made = json::parse(run({"store", "backup", "--json", copy}).out);
  EXPECT_EQ(made.at("path"), copy);
  EXPECT_GT(made.at("bytes"), 0);
  EXPECT_EQ(json::parse(run({"store", "trim", "--json", "--max-events", "4"}).out),
            (json{{"removed", 6}, {"held", 0}}));
  EXPECT_TRUE(json::parse(run({"store", "vacuum", "--json"}).out).contains("bytes_before"));
  EXPECT_EQ(drain("mailer").code, 0);
  EXPECT_EQ(json::parse(run({"store", "durable", "rm", "--json", "mailer"}).out),
            (json{{"removed", "mailer"}}));
  const Ended none = run({"store", "durable", "rm", "--json", "mailer"});
  EXPECT_EQ(none.code, 4);
  EXPECT_TRUE(has(none.err, "no durable name \"mailer\"")) << none.err;
}

TEST_F(StoreVerbs, ACheckTellsWhatIsDamaged) {
  EXPECT_EQ(run({"pub", "--topic", "a", file("\"one\"\n\"needle\"\n")}).code, 0);
  damage("needle");
  const Ended text = run({"store", "check"});
  EXPECT_EQ(text.code, 1);
  EXPECT_TRUE(has(text.err, "event 2: ")) << text.err;
  EXPECT_FALSE(has(text.err, "sound")) << text.err;
  const Ended object = run({"store", "check", "--json"});
  EXPECT_EQ(object.code, 1);
  const json found = json::parse(object.out);
  EXPECT_EQ(found.at("sound"), false);
  ASSERT_EQ(found.at("faults").size(), 1U);
  EXPECT_TRUE(has(found.at("faults").at(0).get<std::string>(), "event 2: "));
}

TEST_F(StoreVerbs, AVacuumMakesTheFileSmaller) {
  std::string text;
  for (int i = 0; i < 400; ++i) {
    std::string payload;
    for (int n = 0; n < 200; ++n) payload += std::to_string((i * 7919 + n * 104'729) % 1'000'003);
    text += '"' + payload + "\"\n";
  }
  EXPECT_EQ(run({"pub", "--topic", "a", file(text)}).code, 0);
  EXPECT_EQ(run({"store", "trim", "--max-events", "1"}).out, "removed=399 held=0\n");
  const auto pages = [&] {
    // A copy of the log that the file has still to take is not counted.
    EXPECT_EQ(opened()->check().size(), 0U);
    return std::filesystem::file_size(folder.file("events.db"));
  };
  const auto before = pages();
  EXPECT_EQ(run({"store", "vacuum"}).code, 0);
  EXPECT_LT(pages(), before / 2);
}

TEST_F(StoreVerbs, NothingTakesAnEmptyText) {
  fill(1);
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"sub", "*", "--until-idle", "--durable", ""},
        {"sub", "", "--until-idle"},
        {"dlq", "redrive", "--durable", ""},
        {"dlq", "purge", "--durable", ""},
        {"dlq", "purge", "--durable=", "--all"},
        {"dlq", "purge", ""},
        {"history", "--user", ""},
        {"history", "--user=", "order.*"},
        {"pub", "--topic", "a", ""},
        {"pub", "--topic", ""},
        {"store", "backup", ""},
        {"replay", "*", "--into", ""},
        {"replay", "*", "--into", "x.", "--from", ""}}) {
    const Ended ended = run(words);
    EXPECT_EQ(ended.code, 2) << words[0] << ' ' << words[1];
    EXPECT_EQ(ended.out, "");
    EXPECT_TRUE(has(ended.err, "takes a ") && has(ended.err, "; it is empty")) << ended.err;
  }
  EXPECT_TRUE(has(run({"history", "--user", ""}).err, "--user: takes a text; it is empty"));
  EXPECT_EQ(busway({"history", "--store", ""}).code, 2);
  EXPECT_EQ(lines_of(run({"history", "--json"}).out).size(), 1U);
}

TEST_F(StoreVerbs, AFaultyAddressIsAFaultOfTheCommandLine) {
  for (const std::string wrong : {"sqlite:", "nope:x", "c.db", "redis://h"}) {
    for (const std::vector<std::string>& verb :
         {std::vector<std::string>{"history"}, {"pub", "--topic", "a"}, {"bench"}}) {
      std::vector<std::string> words = verb;
      words.insert(words.end(), {"--store", wrong});
      const Ended ended = busway(words);
      EXPECT_EQ(ended.code, 2) << wrong;
      EXPECT_TRUE(has(ended.err, "--store: ")) << ended.err;
    }
  }
}

TEST_F(StoreVerbs, ATerminalSeesHowFarTheCareOfAStoreIs) {
  fill(1'000);
  const auto shown = [&](std::vector<std::string> words) {
    words.insert(words.end(), {"--store", store});
    const Ended ended = Process(tool(words), {.terminal = true}).wait();
    EXPECT_EQ(ended.code, 0) << ended.err;
    return ended.err;
  };
  EXPECT_TRUE(has(shown({"store", "check"}), " %  0 events"));
  EXPECT_TRUE(has(shown({"store", "backup", folder.file("copy.db")}), " bytes"));
  EXPECT_TRUE(has(shown({"store", "trim", "--max-events", "100"}), " events looked at"));
  EXPECT_TRUE(has(shown({"store", "vacuum"}), " pages"));
  EXPECT_EQ(run({"store", "check"}).err, "busway: the store is sound\n");
}

TEST_F(StoreVerbs, ABackupThatASignalEndsLeavesNothing) {
  fill(20'000);
  const std::string copies = folder.file("copies");
  std::filesystem::create_directory(copies);
  // One that was done before the signal came says nothing; most are not.
  bool was_ended = false;
  for (int turn = 0; turn < 30 && !was_ended; ++turn) {
    const int signal = turn % 2 == 0 ? SIGINT : SIGTERM;
    Process process(tool({"store", "backup", "--store", store, copies + "/copy.db"}),
                    {.terminal = true});
    ASSERT_TRUE(process.wait_for(" bytes"));
    process.signal(signal);
    const Ended ended = process.wait();
    was_ended = ended.code == 1;
    if (was_ended) {
      EXPECT_TRUE(has(ended.err, signal == SIGINT ? "ended by SIGINT" : "ended by SIGTERM"))
          << ended.err;
      EXPECT_TRUE(std::filesystem::is_empty(copies));
    } else {
      EXPECT_EQ(ended.code, 0) << ended.err;
      EXPECT_TRUE(std::filesystem::remove(copies + "/copy.db"));
    }
  }
  EXPECT_TRUE(was_ended);
}

TEST_F(StoreVerbs, AStoreThatCannotBeWrittenCanBeLookedAt) {
  fill(3);
  // Nobody can hold a folder as the gate, not even root.
  const std::string gate = folder.file("events.db-gate");
  std::filesystem::remove(gate);
  std::filesystem::create_directory(gate);
  const std::string id = lines_of(run({"history", "--json"}).out).at(0).at("id");
  for (const std::vector<std::string>& verb : {std::vector<std::string>{"history"},
                                               {"status", id},
                                               {"dlq", "list"},
                                               {"stats"},
                                               {"store", "info"},
                                               {"store", "check"},
                                               {"store", "durable", "list"}}) {
    const Ended ended = run(verb);
    EXPECT_EQ(ended.code, 0) << verb.back() << ": " << ended.err;
  }
  EXPECT_TRUE(has(run({"store", "info"}).out, "note: open for reading only"));
  for (const std::vector<std::string>& verb : {std::vector<std::string>{"pub", "--topic", "a"},
                                               {"dlq", "purge", "--all"},
                                               {"store", "trim", "--max-events", "1"},
                                               {"store", "vacuum"}}) {
    const Ended ended = run(verb);
    EXPECT_EQ(ended.code, 4) << verb.front();
    EXPECT_TRUE(has(ended.err, "cannot be written")) << ended.err;
  }
  EXPECT_EQ(json::parse(run({"stats", "--json"}).out).at("events"), 3);
}

#ifdef BUSWAY_SQLITE_WORKER

/// A store of three events on a disk of its own that is read-only.
struct StoreOnReadOnlyDisk : StoreVerbs {
  // Characters that mean something in the address of a database.
  std::string path = folder.file("a%20b?c#d.db");

  /// The tool there; `state`: how the store was left.
  [[nodiscard]] Ended there(const std::string& state, std::vector<std::string> words) const {
    words.insert(words.end(), {"--store", "sqlite:" + path});
    std::vector<std::string> all = tool(words);
    all.insert(all.begin(), {BUSWAY_SQLITE_WORKER, "run-read-only", path, state});
    return Process(all).wait();
  }
  static bool has_no_disk(const Ended& ended) { return ended.code == 77; }
};

const std::vector<std::vector<std::string>> kLooks{
    {"history"},
    {"status", "00000000-0000-0001-0000-000000000002"},
    {"dlq", "list"},
    {"stats"},
    {"store", "info"},
    {"store", "check"},
    {"store", "durable", "list"}};

TEST_F(StoreOnReadOnlyDisk, IsLookedAtWhetherItWasClosedOrItsHostWasKilled) {
  for (const std::string state : {"closed", "killed"}) {
    for (const std::vector<std::string>& verb : kLooks) {
      const Ended ended = there(state, verb);
      if (has_no_disk(ended)) GTEST_SKIP() << "a tmpfs cannot be mounted here";
      EXPECT_EQ(ended.code, 0) << state << ' ' << verb.back() << ": " << ended.err;
      EXPECT_FALSE(has(ended.err, "error")) << ended.err;
    }
    EXPECT_EQ(lines_of(there(state, {"history", "--json"}).out).size(), 3U) << state;
    const Ended info = there(state, {"store", "info", "--json"});
    EXPECT_EQ(json::parse(info.out).at("events"), 3) << info.out;
    const std::string copy = folder.file("copy.db");
    const Ended no_room = there(state, {"store", "backup", copy});
    EXPECT_EQ(no_room.code, 4);
    EXPECT_TRUE(has(no_room.err, "copy.db cannot be made")) << no_room.err;
  }
}

TEST_F(StoreOnReadOnlyDisk, WhatWouldWriteIsRefusedWithOneError) {
  for (const std::string state : {"closed", "killed"}) {
    for (const std::vector<std::string>& verb : {std::vector<std::string>{"pub", "--topic", "a"},
                                                 {"sub", "*"},
                                                 {"sub", "--durable", "mailer", "*"},
                                                 {"replay", "*", "--into", "x."},
                                                 {"dlq", "purge", "--all"},
                                                 {"store", "trim", "--max-events", "1"},
                                                 {"store", "vacuum"},
                                                 {"store", "durable", "rm", "mailer"}}) {
      const Ended ended = there(state, verb);
      if (has_no_disk(ended)) GTEST_SKIP() << "a tmpfs cannot be mounted here";
      EXPECT_EQ(ended.code, 4) << state << ' ' << verb.front() << ": " << ended.err;
      EXPECT_EQ(ended.out, "") << verb.front();
      EXPECT_TRUE(has(ended.err, "cannot be written")) << ended.err;
      EXPECT_EQ(std::count(ended.err.begin(), ended.err.end(), '\n'), 1) << ended.err;
    }
  }
}

TEST_F(StoreOnReadOnlyDisk, WithALogThatCannotBeReadItIsRefusedWithWhatToDo) {
  for (const std::vector<std::string>& verb : kLooks) {
    const Ended ended = there("without-shm", verb);
    if (has_no_disk(ended)) GTEST_SKIP() << "a tmpfs cannot be mounted here";
    EXPECT_EQ(ended.code, 4) << verb.back();
    EXPECT_EQ(ended.out, "") << verb.back();
    EXPECT_TRUE(has(ended.err, "d.db-wal, that cannot be read where nothing can be written"))
        << ended.err;
    EXPECT_TRUE(has(ended.err, "copy both files into a folder that can be written")) << ended.err;
    EXPECT_EQ(std::count(ended.err.begin(), ended.err.end(), '\n'), 1) << ended.err;
  }
}

#endif

TEST_F(StoreVerbs, HelpTellsWhatTheExitCodesMeanForStores) {
  for (const std::vector<std::string>& verb :
       {std::vector<std::string>{"pub"}, {"replay"}, {"store", "check"}, {"bench"}, {"history"}}) {
    std::vector<std::string> words = verb;
    words.emplace_back("--help");
    const std::string help = busway(words).out;
    for (const char* const part : {"lines were not stored", "faults were found",
                                   "damaged events were left out", "a store does not exist"}) {
      EXPECT_TRUE(has(help, part)) << verb.back() << ": " << part;
    }
  }
}

TEST_F(StoreVerbs, WithoutDeadLettersThereIsNothingToRedriveOrPurge) {
  fill(1);
  const Ended none = busway({"dlq", "list", "--store", store});
  EXPECT_EQ(none.code, 0);
  EXPECT_TRUE(has(none.err, "0 dead letters")) << none.err;
  EXPECT_EQ(busway({"dlq", "purge", "--store", store}).code, 2) << "all must be said";
  EXPECT_EQ(busway({"dlq", "purge", "--store", store, "--all"}).out, "purged=0\n");
  EXPECT_EQ(busway({"dlq", "redrive", "--store", store, "--id", "7"}).code, 4);
}

TEST_F(StoreVerbs, ANumberBelowZeroIsNotTheGreatestOfAll) {
  fill(1);
  for (const std::vector<std::string>& verb : {std::vector<std::string>{"history", "--limit", "-1"},
                                               {"history", "--after", "-1"},
                                               {"sub", "*", "--until-idle", "--count", "-1"},
                                               {"dlq", "list", "--limit", "-1"},
                                               {"dlq", "purge", "--id", "-1"},
                                               {"store", "trim", "--max-events", "-1"}}) {
    const Ended ended = run(verb);
    EXPECT_EQ(ended.code, 2) << verb.front();
    EXPECT_TRUE(has(ended.err, "\"-1\" is no whole number")) << ended.err;
  }
}

TEST_F(StoreVerbs, AStoreThatDoesNotExistIsMadeByPubAlone) {
  for (const std::vector<std::string>& verb :
       {std::vector<std::string>{"history"}, {"sub", "*"}, {"store", "info"}, {"dlq", "list"}}) {
    std::vector<std::string> words = verb;
    words.insert(words.end(), {"--store", store});
    const Ended ended = busway(words);
    EXPECT_EQ(ended.code, 4) << verb.front();
    EXPECT_TRUE(has(ended.err, "does not exist")) << ended.err;
  }
  EXPECT_EQ(busway({"history", "--store", "redis://localhost"}).code, 2);
  EXPECT_EQ(busway({"history", "--store", "nonsense"}).code, 2);
}

}  // namespace
}  // namespace busway::app
