#include "busway/topic_name.hpp"

#include <gtest/gtest.h>

#include <string>

#include "busway/error.hpp"

namespace busway {
namespace {

std::string complaint(std::string_view topic) { return check_topic(topic).value_or(""); }

bool mentions(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

TEST(TopicName, WordsDotsColonsAndLettersOfAnyScriptAreLegal) {
  for (const std::string_view topic :
       {"a", "phase.started", "task_manager:task_created", "public.users.create", "user:login",
        "a-b/c@d#e=f~g", "na\xC3\xAFve", "\xE6\x97\xA5\xE6\x9C\xAC.\xF0\x9F\x98\x80", "reply.x",
        "exact", "re.x", "globs:x", "x.re:y", "\xE2\x80\xA7", "\xC2\xA1"}) {
    EXPECT_EQ(complaint(topic), "") << topic;
    EXPECT_TRUE(is_topic(topic)) << topic;
    EXPECT_NO_THROW(require_topic(topic));
  }
}

TEST(TopicName, ThatHasABlankIsRefusedWithTheCure) {
  const std::string blank = complaint("user login");
  EXPECT_TRUE(mentions(blank, "\"user login\"")) << blank;
  EXPECT_TRUE(mentions(blank, "byte 0x20 at offset 4")) << blank;
  EXPECT_TRUE(mentions(blank, "a blank is not allowed in a topic; use . or _")) << blank;
  EXPECT_TRUE(mentions(complaint("a\xC2\xA0z"), "byte 0xC2 at offset 1: a blank"));
  EXPECT_TRUE(mentions(complaint("a\tb"), "control character"));
  EXPECT_TRUE(mentions(complaint("a\xEF\xBB\xBF"), "invisible character"));
}

TEST(TopicName, EachCharacterReservedForPatternsIsNamedWithItsOffset) {
  for (const char c : std::string_view("*>?[](){}|^$\\+")) {
    const std::string topic = std::string("ab.") + c + "x";
    const std::string text = complaint(topic);
    EXPECT_TRUE(mentions(text, "at offset 3")) << text;
    EXPECT_TRUE(mentions(text, "reserved for patterns")) << text;
    EXPECT_FALSE(is_topic(topic));
  }
}

TEST(TopicName, ControlAndBlankBytesAreRefused) {
  for (int c = 0; c <= 0x20; ++c) {
    const std::string topic = {'a', static_cast<char>(c), 'b'};
    EXPECT_TRUE(mentions(complaint(topic), "at offset 1")) << c;
  }
  EXPECT_TRUE(mentions(complaint("a\x7F"), "byte 0x7F"));
}

TEST(TopicName, InvisibleAndDirectionalCharactersAreRefusedAndTheirNeighboursAreNot) {
  for (const std::string_view bad : {"\xC2\x80", "\xC2\xA0", "\xE2\x80\xA8", "\xE2\x80\xAE",
                                     "\xE2\x81\xA6", "\xE2\x81\xA9", "\xEF\xBB\xBF"}) {
    const std::string topic = "ab" + std::string(bad);
    EXPECT_TRUE(mentions(complaint(topic), "at offset 2")) << complaint(topic);
  }
  for (const std::string_view good : {"\xC2\xA1", "\xE2\x80\xA7", "\xE2\x80\xAF", "\xE2\x81\xA5",
                                      "\xE2\x81\xAA", "\xEF\xBC\x80"}) {
    EXPECT_EQ(complaint("ab" + std::string(good)), "");
  }
}

TEST(TopicName, BytesThatAreNotUtf8AreRefusedAtTheirOffset) {
  for (const std::string_view bad :
       {"\xFF", "\xC3", "\xC0\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\x80"}) {
    const std::string text = complaint("abc." + std::string(bad));
    EXPECT_TRUE(mentions(text, "at offset 4")) << text;
    EXPECT_TRUE(mentions(text, "not valid UTF-8")) << text;
  }
}

TEST(TopicName, ADotMustStandBetweenTwoWords) {
  EXPECT_TRUE(mentions(complaint(".a"), "leading dot"));
  EXPECT_TRUE(mentions(complaint("."), "leading dot"));
  EXPECT_TRUE(mentions(complaint("a."), "trailing dot"));
  EXPECT_TRUE(mentions(complaint("a..b"), "offset 2"));
}

TEST(TopicName, LengthIsOneTo255Bytes) {
  EXPECT_TRUE(mentions(complaint(""), "empty"));
  EXPECT_EQ(complaint(std::string(255, 'a')), "");
  const std::string text = complaint(std::string(256, 'a'));
  EXPECT_TRUE(mentions(text, "256 bytes")) << text;
  EXPECT_TRUE(mentions(text, "offset 255")) << text;
  EXPECT_FALSE(is_topic(std::string(254, 'a') + "\xC3\xA4"));
  EXPECT_TRUE(is_topic(std::string(253, 'a') + "\xC3\xA4"));
}

TEST(TopicName, TheBeginningsThatMarkAPatternAreRefused) {
  for (const std::string prefix : {"exact:", "glob:", "seg:", "re:"}) {
    EXPECT_TRUE(mentions(complaint(prefix + "a"), "marks a pattern"));
    EXPECT_EQ(pattern_prefix_of(prefix + "a"), prefix);
  }
  EXPECT_EQ(pattern_prefix_of("regex:a"), "");
}

TEST(TopicName, RequireTopicThrowsTheSentenceWithTheEscapedTopic) {
  try {
    require_topic("a\nb");
    FAIL() << "no exception";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_topic);
    EXPECT_TRUE(mentions(error.what(), "\"a\\nb\"")) << error.what();
    EXPECT_TRUE(mentions(error.what(), "byte 0x0A")) << error.what();
  }
}

}  // namespace
}  // namespace busway
