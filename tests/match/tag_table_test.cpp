#include "match/tag_table.hpp"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <utility>
#include <vector>

#include "random_patterns.hpp"

namespace busway::match_detail {
namespace {

std::set<TagTable::Value> values_of(const TagTable& table, TagTable::Tag tag) {
  std::set<TagTable::Value> out;
  static_cast<void>(table.find_if(tag, [&](TagTable::Value value) {
    out.insert(value);
    return false;
  }));
  return out;
}

TEST(TagTable, AgreesWithAMultimapThroughInsertsAndErases) {
  match_test::Random random(3);
  TagTable table;
  std::set<std::pair<TagTable::Tag, TagTable::Value>> model;
  TagTable::Value next = 0;
  for (int step = 0; step < 60000; ++step) {
    const bool shrinking = (step / 15000) % 2 == 1;
    if (!model.empty() && random.below(4) < (shrinking ? 3U : 1U)) {
      auto victim = model.lower_bound({static_cast<TagTable::Tag>(random.below(UINT32_MAX)), 0});
      if (victim == model.end()) victim = model.begin();
      table.erase(victim->first, victim->second);
      model.erase(victim);
    } else {
      // Some tags are shared, some differ only in their last bits, most are anywhere.
      const std::size_t kind = random.below(3);
      const auto tag = static_cast<TagTable::Tag>(kind == 0   ? 7
                                                  : kind == 1 ? 0xABCD0000 + random.below(64)
                                                              : random.below(UINT32_MAX));
      if (kind == 0 && values_of(table, tag).size() > 50) continue;
      table.insert(tag, next);
      model.insert({tag, next++});
    }
  }
  ASSERT_EQ(table.size(), model.size());
  std::map<TagTable::Tag, std::set<TagTable::Value>> expected;
  for (const auto& [tag, value] : model) expected[tag].insert(value);
  for (const auto& [tag, values] : expected) ASSERT_EQ(values_of(table, tag), values) << tag;
  EXPECT_EQ(table.find(8), expected.contains(8) ? *expected[8].begin() : TagTable::kNoValue);
}

TEST(TagTable, ManyEqualTagsGrowOneSegmentAndNotTheDirectory) {
  TagTable table;
  constexpr TagTable::Value kCount = 5000;
  for (TagTable::Value i = 0; i < kCount; ++i) table.insert(42, i);
  EXPECT_EQ(values_of(table, 42).size(), kCount);
  EXPECT_LT(table.memory_bytes(), 400000U);
}

TEST(TagTable, ReplaceKeepsThePlace) {
  TagTable table;
  table.insert(1, 10);
  table.insert(1, 11);
  table.replace(1, 10, 12);
  EXPECT_EQ(values_of(table, 1), (std::set<TagTable::Value>{11, 12}));
  std::size_t seen = 0;
  table.for_each([&](TagTable::Tag tag, TagTable::Value) { seen += tag == 1 ? 1 : 0; });
  EXPECT_EQ(seen, 2U);
}

}  // namespace
}  // namespace busway::match_detail
