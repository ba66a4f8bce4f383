#include "busway/error.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <string_view>

namespace busway {
namespace {

struct Row {
  ErrorCode code;
  std::string_view name;
  std::string_view text;
};

// The table once more, read by the test itself.
constexpr Row kRows[] = {
#define BUSWAY_ERROR(name, text, retryable, fault) Row{ErrorCode::name, #name, text},
#include "busway/error_codes.def"
#undef BUSWAY_ERROR
};

TEST(Error, KeepsItsCodeAndItsWords) {
  const Error error(ErrorCode::invalid_topic, "the topic \"a b\" has a space");
  EXPECT_EQ(error.code(), ErrorCode::invalid_topic);
  EXPECT_STREQ(error.what(), "the topic \"a b\" has a space");
}

TEST(Error, IsCaughtAsARuntimeErrorAndKeepsItsCodeWhenCopied) {
  try {
    const Error original(ErrorCode::too_deep, "nested 65 deep");
    throw Error(original);
  } catch (const std::runtime_error& caught) {
    const auto* error = dynamic_cast<const Error*>(&caught);
    ASSERT_NE(error, nullptr);
    EXPECT_EQ(error->code(), ErrorCode::too_deep);
    EXPECT_STREQ(caught.what(), "nested 65 deep");
  }
}

TEST(ErrorCode, EachCodeIsFoundUnderItsOwnRowOfTheTable) {
  for (const Row& row : kRows) {
    EXPECT_EQ(to_string(row.code), row.name);
    EXPECT_EQ(explain(row.code), row.text);
  }
}

TEST(ErrorCode, TextsAreOneLineDistinctAndWithoutAFullStop) {
  std::set<std::string_view> texts;
  for (const Row& row : kRows) {
    EXPECT_TRUE(texts.insert(row.text).second) << row.name << " repeats the text of another code";
    EXPECT_FALSE(row.text.empty()) << row.name;
    EXPECT_EQ(row.text.find('\n'), std::string_view::npos) << row.name;
    EXPECT_NE(row.text.back(), '.') << row.name;
  }
}

TEST(ErrorCode, ZeroIsNoError) {
  EXPECT_EQ(ErrorCode{}, ErrorCode::ok);
  EXPECT_EQ(to_string(ErrorCode::ok), "ok");
  EXPECT_FALSE(is_retryable(ErrorCode::ok));
}

TEST(ErrorCode, OnlyWhatMayPassByItselfIsRetryable) {
  EXPECT_TRUE(is_retryable(ErrorCode::queue_full));
  EXPECT_TRUE(is_retryable(ErrorCode::timed_out));
  EXPECT_TRUE(is_retryable(ErrorCode::io_error));
  EXPECT_FALSE(is_retryable(ErrorCode::invalid_topic));
  EXPECT_FALSE(is_retryable(ErrorCode::stopped));
  EXPECT_FALSE(is_retryable(ErrorCode::internal));
}

TEST(ErrorCode, NamesWhoseFaultItIs) {
  EXPECT_EQ(fault_of(ErrorCode::invalid_pattern), Fault::caller);
  EXPECT_EQ(fault_of(ErrorCode::handler_failed), Fault::handler);
  EXPECT_EQ(fault_of(ErrorCode::invalid_config), Fault::config);
  EXPECT_EQ(fault_of(ErrorCode::plugin_abi), Fault::plugin);
  EXPECT_EQ(fault_of(ErrorCode::internal), Fault::system);
}

TEST(ErrorCode, ANumberOutsideTheTableReadsAsInternal) {
  const auto alien = static_cast<ErrorCode>(255);
  EXPECT_EQ(to_string(alien), "internal");
  EXPECT_EQ(explain(alien), explain(ErrorCode::internal));
  EXPECT_FALSE(is_retryable(alien));
  EXPECT_EQ(fault_of(alien), Fault::system);
}

TEST(Fault, HasAWordForEachParty) {
  EXPECT_EQ(to_string(Fault::caller), "caller");
  EXPECT_EQ(to_string(Fault::handler), "handler");
  EXPECT_EQ(to_string(Fault::system), "system");
  EXPECT_EQ(to_string(Fault::config), "config");
  EXPECT_EQ(to_string(Fault::plugin), "plugin");
}

}  // namespace
}  // namespace busway
