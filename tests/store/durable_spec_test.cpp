#include "busway/durable_spec.hpp"

#include <gtest/gtest.h>

#include <string>

#include "busway/error.hpp"

namespace busway {
namespace {

DurableSpec good() {
  DurableSpec spec;
  spec.name = "mailer";
  spec.patterns.push_back(Pattern::parse("order.*"));
  return spec;
}

/// What check() says; empty: nothing.
std::string complaint(const DurableSpec& spec) {
  try {
    check_durable(spec);
    return {};
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_option);
    return error.what();
  }
}

TEST(DurableSpec, OfLegalNameWithAPatternIsAccepted) {
  EXPECT_EQ(complaint(good()), "");
  DurableSpec spec = good();
  spec.name = "aZ09_-.:/@";
  EXPECT_EQ(complaint(spec), "");
  spec.name = std::string(limits::kDurableNameBytesMax, 'a');
  EXPECT_EQ(complaint(spec), "");
}

TEST(DurableSpec, WithABadNameIsRefusedAndTheByteIsNamed) {
  DurableSpec spec = good();
  spec.name = "";
  EXPECT_EQ(complaint(spec), "durable subscription \"\": its name is empty");
  spec.name = "my mailer";
  EXPECT_EQ(complaint(spec),
            "durable subscription \"my mailer\": its name has \" \" at byte 2; it is made of "
            "letters, digits and _ - . : / @");
  spec.name = std::string("a\0b", 3);
  EXPECT_NE(complaint(spec).find("at byte 1"), std::string::npos);
  spec.name = "größe";
  EXPECT_NE(complaint(spec).find("at byte 2"), std::string::npos);
  spec.name = std::string(201, 'a');
  EXPECT_NE(complaint(spec).find("its name has 201 bytes; at most 200 are possible"),
            std::string::npos);
}

TEST(DurableSpec, NeedsAPatternAndNotTooMany) {
  DurableSpec spec = good();
  spec.patterns.clear();
  EXPECT_EQ(complaint(spec),
            "durable subscription \"mailer\": it has no pattern; name at least one");
  spec.patterns.assign(limits::kPatternsPerSubscriptionMax, Pattern::parse("a"));
  EXPECT_EQ(complaint(spec), "");
  spec.patterns.push_back(Pattern::parse("a"));
  EXPECT_NE(complaint(spec).find("1025 patterns"), std::string::npos);
}

TEST(DurableSpec, IsTheSameInAnotherOrderAndWithOneNamedTwice) {
  const auto list = [](const std::vector<std::string>& texts) {
    std::vector<Pattern> out;
    for (const std::string& one : texts) out.push_back(Pattern::parse(one));
    return out;
  };
  EXPECT_TRUE(are_same_patterns(list({"x", "y"}), list({"y", "x"})));
  EXPECT_TRUE(are_same_patterns(list({"x", "x", "y"}), list({"x", "y"})));
  EXPECT_TRUE(are_same_patterns(list({"x", "y"}), list({"x", "x", "y"})));
  EXPECT_FALSE(are_same_patterns(list({"x", "x"}), list({"x", "y"})));
  EXPECT_FALSE(are_same_patterns(list({"x"}), list({"x", "y"})));
}

TEST(DurableSpec, HasALeaseWithinLimits) {
  DurableSpec spec = good();
  EXPECT_EQ(spec.lease, limits::kLeaseDefault);
  spec.lease = limits::kLeaseMin;
  EXPECT_EQ(complaint(spec), "");
  spec.lease = limits::kLeaseMax;
  EXPECT_EQ(complaint(spec), "");
  spec.lease = limits::kLeaseMin - std::chrono::nanoseconds(1);
  EXPECT_EQ(complaint(spec),
            "durable subscription \"mailer\": its lease is 99999999ns; it is 100ms to 86400s");
  spec.lease = limits::kLeaseMax + std::chrono::nanoseconds(1);
  EXPECT_NE(complaint(spec), "");
}

TEST(DurableSpec, OrdersHaveWords) {
  EXPECT_EQ(to_string(DurableOrder::relaxed), "relaxed");
  EXPECT_EQ(to_string(DurableOrder::key), "key");
  EXPECT_EQ(to_string(DurableOrder::strict), "strict");
  EXPECT_EQ(to_string(static_cast<DurableOrder>(77)), "invalid");
}

}  // namespace
}  // namespace busway
