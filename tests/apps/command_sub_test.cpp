#include <csignal>
#include <eventually.hpp>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "store_verbs.hpp"

namespace busway::app {
namespace {

constexpr int kEvents = 3'000;
/// What it fetches in one go.
constexpr int kBatch = 100;

/// Those of whole lines.
std::vector<int> sequences_of(std::string text) {
  text.resize(text.rfind('\n') == std::string::npos ? 0 : text.rfind('\n') + 1);
  std::vector<int> out;
  for (const json& one : lines_of(text)) {
    out.push_back(std::stoi(one.at("sequence").get<std::string>()));
  }
  return out;
}

struct Sub : StoreVerbs {
  std::vector<std::string> words(const std::string& pattern = "*") const {
    return tool(
        {"sub", "--store", store, "--durable", "mailer", "--from", "beginning", "--json", pattern});
  }
  /// A pipe that nobody reads does not take what it fetches in one go.
  void fill_with_large(int count) const {
    std::string text;
    for (int i = 0; i < count; ++i) text += '"' + std::string(1'000, 'x') + "\"\n";
    EXPECT_EQ(run({"pub", "--topic", "a", file(text)}).code, 0);
  }
  /// What the store says of it; null: it has no such name yet.
  json name() const {
    const std::string text = run({"store", "durable", "list", "--json"}).out;
    return text.empty() ? json() : json::parse(text);
  }
};

TEST_F(Sub, ASignalInTheMiddleLeavesNothingHalfSettled) {
  fill(kEvents);
  Process process(words());
  ASSERT_TRUE(process.wait_for("\"sequence\":\"700\""));
  process.signal(SIGINT);
  const Ended first = process.wait();
  EXPECT_EQ(first.code, 0) << first.err;
  const std::vector<int> printed = sequences_of(first.out);
  ASSERT_GE(printed.size(), 700U);
  ASSERT_LT(printed.size(), static_cast<std::size_t>(kEvents));
  EXPECT_EQ(name().at("leased"), 0);
  EXPECT_EQ(name().at("retrying").get<int>() + name().at("lag").get<int>(),
            kEvents - static_cast<int>(printed.size()));
  const std::vector<int> rest = sequences_of(drain("mailer").out);
  ASSERT_EQ(printed.size() + rest.size(), static_cast<std::size_t>(kEvents));
  EXPECT_EQ(rest.front(), printed.back() + 1);
  EXPECT_EQ(drain("mailer").out, "");
}

TEST_F(Sub, ASecondSignalSettlesNothingThatWasNotPrinted) {
  constexpr int kLarge = 500;
  fill_with_large(kLarge);
  Process process(words());
  ASSERT_TRUE(process.wait_for("\"sequence\":\"150\""));
  ASSERT_TRUE(eventually([&] { return name().at("cursor") == 3 * kBatch; }));
  // It cannot print all of the third before somebody reads.
  process.signal(SIGINT);
  process.signal(SIGTERM);
  ASSERT_TRUE(eventually([&] { return process.has_ended(); })) << "before anybody reads on";
  const Ended first = process.wait();
  EXPECT_EQ(first.code, 128 + SIGTERM);
  const std::vector<int> printed = sequences_of(first.out);
  const std::vector<int> rest = sequences_of(drain("mailer").out);
  std::set<int> all(printed.begin(), printed.end());
  all.insert(rest.begin(), rest.end());
  EXPECT_EQ(all.size(), static_cast<std::size_t>(kLarge));
  EXPECT_EQ(rest.size(), static_cast<std::size_t>(kLarge - 2 * kBatch))
      << "what was printed and not settled comes again";
  EXPECT_GE(printed.size(), static_cast<std::size_t>(2 * kBatch));
  EXPECT_EQ(drain("mailer").out, "");
}

TEST_F(Sub, AStoreThatCannotBeAskedIsAskedAgain) {
  fill_with_large(2 * kBatch);
  std::vector<std::string> all = words();
  all.emplace_back("--until-idle");
  Process process(all);
  ASSERT_TRUE(eventually([&] { return !name().is_null() && name().at("cursor") == kBatch; }));
  const std::string path = folder.file("events.db");
  std::filesystem::rename(path, path + ".away");
  EXPECT_TRUE(process.wait_for("asked again until it answers"));
  std::filesystem::rename(path + ".away", path);
  const Ended ended = process.wait();
  EXPECT_EQ(ended.code, 0) << ended.err;
  EXPECT_EQ(sequences_of(ended.out).size(), static_cast<std::size_t>(2 * kBatch));
  EXPECT_TRUE(has(ended.err, "the store can be asked again")) << ended.err;
  EXPECT_EQ(ended.err.find("until it answers"), ended.err.rfind("until it answers")) << ended.err;
}

TEST_F(Sub, SaysAtTheEndThatItLeftDamagedEventsOut) {
  EXPECT_EQ(run({"pub", "--topic", "a", file("\"one\"\n\"needle\"\n\"three\"\n")}).code, 0);
  damage("needle");
  for (const bool durable : {false, true}) {
    const Ended ended = durable
                            ? drain("mailer")
                            : run({"sub", "*", "--from", "beginning", "--json", "--until-idle"});
    EXPECT_EQ(ended.code, 1) << durable;
    EXPECT_EQ(sequences_of(ended.out), (std::vector<int>{1, 3}));
    EXPECT_TRUE(has(ended.err, "1 damaged event was left out; busway store check tells which"))
        << ended.err;
  }
}

TEST_F(Sub, APatternNamedTwiceIsOne) {
  fill(1);
  EXPECT_EQ(run({"sub", "x", "y", "--durable", "d", "--until-idle"}).code, 0);
  const Ended again = run({"sub", "x", "x", "y", "--durable", "d", "--until-idle"});
  EXPECT_EQ(again.code, 0) << again.err;
  const Ended other = run({"sub", "z", "--durable", "d", "--until-idle"});
  EXPECT_EQ(other.code, 4);
  EXPECT_TRUE(has(other.err, "remove it (busway store durable rm)")) << other.err;
}

TEST_F(Sub, AnExistingNameKeepsItsOrder) {
  fill(2);
  for (const std::string order : {"key", "strict"}) {
    const auto sub = [&](const std::string& pattern, const std::vector<std::string>& more) {
      std::vector<std::string> all{"sub",    pattern,     "--durable",    order,
                                   "--from", "beginning", "--until-idle", "--json"};
      all.insert(all.end(), more.begin(), more.end());
      return run(all);
    };
    EXPECT_EQ(sub("*", {"--order", order, "--count", "1"}).code, 0);
    const Ended rest = sub("*", {});
    EXPECT_EQ(rest.code, 0) << rest.err;
    EXPECT_EQ(sequences_of(rest.out), std::vector<int>{2});
    const Ended other = sub("*", {"--order", "relaxed"});
    EXPECT_EQ(other.code, 4);
    EXPECT_TRUE(has(other.err, order) && has(other.err, "relaxed")) << other.err;
  }
  const Ended wrong = run({"sub", "*", "--durable", "d", "--order", "random"});
  EXPECT_EQ(wrong.code, 2);
  EXPECT_TRUE(has(wrong.err, "\"random\" is none: it takes relaxed, key or strict")) << wrong.err;
  EXPECT_EQ(run({"sub", "*", "--order", "key"}).code, 2) << "of a durable name";
}

TEST_F(Sub, OneThatStandsBySaysSo) {
  fill(2);
  const auto held = opened();
  const std::vector<Pattern> patterns{Pattern::parse("*")};
  const auto active = held->open({.name = "mailer",
                                  .patterns = patterns,
                                  .start = Replay::beginning(),
                                  .order = DurableOrder::strict});
  ASSERT_EQ(active->fetch(1).deliveries.size(), 1U);
  Process process(words());
  EXPECT_TRUE(process.wait_for("this one stands by"));
  active->close();
  EXPECT_TRUE(process.wait_for("\"sequence\":\"2\""));
  process.signal(SIGINT);
  EXPECT_EQ(process.wait().code, 0);
}

}  // namespace
}  // namespace busway::app
