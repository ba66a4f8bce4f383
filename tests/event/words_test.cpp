#include <gtest/gtest.h>

#include "busway/origin.hpp"
#include "busway/priority.hpp"

namespace busway {
namespace {

TEST(Priority, IsWrittenLowNormalHigh) {
  EXPECT_EQ(to_string(Priority::low), "low");
  EXPECT_EQ(to_string(Priority::normal), "normal");
  EXPECT_EQ(to_string(Priority::high), "high");
  EXPECT_LT(Priority::low, Priority::high);
}

TEST(Priority, IsReadFromItsWordOnly) {
  for (const Priority priority : {Priority::low, Priority::normal, Priority::high}) {
    EXPECT_EQ(parse_priority(to_string(priority)), priority);
  }
  EXPECT_EQ(parse_priority("High"), std::nullopt);
  EXPECT_EQ(parse_priority("urgent"), std::nullopt);
  EXPECT_EQ(parse_priority(""), std::nullopt);
}

TEST(Origin, IsReadFromTheWordItIsWrittenAs) {
  for (const Origin origin : {Origin::internal, Origin::system, Origin::database, Origin::websocket,
                              Origin::frontend, Origin::plugin}) {
    EXPECT_EQ(parse_origin(to_string(origin)), origin);
  }
  EXPECT_EQ(to_string(Origin::websocket), "websocket");
  EXPECT_EQ(parse_origin("webSocket"), std::nullopt);
  EXPECT_EQ(parse_origin(""), std::nullopt);
}

}  // namespace
}  // namespace busway
