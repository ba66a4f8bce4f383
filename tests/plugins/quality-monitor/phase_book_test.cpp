#include "quality-monitor/phase_book.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace quality_monitor {
namespace {

using namespace std::chrono_literals;

constexpr WallTime kBegin{std::chrono::sys_days{std::chrono::year{2026} / 3 / 1}};

TEST(PhaseBook, LooksAgainWhenTheOldestSliceLeaves) {
  const Settings settings{.window = 30s};
  PhaseBook book(settings);
  EXPECT_FALSE(book.next());
  EXPECT_TRUE(book.count("writer", Ended::badly, 0, kBegin + 100ms).empty());
  EXPECT_TRUE(book.count("critic", Ended::badly, 0, kBegin + 5s).empty());
  EXPECT_EQ(book.next(), kBegin + 31s);
  EXPECT_TRUE(book.review(kBegin + 31s).empty());
  EXPECT_EQ(book.next(), kBegin + 36s);
  EXPECT_TRUE(book.review(kBegin + 36s).empty());
  EXPECT_FALSE(book.next()) << "nothing is left to leave";
}

TEST(PhaseBook, SavesThePhasesThatWereExecutedLastAsFarAsThereIsRoom) {
  const Settings settings;
  PhaseBook book(settings);
  for (int i = 0; i < 100; ++i) {
    for (int duration = 1; duration < 200; ++duration) {
      EXPECT_TRUE(
          book.count("phase " + std::to_string(i), Ended::well, duration, kBegin + i * 1s).empty());
    }
  }
  const nlohmann::json saved = book.save(20'000);
  EXPECT_LE(saved.dump().size(), 20'100U);
  ASSERT_GT(saved.size(), 1U);
  EXPECT_EQ(saved[0].at("phase_name"), "phase 99");
  EXPECT_EQ(saved[1].at("phase_name"), "phase 98");
  PhaseBook again(settings);
  again.load(nlohmann::json::parse(saved.dump()));
  EXPECT_EQ(again.describe(kBegin + 100s, std::nullopt).size(), saved.size());
  EXPECT_EQ(again.describe(kBegin + 100s, "phase 99"), book.describe(kBegin + 100s, "phase 99"));
}

}  // namespace
}  // namespace quality_monitor
