#include <csignal>
#include <eventually.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "store_verbs.hpp"

namespace busway::app {
namespace {

TEST_F(StoreVerbs, BenchTellsWhatItHasMeasuredAndLeavesNothingBehind) {
  fill(3);
  const Ended ended = run(
      {"bench", "--events", "50", "--size", "1KiB", "--batch", "20", "--threads", "2", "--json"});
  EXPECT_EQ(ended.code, 0) << ended.err;
  const json found = json::parse(ended.out);
  EXPECT_EQ(found.at("events"), 50);
  EXPECT_EQ(found.at("size"), 1024);
  EXPECT_EQ(found.at("batch"), 20);
  EXPECT_EQ(found.at("threads"), 2);
  EXPECT_EQ(found.at("durability"), "power_loss");
  EXPECT_EQ(found.at("publish").at("events"), 50);
  EXPECT_EQ(found.at("publish").at("calls"), 4) << "25 of each thread";
  EXPECT_EQ(found.at("consume").at("events"), 50);
  EXPECT_EQ(found.at("publish_to_handler").at("events"), 50);
  for (const char* const part : {"publish", "consume"}) {
    EXPECT_GT(found.at(part).at("events_per_second").get<double>(), 0) << part;
  }
  const json& way = found.at("publish_to_handler");
  EXPECT_GT(way.at("p50_us").get<double>(), 0);
  EXPECT_LE(way.at("p50_us").get<double>(), way.at("p99_us").get<double>());

  EXPECT_EQ(json::parse(run({"store", "info", "--json"}).out).at("events"), 3)
      << "the store beside it is untouched";
  for (const auto& one : std::filesystem::directory_iterator(folder.file("."))) {
    EXPECT_FALSE(has(one.path().filename().string(), "bench")) << one.path();
  }
}

TEST_F(StoreVerbs, BenchNeedsNoStoreThatExistsAndMakesNone) {
  const Ended ended = run({"bench", "--events", "1", "--size", "0", "--batch", "1"});
  EXPECT_EQ(ended.code, 0) << ended.err;
  EXPECT_TRUE(has(ended.out, "publish to handler, one by one  1 ")) << ended.out;
  EXPECT_TRUE(has(ended.err, "power_loss")) << ended.err;
  EXPECT_FALSE(std::filesystem::exists(folder.file("events.db")));
  EXPECT_EQ(busway({"bench", "--store", "memory:", "--events", "10", "--json"}).code, 0);
}

TEST_F(StoreVerbs, BenchRefusesWhatCannotBeMeant) {
  for (const std::vector<std::string>& words : {std::vector<std::string>{"--events", "0"},
                                                {"--events", "many"},
                                                {"--events", "-1"},
                                                {"--size", "2MiB"},
                                                {"--size", "x"},
                                                {"--size", "-1"},
                                                {"--batch", "0"},
                                                {"--batch", "10001"},
                                                {"--threads", "0"},
                                                {"--threads", "65"},
                                                {"extra"}}) {
    std::vector<std::string> all{"bench"};
    all.insert(all.end(), words.begin(), words.end());
    const Ended ended = run(all);
    EXPECT_EQ(ended.code, 2) << words.front() << ended.err;
    EXPECT_TRUE(has(ended.err, words.front())) << ended.err;
  }
  EXPECT_EQ(busway({"bench"}).code, 2);
  EXPECT_EQ(busway({"bench", "--store", "redis://localhost"}).code, 2);
  EXPECT_EQ(busway({"bench", "--store", "sqlite:"}).code, 2);
  EXPECT_EQ(busway({"bench", "--store", "sqlite:" + folder.file("none/events.db")}).code, 4);
}

TEST_F(StoreVerbs, BenchCleansUpAtASignal) {
  Process process(tool({"bench", "--events", "100000000", "--store", store}));
  const auto has_folder = [&] {
    for (const auto& one : std::filesystem::directory_iterator(folder.file("."))) {
      if (has(one.path().filename().string(), ".bench-")) return true;
    }
    return false;
  };
  EXPECT_TRUE(eventually(has_folder));
  process.signal(SIGTERM);
  EXPECT_EQ(process.wait().code, 1);
  EXPECT_FALSE(has_folder());
}

}  // namespace
}  // namespace busway::app
