#include "../../apps/busway/table.hpp"

#include <gtest/gtest.h>

namespace busway::app {
namespace {

TEST(Table, HasColumnsAsWideAsWhatStandsInThem) {
  Table table({"ID", "STATE", "LAST"});
  table.add({{"a"}, {"running", Colour::green}, {"x"}});
  table.add({{"café"}, {}, {"a longer one"}});
  table.add({{"short row"}});
  EXPECT_EQ(table.text(),
            "ID         STATE    LAST\n"
            "a          running  x\n"
            "café       -        a longer one\n"
            "short row  -        -\n");
}

}  // namespace
}  // namespace busway::app
