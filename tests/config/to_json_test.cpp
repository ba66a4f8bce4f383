#include "config/to_json.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "problems.hpp"

namespace busway::config {
namespace {

using nlohmann::json;

struct Result {
  json value;
  Lines errors;
  Lines warnings;
};

Result convert(const std::string& text, const ReadOptions& options = with_variables({})) {
  Issues issues("f.yaml");
  const Document document = parse_document("v: " + text + "\n", "f.yaml", options);
  Result result;
  result.value = to_json(*document.root->find("v"), "v", SecretKeys(), issues);
  result.errors = shown(issues.sorted(), ConfigIssue::Severity::error);
  result.warnings = shown(issues.sorted(), ConfigIssue::Severity::warning);
  return result;
}

TEST(ToJson, TypesPlainScalarsByTheCoreSchema) {
  const std::pair<const char*, json> cases[] = {{"~", nullptr},
                                                {"null", nullptr},
                                                {"", nullptr},
                                                {"true", true},
                                                {"True", true},
                                                {"FALSE", false},
                                                {"0", 0},
                                                {"-7", -7},
                                                {"+7", 7},
                                                {"0x1F", 31},
                                                {"0o17", 15},
                                                {"1.5", 1.5},
                                                {".5", 0.5},
                                                {"5.", 5.0},
                                                {"-1e3", -1000.0},
                                                {"+1.5", 1.5},
                                                {"1.10", 1.1},
                                                {"18446744073709551615", UINT64_MAX},
                                                {"-9223372036854775808", INT64_MIN},
                                                {"hello", "hello"},
                                                {"2024-01-01", "2024-01-01"},
                                                {"1.2.3", "1.2.3"},
                                                {"0b11", "0b11"},
                                                {"1_000", "1_000"},
                                                {"1e", "1e"},
                                                {"-", "-"},
                                                {".", "."},
                                                {"0x", "0x"},
                                                {"12:30", "12:30"},
                                                {"e5", "e5"}};
  for (const auto& [text, expected] : cases) {
    if (std::string(text) == "-") continue;  // YAML itself refuses a lone dash here
    const Result result = convert(text);
    EXPECT_EQ(result.value, expected) << text;
    EXPECT_EQ(result.value.type(), convert(text).value.type()) << text;
    EXPECT_EQ(result.errors, Lines{}) << text;
  }
}

TEST(ToJson, KeepsWhatIsQuotedAsText) {
  for (const char* text : {"5", "true", "null", "010", "no", ""}) {
    EXPECT_EQ(convert("\"" + std::string(text) + "\"").value, json(text));
    EXPECT_EQ(convert("'" + std::string(text) + "'").value, json(text));
    EXPECT_TRUE(convert("\"" + std::string(text) + "\"").warnings.empty());
  }
  EXPECT_EQ(convert("!!str 5").value, json("5"));
  EXPECT_EQ(convert("|\n  5\n").value, json("5\n"));
}

TEST(ToJson, KeepsMapsListsAndAliases) {
  EXPECT_EQ(convert("{a: [1, {b: x}], 7: y, c: {}, d: []}").value,
            json::parse(R"({"a":[1,{"b":"x"}],"7":"y","c":{},"d":[]})"));
  EXPECT_EQ(convert("[&x {a: 1}, *x]").value, json::parse(R"([{"a":1},{"a":1}])"));
}

TEST(ToJson, RefusesALeadingZero) {
  EXPECT_EQ(convert("{a: 010}").errors,
            Lines{"f.yaml:1: v.a: 010 begins with a zero: old YAML reads it as octal, 8, new YAML "
                  "as 10; write 10, or put it in quotes"});
}

TEST(ToJson, RefusesNumbersThatWouldNotBeKept) {
  EXPECT_EQ(
      convert("99999999999999999999").errors,
      Lines{"f.yaml:1: v: a whole number beyond 64 bits would lose digits; put it in quotes"});
  EXPECT_EQ(convert("-9223372036854775809").errors.size(), 1U);
  EXPECT_EQ(convert("0xFFFFFFFFFFFFFFFFF").errors.size(), 1U);
  EXPECT_EQ(convert("1e999").errors,
            Lines{"f.yaml:1: v: the number does not fit a double; put it in quotes"});
  EXPECT_EQ(convert(".inf").errors,
            Lines{"f.yaml:1: v: .inf cannot be written in JSON; put it in quotes"});
  EXPECT_EQ(convert("-.inf").errors.size(), 1U);
  EXPECT_EQ(convert(".nan").errors.size(), 1U);
}

TEST(ToJson, WarnsOfTheBooleansOfOldYaml) {
  const Result result = convert("[no, Yes, off, on, n, 'no']");
  EXPECT_EQ(result.value, json::parse(R"(["no","Yes","off","on","n","no"])"));
  EXPECT_EQ(result.warnings,
            (Lines{"f.yaml:1: v[0]: no is read as text; write false for the boolean, or put it in "
                   "quotes",
                   "f.yaml:1: v[1]: Yes is read as text; write true for the boolean, or put it in "
                   "quotes",
                   "f.yaml:1: v[2]: off is read as text; write false for the boolean, or put it in "
                   "quotes",
                   "f.yaml:1: v[3]: on is read as text; write true for the boolean, or put it in "
                   "quotes"}));
}

TEST(ToJson, TypesTheTextThatVariablesMake) {
  const ReadOptions options = with_variables({{"N", "8080"}, {"T", "true"}});
  EXPECT_EQ(convert("${N}", options).value, json(8080));
  EXPECT_EQ(convert("${T}", options).value, json(true));
  EXPECT_EQ(convert("\"${N}\"", options).value, json("8080"));
  EXPECT_EQ(convert("${NONE:-1.5}", options).value, json(1.5));
  EXPECT_EQ(convert("${NONE:-}", options).value, json(""));
}

}  // namespace
}  // namespace busway::config
