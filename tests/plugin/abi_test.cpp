// The binary interface does not change by accident: its sizes, places and numbers are pinned.
#include <gtest/gtest.h>

#include <array>
#include <cstddef>

#include "abi_facts.h"

namespace busway {
namespace {

constexpr BUSWAY_ABI_FACTS(kFactsCpp)

    // On 64-bit machines. New members go to the end: then the sizes here grow and nothing else
    // changes.
    constexpr std::array<std::size_t, BUSWAY_ABI_FACT_COUNT> kPinned{
        16, 280, 32, 208, 56, 152, 136, 176, 16, 48, 88, 264, 16, 24, 80, 128, 88, 152, 168};

TEST(PluginAbi, AndItsPlacesAreTheSameInCAndCpp) {
  for (std::size_t i = 0; i < BUSWAY_ABI_FACT_COUNT; ++i) {
    EXPECT_EQ(kFactsCpp[i], busway_abi_facts_c[i]) << "fact " << i;
  }
}

TEST(PluginAbi, HasTheSizesAndPlacesOfVersionOne) {
  for (std::size_t i = 0; i < kPinned.size(); ++i)
    EXPECT_EQ(kFactsCpp[i], kPinned[i]) << "fact " << i;
}

TEST(PluginAbi, HasTheNumbersOfVersionOne) {
  EXPECT_EQ(BUSWAY_ABI, 1U);
  EXPECT_EQ(BUSWAY_OK, 0);
  EXPECT_EQ(BUSWAY_FAILED, 1);
  EXPECT_EQ(BUSWAY_PAYLOAD_TYPE, 7);
  EXPECT_EQ(BUSWAY_WRONG_STATE, 12);
  EXPECT_EQ(BUSWAY_QUEUE_FULL, 17);
  EXPECT_EQ(BUSWAY_INTERNAL, 23);
  EXPECT_EQ(BUSWAY_RETRY, 100);
  EXPECT_EQ(BUSWAY_DEAD_LETTER, 101);
  EXPECT_EQ(BUSWAY_PRIORITY_HIGH, 2);
  EXPECT_EQ(BUSWAY_ORIGIN_PLUGIN, 5);
  EXPECT_EQ(BUSWAY_PAYLOAD_BYTES, 2);
  EXPECT_EQ(BUSWAY_OVERFLOW_DROP_NEWEST, 4);
  EXPECT_EQ(BUSWAY_REPLAY_BEGINNING, 4);
  EXPECT_EQ(BUSWAY_SOURCE_ENDED, 2);
}

TEST(PluginAbi, HasSaysNoToAMemberBeyondTheSize) {
  busway_plugin_api table{};
  table.stop = [](busway_plugin*) -> busway_status { return BUSWAY_OK; };
  table.size = sizeof table;
  EXPECT_TRUE(BUSWAY_HAS(busway_plugin_api, &table, stop));
  EXPECT_FALSE(BUSWAY_HAS(busway_plugin_api, &table, start));
  table.size = offsetof(busway_plugin_api, stop) + 1;
  EXPECT_FALSE(BUSWAY_HAS(busway_plugin_api, &table, stop));
}

}  // namespace
}  // namespace busway
