#include "plugin/allowed_topics.hpp"

#include <gtest/gtest.h>

#include <allocation_count.hpp>
#include "busway/error.hpp"

namespace busway::plugin_host_detail {
namespace {

bool covers(const AllowedTopics& allowed, std::string_view wanted) {
  return allowed.covers(Pattern::parse(wanted));
}

TEST(AllowedTopics, HoldTheTopicsThatOneOfThePatternsMatches) {
  const AllowedTopics allowed({"a.b", "c.*", "seg:d.*", "re:^e[0-9]$"}, Wildcards::glob);
  for (const char* topic : {"a.b", "c.x", "c.x.y", "d.x", "e1"}) {
    EXPECT_TRUE(allowed.holds(topic)) << topic;
  }
  for (const char* topic : {"a", "a.b.c", "c", "d.x.y", "e10", ""}) {
    EXPECT_FALSE(allowed.holds(topic)) << topic;
  }
}

TEST(AllowedTopics, OfNoPatternHoldNothing) {
  const AllowedTopics allowed({}, Wildcards::glob);
  EXPECT_FALSE(allowed.holds("a"));
  EXPECT_FALSE(covers(allowed, "a"));
  EXPECT_EQ(allowed.words(), "nothing");
}

TEST(AllowedTopics, AreReadAsTheBusReadsPlainPatterns) {
  EXPECT_TRUE(AllowedTopics({"a.*"}, Wildcards::glob).holds("a.b.c"));
  EXPECT_FALSE(AllowedTopics({"a.*"}, Wildcards::segments).holds("a.b.c"));
  EXPECT_THROW(AllowedTopics({"re:("}, Wildcards::glob), Error);
}

TEST(AllowedTopics, CoverAPatternThatOneOfThemSurelyCovers) {
  const AllowedTopics allowed({"a.b", "c.*", "seg:d.**", "re:^e"}, Wildcards::glob);
  for (const char* wanted : {"a.b", "c.x", "c.*", "c.x.*", "seg:d.*", "d.x", "re:^e", "e1"}) {
    EXPECT_TRUE(covers(allowed, wanted)) << wanted;
  }
  for (const char* wanted : {"a.*", "*", "seg:**", "re:^e1", "re:^c\\.", "e*"}) {
    EXPECT_FALSE(covers(allowed, wanted)) << wanted;
  }
}

TEST(AllowedTopics, NameTheFirstOfThem) {
  EXPECT_EQ(AllowedTopics({"a", "b.*"}, Wildcards::glob).words(), "\"a\", \"b.*\"");
  const std::vector<std::string> many(10, "a");
  EXPECT_EQ(AllowedTopics(many, Wildcards::glob).words(),
            "\"a\", \"a\", \"a\", \"a\", \"a\", \"a\", \"a\", \"a\" and 2 more");
}

TEST(AllowedTopics, AreAskedWithoutAnAllocation) {
  const AllowedTopics allowed({"a.b", "a.c", "c.*", "seg:d.*.x"}, Wildcards::glob);
  std::size_t held = 0;
  const std::size_t before = allocation_count();
  for (const std::string_view topic : {"a.c", "c.d", "d.e.x", "no.such.topic"}) {
    held += allowed.holds(topic) ? 1U : 0U;
  }
  EXPECT_EQ(allocation_count(), before);
  EXPECT_EQ(held, 3U);
}

}  // namespace
}  // namespace busway::plugin_host_detail
