#include "busway/trace_parent.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace busway {
namespace {

using Sampled = TraceParent::Sampled;

constexpr std::string_view kText = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

TEST(TraceParent, ReadsTheFieldsOfTheHeader) {
  const auto parent = TraceParent::parse(kText);
  ASSERT_TRUE(parent);
  EXPECT_EQ(parent->trace_high(), 0x0af7651916cd43ddU);
  EXPECT_EQ(parent->trace_low(), 0x8448eb211c80319cU);
  EXPECT_EQ(parent->parent(), 0xb7ad6b7169203331U);
  EXPECT_EQ(parent->sampled(), Sampled::yes);
}

TEST(TraceParent, ReadsWhatTheStandardAllowsAndWritesItAsVersion00) {
  struct Case {
    std::string_view text;
    std::string_view written;
  };
  constexpr Case kCases[] = {
      {kText, kText},
      {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
       "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"},
      // One half of the trace id may be zero, and all but the last bit.
      {"00-00000000000000000000000000000001-0000000000000001-00",
       "00-00000000000000000000000000000001-0000000000000001-00"},
      {"00-80000000000000000000000000000000-8000000000000000-01",
       "00-80000000000000000000000000000000-8000000000000000-01"},
      {"00-ffffffffffffffffffffffffffffffff-ffffffffffffffff-01",
       "00-ffffffffffffffffffffffffffffffff-ffffffffffffffff-01"},
      // Flags that level 1 does not know are read over and not sent on.
      {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-ff",
       "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
      {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-02",
       "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"},
      // Later versions, with and without more.
      {"01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", kText},
      {"cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-the-future-will-be", kText},
      {"fe-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-", kText},
  };
  for (const Case& one : kCases) {
    const auto parent = TraceParent::parse(one.text);
    ASSERT_TRUE(parent) << one.text;
    EXPECT_EQ(to_string(*parent), one.written) << one.text;
    EXPECT_EQ(TraceParent::parse(one.written), parent);
  }
}

TEST(TraceParent, IsNotReadFromWhatTheStandardRefuses) {
  constexpr std::string_view kInvalid[] = {
      "",
      "00",
      "00-",
      // A version that cannot be.
      "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
      "0-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-011",
      "0x-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
      "000-af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
      // Ids of zero.
      "00-00000000000000000000000000000000-b7ad6b7169203331-01",
      "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
      "01-00000000000000000000000000000000-b7ad6b7169203331-01",
      "01-0af7651916cd43dd8448eb211c80319c-0000000000000000-01-more",
      // Upper case, in each field.
      "0A-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
      "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
      "00-0af7651916cd43dd8448eb211c80319C-b7ad6b7169203331-01",
      "00-0af7651916cd43dd8448eb211c80319c-B7AD6B7169203331-01",
      "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0A",
      // Other than digits, in each field.
      "00-0af7651916cd43dd.448eb211c80319c-b7ad6b7169203331-01",
      "00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333g-01",
      "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-.1",
      "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0x",
      "00- af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
      // Dashes missing or in the wrong place.
      "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
      "00-0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331-01",
      "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331_01",
      "00-0af7651916cd43dd8448eb211c80319-cb7ad6b7169203331-01",
      // Too short, too long.
      "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
      "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
      "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-",
      "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
      "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-011",
      "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 ",
      " 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
      "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
      "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.more",
      "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-012",
  };
  for (const std::string_view text : kInvalid) {
    EXPECT_EQ(TraceParent::parse(text), std::nullopt) << '"' << text << '"';
  }
}

TEST(TraceParent, IsNotReadWhenAnyOneCharacterIsForeign) {
  for (std::size_t i = 0; i < kText.size(); ++i) {
    for (const char c : {'/', ':', '`', 'g', 'G', '\0', '\x80'}) {
      std::string text(kText);
      text[i] = c;
      EXPECT_EQ(TraceParent::parse(text), std::nullopt) << text;
    }
  }
}

TEST(TraceParent, IsMadeFromRandomWords) {
  const auto parent = TraceParent::make(
      {0x0af7651916cd43ddU, 0x8448eb211c80319cU, 0xb7ad6b7169203331U}, Sampled::yes);
  EXPECT_EQ(to_string(parent), kText);
  EXPECT_EQ(to_string(TraceParent::make({1, 2, 3}, Sampled::no)),
            "00-00000000000000010000000000000002-0000000000000003-00");
}

TEST(TraceParent, OfAChildKeepsTheTraceAndTheFlag) {
  const auto parent = TraceParent::parse(kText);
  ASSERT_TRUE(parent);
  EXPECT_EQ(to_string(parent->child(0x00f067aa0ba902b7U)),
            "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01");
  EXPECT_EQ(TraceParent::make({1, 2, 3}, Sampled::no).child(4).sampled(), Sampled::no);
}

TEST(TraceParent, HasNoIdOfZeroWhateverTheRandomWords) {
  for (const auto& parent :
       {TraceParent::make({0, 0, 0}, Sampled::yes), TraceParent::make({0, 0, 0}, Sampled::no),
        TraceParent::make({0, 5, 0}, Sampled::no), TraceParent::make({5, 0, 0}, Sampled::no),
        TraceParent::make({1, 2, 3}, Sampled::no).child(0)}) {
    EXPECT_EQ(TraceParent::parse(to_string(parent)), parent) << to_string(parent);
  }
  EXPECT_EQ(TraceParent::make({5, 0, 1}, Sampled::no).trace_low(), 0U);
}

}  // namespace
}  // namespace busway
