#include "plugin/version_range.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "busway/error.hpp"

namespace busway::plugin_host_detail {
namespace {

TEST(VersionReading, TakesOneToThreePartsWithAPreReleaseAndABuild) {
  const auto version = read_version("1.2.3-rc.1+git5");
  ASSERT_TRUE(version);
  EXPECT_EQ(version->parts, (std::array<std::uint32_t, 3>{1, 2, 3}));
  EXPECT_EQ(version->given, 3U);
  EXPECT_EQ(version->pre, "rc.1");
  EXPECT_EQ(read_version("7")->given, 1U);
  EXPECT_EQ(read_version("7")->parts, (std::array<std::uint32_t, 3>{7, 0, 0}));
}

TEST(VersionReading, RefusesWhatIsNone) {
  for (const char* text : {"", ".", "1.", ".1", "1..2", "1.2.3.4", "v1", "1.x", "-1", "1-",
                           "1-a..b", "1.2-a_b", "1+", "1 2", "1000000000", "beta"}) {
    EXPECT_FALSE(read_version(text)) << text;
  }
  EXPECT_FALSE(read_version(std::string(200, '1')));
}

// The order of semver.org, item 11.
TEST(VersionOrder, PutsAPreReleaseBeforeItsVersionAndNumbersBeforeWords) {
  const std::vector<std::string_view> ordered{
      "0.9",        "1.0.0-alpha",  "1.0.0-alpha.1", "1.0.0-alpha.beta",
      "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1",
      "1.0.0",      "1.0.1",        "1.2",           "1.10",
      "2"};
  for (std::size_t i = 0; i < ordered.size(); ++i) {
    for (std::size_t j = 0; j < ordered.size(); ++j) {
      const int order = compare(*read_version(ordered[i]), *read_version(ordered[j]));
      EXPECT_EQ(order < 0, i < j) << ordered[i] << ' ' << ordered[j];
      EXPECT_EQ(order == 0, i == j) << ordered[i] << ' ' << ordered[j];
    }
  }
  EXPECT_EQ(compare(*read_version("1.2+a"), *read_version("1.2.0+b")), 0);
}

struct Case {
  std::string_view range;
  std::vector<std::string_view> met;
  std::vector<std::string_view> not_met;
};

TEST(VersionRange, HoldsWhatItsTermsHold) {
  const std::vector<Case> cases{
      {"1.2", {"1.2", "1.2.0"}, {"1.2.1", "1.2-rc", "1.3"}},
      {"=1.2.3", {"1.2.3"}, {"1.2", "1.2.4"}},
      {">1.2", {"1.2.1", "2", "1.2.1-rc"}, {"1.2", "1.2-rc", "1"}},
      {">=1.2", {"1.2", "1.2.1", "9"}, {"1.1.9", "1.2.0-rc"}},
      {"<2", {"1.9.9", "0", "1.9-rc"}, {"2", "2.0.0-rc.1", "2.1"}},
      {"<2.0.0-rc.2", {"2.0.0-rc.1", "1.9"}, {"2.0.0-rc.2", "2"}},
      {"<=2", {"2", "2.0.0-rc.1", "1"}, {"2.0.1"}},
      {">=1.2 <2", {"1.2", "1.99.3"}, {"1.1", "2", "3"}},
      {"  >=1.2   <2  ", {"1.2"}, {"2"}},
      {"^1.2.3", {"1.2.3", "1.9"}, {"1.2.2", "2", "2.0.0-rc"}},
      {"^1", {"1", "1.9"}, {"0.9", "2"}},
      {"^0.2.3", {"0.2.3", "0.2.9"}, {"0.2.2", "0.3"}},
      {"^0.0.3", {"0.0.3"}, {"0.0.4", "0.0.2"}},
      {"^0.0", {"0.0.9"}, {"0.1"}},
      {"^0", {"0.9"}, {"1"}},
      {"~1.2.3", {"1.2.3", "1.2.9"}, {"1.2.2", "1.3"}},
      {"~1.2", {"1.2", "1.2.9"}, {"1.3"}},
      {"~1", {"1", "1.9"}, {"2"}},
      {"*", {"1", "0.0.1-rc", "beta", ""}, {}},
      {">=1", {}, {"beta", ""}},
  };
  for (const Case& one : cases) {
    const VersionRange range(one.range);
    EXPECT_EQ(range.text(), one.range);
    for (const std::string_view version : one.met) {
      EXPECT_TRUE(range.met_by(version)) << one.range << " and " << version;
    }
    for (const std::string_view version : one.not_met) {
      EXPECT_FALSE(range.met_by(version)) << one.range << " and " << version;
    }
  }
}

std::string refusal(std::string_view range) {
  try {
    const VersionRange made(range);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    return error.what();
  }
  return "taken";
}

TEST(VersionRange, SaysWhatIsWrongWithATerm) {
  EXPECT_EQ(refusal(""), "\"\" names no version; write a range such as \">=1.2 <2\", or \"*\"");
  EXPECT_EQ(refusal("   ").find("\"   \" names no version"), 0U);
  EXPECT_EQ(refusal(">= 1.2"),
            "\">=\" has no version behind it; write it without a space, as in >=1.2");
  EXPECT_EQ(refusal(">=1.x"),
            "\">=1.x\" is no version; write 1, 1.2 or 1.2.3, maybe with -pre, and before it one of "
            "= > >= < <= ^ ~");
  EXPECT_EQ(refusal("==1"), "\"==1\" begins with \"==\"; it is one of = > >= < <= ^ ~");
  EXPECT_EQ(refusal("!=1"), "\"!=1\" begins with \"!=\"; it is one of = > >= < <= ^ ~");
  std::string many;
  for (int i = 0; i < 17; ++i) many += ">1 ";
  EXPECT_NE(refusal(many).find("has more than 16 terms"), std::string::npos);
}

}  // namespace
}  // namespace busway::plugin_host_detail
