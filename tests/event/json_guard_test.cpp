#include "event/json_guard.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <expect_error.hpp>

namespace busway::detail {
namespace {

std::string refusal(const std::string& text) {
  return error_of(ErrorCode::invalid_json, [&] { (void)parse_json(text); });
}

TEST(JsonGuard, ReadsWhatNlohmannReads) {
  for (const std::string text :
       {"null", "true", "0", "-1", "1.5e3", "\"\"", "[]", "{}", "[[],{},[1,[2]],\"x\"]",
        R"({"a":{"b":[1,2,{"c":null}]},"d":"\u00e9\ud83d\ude00","":false})", " [ 1 , 2 ] "}) {
    EXPECT_EQ(parse_json(text), Json::parse(text)) << text;
  }
}

TEST(JsonGuard, KeepsTheLimitsOf64Bits) {
  EXPECT_EQ(parse_json("18446744073709551615").get<std::uint64_t>(), UINT64_MAX);
  EXPECT_EQ(parse_json("-9223372036854775808").get<std::int64_t>(), INT64_MIN);
  EXPECT_EQ(parse_json("1.7976931348623157e308").get<double>(), std::numeric_limits<double>::max());
  EXPECT_EQ(parse_json("0e-999").get<double>(), 0.0);
}

TEST(JsonGuard, NamesTheNumberThatWouldBeRounded) {
  for (const std::string number : {"18446744073709551616", "-9223372036854775809",
                                   "12345678901234567890123", "1e400", "-1e400", "1e-400"}) {
    EXPECT_TRUE(mentions(refusal("[" + number + "]"), number));
  }
}

TEST(JsonGuard, NamesTheKeyThatOccursTwice) {
  EXPECT_TRUE(mentions(refusal(R"({"id":1,"id":2})"), "\"id\""));
  EXPECT_TRUE(mentions(refusal(R"([{"a":{"x\n":1,"b":2,"x\u000a":3}}])"), "\"x\\n\""));
  EXPECT_EQ(parse_json(R"([{"id":1},{"id":2}])").size(), 2U);
}

TEST(JsonGuard, RefusesTextThatIsNotUnicode) {
  (void)refusal("\"\xff\"");
  (void)refusal("\"\xc0\x80\"");
  (void)refusal("\"\xed\xa0\x80\"");
  (void)refusal(R"("\ud800")");
  (void)refusal(R"("\udc00x")");
  (void)refusal(R"(["\ud800\ud800"])");
}

TEST(JsonGuard, RefusesWhatIsNotJsonWithItsPlace) {
  for (const std::string text :
       {"nul", "[1,]", "{\"a\":}", "[1] 2", "{'a':1}", "NaN", "01", "[1", "// x\n1"}) {
    EXPECT_TRUE(mentions(refusal(text), "at byte ")) << refusal(text);
    EXPECT_FALSE(mentions(refusal(text), "parse error")) << refusal(text);
  }
  EXPECT_EQ(refusal("[\"a\x1b[31m\"]").find('\x1b'), std::string::npos);
  EXPECT_TRUE(mentions(refusal(std::string("[1]\0", 4)), "zero byte at byte 3"));
  EXPECT_TRUE(mentions(refusal(std::string("[1]\0garbage", 11)), "zero byte"));
}

TEST(JsonGuard, SaysInPlainWordsWhatWouldHaveBeenRight) {
  const std::vector<std::pair<std::string, std::string>> table{
      {"{a:1}", "not JSON: \"a\" at byte 1; names stand in double quotes"},
      {"{'a':1}", "not JSON: \"'\" at byte 1; names and texts stand in double quotes"},
      {"['a']", "not JSON: \"'\" at byte 1; names and texts stand in double quotes"},
      {"{1:2}", "not JSON: \"1\" at byte 1; names stand in double quotes"},
      {R"({"a":1,})", "not JSON: \"}\" at byte 7; no comma stands before }"},
      {R"({"a" 1})", "not JSON: \"1\" at byte 5; a : stands between a name and its value"},
      {R"({"a":1 "b":2})", "not JSON: \"\\\"b\\\"\" at byte 7; a comma or } follows a value"},
      {R"({"a":"b",})", "not JSON: \"}\" at byte 9; no comma stands before }"},
      {"{\"a\": 1, b: 2}", "not JSON: \"b\" at byte 9; names stand in double quotes"},
      {"[12 345]", "not JSON: \"345\" at byte 4; a comma or ] follows a value"},
      {"[1 2]", "not JSON: \"2\" at byte 3; a comma or ] follows a value"},
      {"[1] 2", "not JSON: \"2\" at byte 4; nothing may follow the value"},
      {"", "not JSON: the text is empty; write null for no value"},
      {"  ", "not JSON: the text is empty; write null for no value"},
      {"[1", "not JSON: it ends at byte 2, before it is complete"},
      {"{\"a\"", "not JSON: it ends at byte 4, before it is complete"},
      {"\"a", "not JSON: it ends at byte 2, before it is complete"},
      {"[nul]",
       "not JSON: \"nul\" at byte 1; a value is null, true, false, a number, a text in double "
       "quotes, a list or an object"},
  };
  for (const auto& [text, words] : table) EXPECT_EQ(refusal(text), words) << text;
  EXPECT_TRUE(mentions(refusal("\"a\nb\""), "at byte 2")) << refusal("\"a\nb\"");
}

TEST(JsonGuard, ReadsSixtyFourLevelsAndRefusesOneMore) {
  EXPECT_NO_THROW((void)parse_json(std::string(64, '[') + std::string(64, ']')));
  (void)error_of(ErrorCode::too_deep,
                 [] { (void)parse_json(std::string(65, '[') + std::string(65, ']')); });
  std::string objects;
  for (int i = 0; i < 65; ++i) objects += "{\"a\":";
  (void)error_of(ErrorCode::too_deep, [&] { (void)parse_json(objects); });
  EXPECT_TRUE(mentions(
      error_of(ErrorCode::too_deep, [] { (void)parse_json(std::string(100'000, '[')); }), "64"));
}

TEST(JsonGuard, ChecksValuesThatAProgramBuilt) {
  Json deep = 1;
  for (int i = 0; i < 64; ++i) deep = Json::array({std::move(deep)});
  EXPECT_NO_THROW(check_json(deep));
  for (int i = 0; i < 100'000; ++i) {
    Json outer = Json::array();
    outer.push_back(std::move(deep));
    deep = std::move(outer);
  }
  (void)error_of(ErrorCode::too_deep, [&] { check_json(deep); });

  (void)error_of(ErrorCode::invalid_json, [] { check_json(Json{{"a", "x\xff"}}); });
  (void)error_of(ErrorCode::invalid_json, [] { check_json(Json{{"x\xff", 1}}); });
  (void)error_of(ErrorCode::invalid_json, [] { check_json(Json::binary({1, 2})); });
  (void)error_of(ErrorCode::invalid_json, [] { check_json(Json(Json::value_t::discarded)); });
}

TEST(JsonGuard, WritesNotANumberAsNull) {
  const Json value{std::nan(""), 1};
  EXPECT_NO_THROW(check_json(value));
  EXPECT_EQ(dump_json(value), "[null,1]");
}

// Whatever the bytes are: a value that can be written and read again, or an Error. Never a crash.
TEST(JsonGuard, SurvivesRandomDamage) {
  const std::string good = R"({"a":[1,-2.5e3,"\u00e9\ud83d\ude00",{"b":null,"c":[true,false]}]})";
  std::mt19937_64 random(7);
  for (int round = 0; round < 5'000; ++round) {
    std::string text = good;
    for (std::size_t hits = 1 + random() % 3; hits > 0; --hits) {
      text[random() % text.size()] = static_cast<char>(random());
    }
    try {
      const Json value = parse_json(text);
      EXPECT_EQ(parse_json(dump_json(value)), value) << text;
    } catch (const Error& error) {
      EXPECT_FALSE(std::string(error.what()).empty());
    }
  }
}

}  // namespace
}  // namespace busway::detail
