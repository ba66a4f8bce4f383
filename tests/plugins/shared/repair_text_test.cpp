#include "shared/repair_text.hpp"

#include <gtest/gtest.h>

#include <string_view>

namespace shared {
namespace {

TEST(RepairText, LeavesUtf8AsItIs) {
  for (const char* text :
       {"", "plain", "na\xC3\xAFve \xE2\x9C\x93 \xF0\x9F\x9A\x8C", "a\\u0041\"\x1B[31m\x03"}) {
    EXPECT_EQ(repair_text(text), text);
  }
}

TEST(RepairText, ReplacesWhatIsNotUtf8AndZeroBytes) {
  EXPECT_EQ(repair_text("caf\xE9 au lait"), "caf\xEF\xBF\xBD au lait");
  EXPECT_EQ(repair_text("\xFF\xFE"), "\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(repair_text("cut \xE2\x9C"), "cut \xEF\xBF\xBD");
  EXPECT_EQ(repair_text(std::string_view("a\0b\0", 4)),
            "a\xEF\xBF\xBD"
            "b\xEF\xBF\xBD");
}

}  // namespace
}  // namespace shared
