#include "busway/config_error.hpp"

#include <gtest/gtest.h>

#include <string>

namespace busway {
namespace {

using Severity = ConfigIssue::Severity;

TEST(ConfigIssue, IsShownAsFileLinePathMessage) {
  const ConfigIssue issue{
      .file = "busway.yaml", .line = 3, .column = 7, .path = "history.size", .message = "is odd"};
  EXPECT_EQ(to_string(issue), "busway.yaml:3: history.size: is odd");
}

TEST(ConfigIssue, LeavesOutTheLineAndThePathThatItDoesNotKnow) {
  EXPECT_EQ(to_string(ConfigIssue{.file = "busway.yaml", .message = "is a directory"}),
            "busway.yaml: is a directory");
}

TEST(ConfigIssue, ShowsForeignTextOnOneLine) {
  const ConfigIssue issue{
      .file = "a\nb.yaml", .line = 1, .path = "x\n[error] \x1b[31m", .message = "unknown key"};
  const std::string text = to_string(issue);
  EXPECT_EQ(text.find('\n'), std::string::npos);
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_EQ(text.rfind("a\\nb.yaml:1: x\\n[error] ", 0), 0U) << text;
}

TEST(ConfigIssue, NamesItsSeverity) {
  EXPECT_EQ(to_string(Severity::error), "error");
  EXPECT_EQ(to_string(Severity::warning), "warning");
}

TEST(ConfigError, SaysOneLineAnErrorAndKeepsTheWarningsForPrograms) {
  const ConfigError error(
      {{.file = "f", .line = 1, .message = "one"},
       {.file = "f", .line = 2, .message = "two", .severity = Severity::warning},
       {.file = "f", .line = 3, .message = "three"}});
  EXPECT_EQ(error.code(), ErrorCode::invalid_config);
  EXPECT_STREQ(error.what(), "f:1: one\nf:3: three");
  EXPECT_EQ(error.issues().size(), 3U);
}

}  // namespace
}  // namespace busway
