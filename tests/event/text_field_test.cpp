#include "event/text_field.hpp"

#include <gtest/gtest.h>

#include <string>

#include <expect_error.hpp>
#include "busway/limits.hpp"

namespace busway::detail {
namespace {

TEST(TextField, MayHoldAnyVisibleText) {
  EXPECT_EQ(text_field_fault(""), "");
  EXPECT_EQ(text_field_fault("/busway/host one"), "");
  EXPECT_EQ(text_field_fault("gr\xc3\xbc\xc3\x9f dich \xf0\x9f\x91\x8b"), "");
}

TEST(TextField, RefusesControlsWithTheirPlace) {
  EXPECT_TRUE(mentions(text_field_fault("a\nb"), "control character at byte 1"));
  EXPECT_TRUE(mentions(text_field_fault("ab\x7f"), "byte 2"));
  EXPECT_TRUE(mentions(text_field_fault("\xc2\x85"), "control character at byte 0"));
  EXPECT_EQ(text_field_fault("a\n\x1b[31m").find('\n'), std::string::npos);
}

TEST(TextField, RefusesWhatIsNotUtf8) {
  EXPECT_TRUE(mentions(text_field_fault("ok\xff"), "not valid UTF-8 at byte 2"));
  EXPECT_TRUE(mentions(text_field_fault("\xed\xa0\x80"), "not valid UTF-8"));
}

TEST(TextField, RefusesNoncharacters) {
  EXPECT_TRUE(mentions(text_field_fault("\xef\xbf\xbf"), "noncharacter"));
  EXPECT_TRUE(mentions(text_field_fault("\xef\xb7\x90"), "noncharacter"));
  EXPECT_EQ(text_field_fault("\xef\xbf\xbd"), "");
}

TEST(TextField, HasABound) {
  EXPECT_EQ(text_field_fault(std::string(limits::kTextBytesMax, 'x')), "");
  EXPECT_TRUE(mentions(text_field_fault(std::string(limits::kTextBytesMax + 1, 'x')), "at most"));
}

TEST(TextField, IsNamedInTheError) {
  EXPECT_TRUE(
      mentions(error_of(ErrorCode::invalid_option, [] { require_text_field("session_id", "\t"); }),
               "session_id \"\\t\""));
}

}  // namespace
}  // namespace busway::detail
