#include "match/value_list.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "random_patterns.hpp"

namespace busway::match_detail {
namespace {

TEST(ValueList, EntriesAlwaysKnowWhereTheirValueStands) {
  match_test::Random random(8);
  ValueList list;
  std::vector<std::uint32_t> position(5000);
  std::vector<std::uint32_t> inside;
  std::uint32_t next = 0;
  for (int step = 0; step < 12000; ++step) {
    const bool shrinking = (step / 3000) % 2 == 1;
    if (!inside.empty() && random.below(4) < (shrinking ? 3U : 1U)) {
      const std::size_t at = random.below(inside.size());
      const std::uint32_t entry = inside[at];
      const std::uint32_t moved = list.remove(position[entry]);
      position[moved] = position[entry];
      inside[at] = inside.back();
      inside.pop_back();
    } else if (next < position.size()) {
      position[next] = list.add(next + 100, next);
      inside.push_back(next++);
    }
    ASSERT_EQ(list.size(), inside.size());
    if (step % 50 != 0) continue;
    for (const std::uint32_t entry : inside) ASSERT_EQ(list[position[entry]], entry + 100);
    std::vector<ValueList::Value> values;
    list.append_to(values);
    ASSERT_EQ(values.size(), inside.size());
  }
  EXPECT_GT(next, 3000U);
}

}  // namespace
}  // namespace busway::match_detail
