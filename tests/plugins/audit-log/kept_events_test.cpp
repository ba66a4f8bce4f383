#include "../../../plugins/audit-log/kept_events.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "shared/audit_line.hpp"
#include "shared/rfc3339.hpp"

namespace audit_log {
namespace {

using namespace std::chrono_literals;

constexpr shared::WallTime kDay = std::chrono::sys_days(std::chrono::year(2026) / 3 / 1);

std::string line(std::uint64_t seq, const std::string& record) {
  std::string hash;
  return shared::make_audit_line({.seq = seq - 1}, record, hash);
}

std::string at(std::chrono::seconds time) {
  return R"({"time":")" + shared::format_rfc3339(kDay + time) + R"("})";
}

TEST(KeptEvents, CountEachLineOnce) {
  const std::string a = R"({"id":"a","data":1})";
  const std::string b = R"({"id":"b"})";
  KeptEvents kept;
  kept.add(line(1, a));
  kept.add(line(2, b));
  kept.add(line(3, a));
  EXPECT_TRUE(kept.take("a", a));
  EXPECT_TRUE(kept.take("a", a));
  EXPECT_FALSE(kept.take("a", a));
  EXPECT_TRUE(kept.take("b", b));
  EXPECT_FALSE(kept.take("c", R"({"id":"c"})"));
}

TEST(KeptEvents, TakeNoOtherEventOfTheSameIdForOneThatHasALine) {
  const std::string one = R"({"id":"a","data":1})";
  const std::string other = R"({"id":"a","data":2})";
  KeptEvents kept;
  kept.add(line(1, one));
  EXPECT_FALSE(kept.take("a", other));
  EXPECT_TRUE(kept.take("a", one));
}

TEST(KeptEvents, OfAWholeLogLookBackToTheEarliestStampWhereverItStands) {
  KeptEvents kept;
  EXPECT_EQ(kept.since(), std::nullopt);
  kept.add(line(3, at(30s)));
  kept.add(line(2, at(10s)));
  kept.add(line(1, at(20s)));
  EXPECT_EQ(kept.since(), kDay + 10s);
}

TEST(KeptEvents, WhereEarlierLinesAreNotKnownNoSingleStampSaysHowFarTheyLookBack) {
  for (const auto wrong : {-24h * 20'000, 24h * 20'000}) {
    for (const int where : {0, 150, 299}) {
      KeptEvents kept;
      for (int i = 0; i < 300; ++i) {
        kept.add(line(1000U - static_cast<unsigned>(i),
                      at(i == where ? wrong : std::chrono::seconds(1000 - i))));
      }
      // Of the earliest hundred, which begin with 701 s, it is one in the middle.
      ASSERT_NE(kept.since(), std::nullopt);
      EXPECT_NEAR(std::chrono::duration<double>(*kept.since() - kDay).count(), 751, 1)
          << where << ' ' << wrong;
    }
  }
}

TEST(KeptEvents, LearnNothingFromALineThatTellsNoEvent) {
  KeptEvents kept;
  for (const char* line : {"", "torn {", "[]", R"({"seq":1})", R"({"id":7,"time":8})",
                           R"({"id":"","time":"yesterday"})"}) {
    kept.add(line);
  }
  EXPECT_EQ(kept.since(), std::nullopt);
  EXPECT_FALSE(kept.take("", ""));
}

}  // namespace
}  // namespace audit_log
