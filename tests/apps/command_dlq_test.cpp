#include <string>
#include <vector>

#include "store_verbs.hpp"

namespace busway::app {
namespace {

/// Three dead letters of mailer: 1 order.made, 2 order.made, 3 order.paid; the last timed out.
struct Letters : StoreVerbs {
  Letters() {
    fill(2);
    fill(1, "order.paid");
    const auto held = opened();
    const std::vector<Pattern> patterns{Pattern::parse("order.*")};
    const auto consumer =
        held->open({.name = "mailer", .patterns = patterns, .start = Replay::beginning()});
    std::vector<Settlement> dead;
    for (const Leased& one : consumer->fetch(10).deliveries) {
      dead.push_back({.sequence = one.sequence,
                      .kind = Settlement::Kind::dead_letter,
                      .code = one.sequence == 3 ? ErrorCode::timed_out : ErrorCode::handler_failed,
                      .reason = "no stamp " + std::to_string(one.sequence)});
    }
    EXPECT_EQ(consumer->settle(dead).accepted, 3U);
  }
  /// The numbers of their events.
  std::string found(const std::vector<std::string>& filter) const {
    std::vector<std::string> words{"dlq", "list", "--json"};
    words.insert(words.end(), filter.begin(), filter.end());
    const Ended ended = run(words);
    EXPECT_EQ(ended.code, 0) << ended.err;
    std::string all;
    for (const json& one : lines_of(ended.out)) {
      all += std::to_string(one.at("sequence").get<int>());
    }
    return all;
  }
};

TEST_F(Letters, AreListedByWhatTheyAre) {
  EXPECT_EQ(found({}), "123");
  EXPECT_EQ(found({"order.paid"}), "3");
  EXPECT_EQ(found({"--durable", "mailer", "--limit", "2"}), "12");
  EXPECT_EQ(found({"--code", "timed_out"}), "3");
  EXPECT_EQ(found({"--code", "handler_failed"}), "12");
  EXPECT_EQ(found({"--since", "1h"}), "123");
  EXPECT_EQ(found({"--until", "1h"}), "");
  EXPECT_EQ(found({"--since", "2001-01-01T00:00:00Z", "--id", "2"}), "2");
  const Ended text = run({"dlq", "list"});
  EXPECT_TRUE(has(text.out, "no stamp 1") && has(text.out, "mailer")) << text.out;
  EXPECT_TRUE(has(text.err, "3 dead letters")) << text.err;
  const Ended wrong = run({"dlq", "list", "--code", "bad"});
  EXPECT_EQ(wrong.code, 2);
  EXPECT_TRUE(has(wrong.err, "\"bad\" is no error code")) << wrong.err;
}

TEST_F(Letters, OneIsShownWithItsFailures) {
  const json letter = json::parse(run({"dlq", "show", "3", "--json"}).out);
  EXPECT_EQ(letter.at("durable"), "mailer");
  EXPECT_EQ(letter.at("event").at("type"), "order.paid");
  EXPECT_EQ(letter.at("history").at(0).at("code"), "timed_out");
  EXPECT_EQ(letter.at("history").at(0).at("reason"), "no stamp 3");
  EXPECT_EQ(letter.at("history").at(0).at("attempts"), 1);
  const Ended text = run({"dlq", "show", "3"});
  EXPECT_TRUE(has(text.out, "letter 3 of mailer\n") && has(text.out, "no stamp 3")) << text.out;
  const Ended none = run({"dlq", "show", "9"});
  EXPECT_EQ(none.code, 4);
  EXPECT_TRUE(has(none.err, "no dead letter 9")) << none.err;
}

TEST_F(Letters, ARedrivenOneIsGivenOutAgainAndGoneWhenItEndsWell) {
  EXPECT_EQ(run({"dlq", "redrive", "order.paid"}).out, "redriven=1\n");
  EXPECT_TRUE(has(run({"dlq", "list"}).out, "no stamp 3 (being redriven)"));
  const std::vector<json> again = lines_of(drain("mailer", "order.*").out);
  ASSERT_EQ(again.size(), 1U);
  EXPECT_EQ(again[0].at("sequence"), "3");
  EXPECT_EQ(found({}), "12");
  EXPECT_EQ(json::parse(run({"dlq", "redrive", "--all", "--json"}).out), (json{{"redriven", 2}}));
  EXPECT_EQ(lines_of(drain("mailer", "order.*").out).size(), 2U);
  EXPECT_EQ(found({}), "");
}

TEST_F(Letters, APurgedOneIsForgotten) {
  EXPECT_EQ(run({"dlq", "purge", "--code", "timed_out"}).out, "purged=1\n");
  EXPECT_EQ(run({"dlq", "purge", "--id", "1"}).out, "purged=1\n");
  EXPECT_EQ(found({}), "2");
  const Ended none = run({"dlq", "purge", "--id", "1"});
  EXPECT_EQ(none.code, 4);
  EXPECT_TRUE(has(none.err, "no dead letter 1")) << none.err;
  EXPECT_EQ(run({"dlq", "purge", "--all"}).out, "purged=1\n");
  EXPECT_EQ(drain("mailer", "order.*").out, "");
}

TEST_F(Letters, AreListedRedrivenAndPurgedByName) {
  {
    const auto held = opened();
    const std::vector<Pattern> patterns{Pattern::parse("order.paid")};
    const auto other =
        held->open({.name = "other", .patterns = patterns, .start = Replay::beginning()});
    const std::vector<Settlement> dead{
        {.sequence = 3, .kind = Settlement::Kind::dead_letter, .reason = "no stamp"}};
    ASSERT_EQ(other->fetch(1).deliveries.size(), 1U);
    EXPECT_EQ(other->settle(dead).accepted, 1U);
  }
  EXPECT_EQ(found({}), "1233");
  EXPECT_EQ(found({"--durable", "other"}), "3");
  EXPECT_EQ(run({"dlq", "redrive", "--durable", "other"}).out, "redriven=1\n");
  EXPECT_EQ(lines_of(drain("other", "order.paid").out).size(), 1U);
  EXPECT_EQ(found({}), "123") << "those of the other name are as they were";
  EXPECT_EQ(run({"dlq", "purge", "--durable", "other"}).out, "purged=0\n");
  EXPECT_EQ(run({"dlq", "purge", "--durable", "mailer"}).out, "purged=3\n");
  EXPECT_EQ(found({}), "");
}

TEST_F(Letters, OfANameThatIsNoneTheyAreNotFound) {
  for (const std::string verb : {"list", "redrive", "purge"}) {
    const Ended ended = run({"dlq", verb, "--durable", "mailr"});
    EXPECT_EQ(ended.code, 4) << verb;
    EXPECT_EQ(ended.out, "");
    EXPECT_TRUE(has(ended.err, "no durable name \"mailr\"; did you mean \"mailer\"?")) << ended.err;
  }
  EXPECT_EQ(found({}), "123");
}

}  // namespace
}  // namespace busway::app
