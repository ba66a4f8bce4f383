#include "notifier/notice_groups.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace notifier {
namespace {

using namespace std::chrono_literals;

constexpr WallTime kNoon{std::chrono::sys_days{std::chrono::year{2026} / 3 / 1} + 12h};

Notice of(const std::string& subject, WallTime at, const std::string& text = "no") {
  return {.topic = "phase.final_failure",
          .source = "phases",
          .subject = subject,
          .text = text,
          .first = at,
          .last = at};
}

std::uint64_t sum(const std::vector<Notice>& notices) {
  std::uint64_t count = 0;
  for (const Notice& one : notices) count += one.count;
  return count;
}

TEST(NoticeGroups, AStormIsOneNoticeWithACount) {
  NoticeGroups groups;
  for (int i = 0; i < 1000; ++i) {
    groups.add(of("writer", kNoon + i * 1ms, "attempt " + std::to_string(i)), kNoon + i * 1ms);
  }
  EXPECT_EQ(groups.next(), kNoon + 1s);
  EXPECT_TRUE(groups.take_due(kNoon + 999ms).empty());
  const std::vector<Notice> due = groups.take_due(kNoon + 1s);
  ASSERT_EQ(due.size(), 1U);
  EXPECT_EQ(due[0].count, 1000U);
  EXPECT_EQ(due[0].text, "attempt 999") << "the last one";
  EXPECT_EQ(due[0].first, kNoon);
  EXPECT_EQ(due[0].last, kNoon + 999ms);
  EXPECT_FALSE(groups.next()) << "nothing waits";
}

TEST(NoticeGroups, TheNextOfAKindComesAfterItsInterval) {
  NoticeGroups groups;
  groups.add(of("writer", kNoon), kNoon);
  EXPECT_EQ(groups.take_due(kNoon + 1s).size(), 1U);
  groups.add(of("writer", kNoon + 2s), kNoon + 2s);
  groups.add(of("critic", kNoon + 2s), kNoon + 2s);
  EXPECT_EQ(groups.next(), kNoon + 3s);
  EXPECT_EQ(groups.take_due(kNoon + 3s).at(0).subject, "critic");
  groups.add(of("writer", kNoon + 30s), kNoon + 30s);
  EXPECT_EQ(groups.next(), kNoon + 61s);
  const std::vector<Notice> later = groups.take_due(kNoon + 61s);
  ASSERT_EQ(later.size(), 1U);
  EXPECT_EQ(later[0].count, 2U);
}

TEST(NoticeGroups, AKindThatWasQuietForLongIsAsNew) {
  NoticeGroups groups;
  groups.add(of("writer", kNoon), kNoon);
  EXPECT_EQ(groups.take_due(kNoon + 1s).size(), 1U);
  groups.add(of("writer", kNoon + 1h), kNoon + 1h);
  EXPECT_EQ(groups.next(), kNoon + 1h + 1s);
  EXPECT_TRUE(groups.take_due(kNoon + 1h).empty());
  EXPECT_EQ(groups.take_due(kNoon + 1h + 1s).size(), 1U);
}

TEST(NoticeGroups, AStormOfManyKindsIsAFewNotices) {
  NoticeGroups groups({.notices_max = 10});
  for (int i = 0; i < 50; ++i) groups.add(of("phase " + std::to_string(i), kNoon), kNoon);
  const std::vector<Notice> due = groups.take_due(kNoon + 1s);
  ASSERT_EQ(due.size(), 10U);
  EXPECT_EQ(sum(due), 50U) << "none is lost";
  EXPECT_EQ(due.back().count, 41U);
  EXPECT_EQ(due.back().topic, "(several)");
  EXPECT_EQ(due.back().text, "41 kinds of notice at once: phase.final_failure x 41");
}

TEST(NoticeGroups, NoMoreGoWithinTheSpanThanMay) {
  NoticeGroups groups({.wait = 0s, .interval = 0s, .notices_max = 3, .within = 1min});
  std::uint64_t told = 0;
  std::vector<WallTime> at;
  for (int second = 0; second < 300; ++second) {
    const WallTime now = kNoon + std::chrono::seconds(second);
    groups.add(of("phase " + std::to_string(second % 7), now), now);
    for (const Notice& one : groups.take_due(now)) {
      told += one.count;
      at.push_back(now);
    }
  }
  for (std::size_t i = 3; i < at.size(); ++i) EXPECT_GE(at[i] - at[i - 3], 1min) << i;
  EXPECT_GE(at.size(), 12U);
  ASSERT_TRUE(groups.next());
  EXPECT_GT(*groups.next(), kNoon + 299s);
  EXPECT_EQ(told + sum(groups.take_due(*groups.next())), 300U);
}

TEST(NoticeGroups, KindsWithoutEndCostNoMoreThanTheirBound) {
  NoticeGroups groups({.groups_max = 4});
  for (int i = 0; i < 1000; ++i) groups.add(of("phase " + std::to_string(i), kNoon), kNoon);
  EXPECT_EQ(groups.kinds(), 5U);
  const std::vector<Notice> due = groups.take_due(kNoon + 1s);
  EXPECT_EQ(due.size(), 5U);
  EXPECT_EQ(sum(due), 1000U);
  const auto several = std::find_if(due.begin(), due.end(),
                                    [](const Notice& one) { return one.topic == "(several)"; });
  ASSERT_NE(several, due.end());
  EXPECT_EQ(several->text,
            "of more than 4 kinds at once, the last: "
            "phase.final_failure from phases, phase 999: no");
}

TEST(NoticeGroups, QuietKindsMakeRoomForNewOnes) {
  NoticeGroups groups({.groups_max = 2});
  groups.add(of("a", kNoon), kNoon);
  groups.add(of("b", kNoon), kNoon);
  EXPECT_EQ(groups.take_due(kNoon + 1s).size(), 2U);
  groups.add(of("c", kNoon + 2s), kNoon + 2s);
  EXPECT_EQ(groups.kinds(), 2U);
  EXPECT_EQ(groups.take_due(kNoon + 3s).at(0).subject, "c");
}

TEST(NoticeGroups, AtTheEndAllThatWaitsIsTaken) {
  NoticeGroups groups;
  groups.add(of("b", kNoon), kNoon);
  groups.add(of("a", kNoon + 1ms), kNoon + 1ms);
  const std::vector<Notice> all = groups.take_all();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].subject, "b") << "in their order";
  EXPECT_TRUE(groups.take_all().empty());
}

TEST(NoticeGroups, ComeBackAsTheyWereSaved) {
  NoticeGroups groups;
  groups.add(of("writer", kNoon), kNoon);
  EXPECT_EQ(groups.take_due(kNoon + 1s).size(), 1U);
  for (int i = 0; i < 5; ++i) groups.add(of("writer", kNoon + 2s), kNoon + 2s);
  NoticeGroups again;
  again.load(nlohmann::json::parse(groups.save().dump()));
  EXPECT_EQ(again.save(), groups.save());
  EXPECT_EQ(again.next(), kNoon + 61s);
  EXPECT_EQ(again.take_due(kNoon + 61s).at(0).count, 5U);
  EXPECT_THROW(again.load(nlohmann::json::object()), nlohmann::json::exception);
}

}  // namespace
}  // namespace notifier
