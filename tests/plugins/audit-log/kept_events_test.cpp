#include "../../../plugins/audit-log/kept_events.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <optional>

namespace audit_log {
namespace {

using namespace std::chrono_literals;

TEST(KeptEvents, CountEachLineOnce) {
  KeptEvents kept;
  kept.add(R"({"seq":1,"id":"a"})");
  kept.add(R"({"seq":2,"id":"b"})");
  kept.add(R"({"seq":3,"id":"a"})");
  EXPECT_TRUE(kept.take("a"));
  EXPECT_TRUE(kept.take("a"));
  EXPECT_FALSE(kept.take("a"));
  EXPECT_TRUE(kept.take("b"));
  EXPECT_FALSE(kept.take("c"));
}

TEST(KeptEvents, KnowTheEarliestStampWhereverItStands) {
  constexpr auto kDay = std::chrono::sys_days(std::chrono::year(2026) / 3 / 1);
  KeptEvents kept;
  EXPECT_EQ(kept.oldest(), std::nullopt);
  kept.add(R"({"seq":1,"time":"2026-03-01T00:00:20Z"})");
  kept.add(R"({"seq":2,"time":"2026-03-01T00:00:10Z"})");
  kept.add(R"({"seq":3,"time":"2026-03-01T00:00:30Z"})");
  EXPECT_EQ(kept.oldest(), shared::WallTime(kDay + 10s));
}

TEST(KeptEvents, LearnNothingFromALineThatTellsNoEvent) {
  KeptEvents kept;
  for (const char* line : {"", "torn {", "[]", R"({"seq":1})", R"({"id":7,"time":8})",
                           R"({"id":"","time":"yesterday"})"}) {
    kept.add(line);
  }
  EXPECT_EQ(kept.oldest(), std::nullopt);
  EXPECT_FALSE(kept.take(""));
}

}  // namespace
}  // namespace audit_log
