#include "config/section.hpp"

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "problems.hpp"

namespace busway::config {
namespace {

using std::chrono::milliseconds;

enum class Colour : unsigned char { red, green };

struct Inner {
  int depth = 1;
  std::string password{};
};

struct Item {
  std::string name{};
  bool live = true;
};

// One field of each kind that a layer may declare.
struct All {
  bool flag = false;
  int count = 5;
  std::optional<std::uint16_t> port{};
  double factor = 1.5;
  milliseconds wait{250};
  std::chrono::nanoseconds fine{std::chrono::seconds(2)};
  std::uint64_t bytes = 64 * 1024;
  std::string text = "x";
  Colour colour = Colour::red;
  std::vector<std::string> names{};
  std::map<std::string, std::string> labels{};
  nlohmann::json free = nlohmann::json::object();
  Inner inner{};
  std::optional<Inner> maybe{};
  std::vector<Item> items{};
};

Section<Inner> inner_section() {
  Section<Inner> section("Inner things.");
  section.integer("depth", &Inner::depth, {1, 9}, "Depth.")
      .text("password", &Inner::password, {.bytes_min = 0}, "Password.");
  return section;
}

Section<Item> item_section() {
  Section<Item> section("An item.");
  section.text("name", &Item::name, {}, "Its name.")
      .required()
      .boolean("live", &Item::live, "Live.");
  return section;
}

const Section<All>& all_section() {
  static const Section<All> section = [] {
    Section<All> made("Everything.");
    made.boolean("flag", &All::flag, "Flag.")
        .integer("count", &All::count, {-9, 9}, "Count.")
        .integer("port", &All::port, {1, 65535}, "Port.")
        .when_unset("none")
        .number("factor", &All::factor, {1, 10}, "Factor.")
        .duration("wait", &All::wait, {milliseconds(1), milliseconds(10'000)}, "Wait.")
        .duration("fine", &All::fine, {}, "Fine.")
        .size("bytes", &All::bytes, {1, 1 << 20}, "Bytes.")
        .text("text", &All::text, {.bytes_max = 8, .letters = "xyz", .form = "a word of x, y, z"},
              "Text.")
        .choice<Colour>("colour", &All::colour, {{"red", Colour::red}, {"green", Colour::green}},
                        "Colour.")
        .texts("names", &All::names, {}, "Names.")
        .text_map("labels", &All::labels, {}, "Labels.")
        .free_form("free", &All::free, "Free.")
        .section("inner", &All::inner, inner_section())
        .section("maybe", &All::maybe, inner_section())
        .list("items", &All::items, item_section())
        .not_yet("later", "Later.")
        .check([](All& all, const Checker& checker) {
          if (all.flag && !checker.given("count")) checker.error("flag", "needs count");
        });
    return made;
  }();
  return section;
}

All read(std::string_view text) {
  Issues issues("f.yaml");
  Document document = open_text(text, "f.yaml", with_variables({}), issues);
  return load_as(std::move(document), issues, all_section()).value;
}

Lines refused(std::string_view text) {
  return errors_of([&] { (void)read(text); });
}

TEST(Section, ReadsEachKind) {
  const All all = read(
      "flag: true\ncount: -3\nport: 80\nfactor: 2\nwait: 2s\nfine: 5ms\nbytes: 2KiB\ntext: zyx\n"
      "colour: green\nnames: [a, 5, 'b c']\nlabels: {env: prod, n: 1}\nfree: {a: [1, '2']}\n"
      "inner: {depth: 2, password: 007}\nmaybe: {}\nitems:\n  - name: one\n"
      "  - {name: two, live: false}\n");
  EXPECT_TRUE(all.flag);
  EXPECT_EQ(all.count, -3);
  EXPECT_EQ(all.port, 80);
  EXPECT_EQ(all.factor, 2.0);
  EXPECT_EQ(all.wait, milliseconds(2000));
  EXPECT_EQ(all.fine, milliseconds(5));
  EXPECT_EQ(all.bytes, 2048U);
  EXPECT_EQ(all.text, "zyx");
  EXPECT_EQ(all.colour, Colour::green);
  EXPECT_EQ(all.names, (std::vector<std::string>{"a", "5", "b c"}));
  EXPECT_EQ(all.labels, (std::map<std::string, std::string>{{"env", "prod"}, {"n", "1"}}));
  EXPECT_EQ(all.free, nlohmann::json::parse(R"({"a":[1,"2"]})"));
  EXPECT_EQ(all.inner.depth, 2);
  EXPECT_EQ(all.inner.password, "007");
  ASSERT_TRUE(all.maybe);
  EXPECT_EQ(all.maybe->depth, 1);
  ASSERT_EQ(all.items.size(), 2U);
  EXPECT_EQ(all.items[1].name, "two");
  EXPECT_FALSE(all.items[1].live);
}

TEST(Section, LeavesDefaultsWhereTheFileSaysNothing) {
  const All all = read("flag: false\nnames:\nlabels:\nfree:\ninner:\nitems:\n");
  EXPECT_EQ(all.count, 5);
  EXPECT_EQ(all.port, std::nullopt);
  EXPECT_EQ(all.inner.depth, 1);
  EXPECT_TRUE(all.items.empty());
  EXPECT_EQ(all.free, nlohmann::json::object());
  EXPECT_FALSE(all.maybe);
}

TEST(Section, ReportsEverythingThatIsWrongInTheOrderOfTheFile) {
  EXPECT_EQ(
      refused("colour: blue\nflag: yes\ncount: 10\nport: 70000\nfactor: x\nwait: 5\nbytes: 1\n"
              "text: abc\nnames: one\nlabels: [a]\nfree: 5\ninner: [1]\nitems: {a: 1}\nlater: 1\n"
              "flags: true\n"),
      (Lines{"f.yaml:1: colour: \"blue\" is not one of red, green",
             "f.yaml:2: flag: yes is not a boolean here; write true",
             "f.yaml:3: count: 10 is out of range; it must be -9 to 9",
             "f.yaml:4: port: 70000 is out of range; it must be 1 to 65535",
             "f.yaml:5: factor: \"x\" is not a number, 1 to 10",
             "f.yaml:6: wait: 5 has no unit; write 5ms or 5s",
             "f.yaml:7: bytes: 1 has no unit; write 1B or 1KiB",
             "f.yaml:8: text: \"abc\" is not a word of x, y, z",
             "f.yaml:9: names: expected a list, each item after \"- \", found a single value",
             "f.yaml:10: labels: expected a map of texts, found a list",
             "f.yaml:11: free: expected a map, found a single value",
             "f.yaml:12: inner: expected a map with the keys depth, password, found a list",
             "f.yaml:13: items: expected a list, each item after \"- \", found a map",
             "f.yaml:14: later: this version does not offer it yet; remove it",
             "f.yaml:15: flags: unknown key; did you mean flag?"}));
}

TEST(Section, NamesWrongTypes) {
  EXPECT_EQ(refused("flag: [true]\ncount: {a: 1}\ntext: [x]\nwait: {}\ncolour: []\n"),
            (Lines{"f.yaml:1: flag: expected true or false, found a list",
                   "f.yaml:2: count: expected a whole number, found a map",
                   "f.yaml:3: text: expected a word of x, y, z, found a list",
                   "f.yaml:4: wait: expected a duration such as 500ms or 5s, found a map",
                   "f.yaml:5: colour: expected one of red, green, found a list"}));
}

TEST(Section, RefusesAKeyWithoutAValue) {
  EXPECT_EQ(refused("count:\nflag: ~\ntext: ''\n"),
            (Lines{"f.yaml:1: count: has no value; give a whole number, or remove the key",
                   "f.yaml:2: flag: has no value; give true or false, or remove the key",
                   "f.yaml:3: text: is empty; give a word of x, y, z, or remove the key"}));
}

TEST(Section, RefusesQuotesAroundWhatIsNoText) {
  EXPECT_EQ(
      refused("count: \"5\"\nflag: 'true'\n"),
      (Lines{"f.yaml:1: count: expected a whole number, found the text \"5\"; remove the quotes",
             "f.yaml:2: flag: expected true or false, found the text \"true\"; remove the "
             "quotes"}));
}

TEST(Section, BoundsTheLengthOfATextAndRefusesLineEnds) {
  EXPECT_EQ(refused("text: xxxxxxxxx\nnames: [\"a\\nb\"]\n"),
            (Lines{"f.yaml:1: text: has 9 bytes; it must have 1 to 8",
                   "f.yaml:2: names[0]: \"a\\nb\" holds a line end or another control character"}));
}

TEST(Section, SuggestsTheNearestKeyAndElseListsAll) {
  EXPECT_EQ(refused("colur: red\n"), Lines{"f.yaml:1: colur: unknown key; did you mean colour?"});
  EXPECT_EQ(refused("zzzzzz: 1\n"),
            Lines{"f.yaml:1: zzzzzz: unknown key; it is one of flag, count, port, factor, wait, "
                  "fine, bytes, text, colour, names, labels, free, inner, maybe, items"});
}

TEST(Section, KnowsAKeyThatStandsOneLevelTooHigh) {
  EXPECT_EQ(refused("depth: 3\n"),
            Lines{"f.yaml:1: depth: unknown key here; it belongs under inner, as inner.depth"});
}

TEST(Section, NamesARequiredKeyAndTheItemThatLacksIt) {
  EXPECT_EQ(refused("items:\n  - name: a\n  - live: true\n"),
            Lines{"f.yaml:3: items[1]: the key name is missing"});
}

TEST(Section, PointsIntoListsAndNestedSections) {
  EXPECT_EQ(refused("items:\n  - name: a\n    lives: true\ninner:\n  depth: 10\n"),
            (Lines{"f.yaml:3: items[0].lives: unknown key; did you mean live?",
                   "f.yaml:5: inner.depth: 10 is out of range; it must be 1 to 9"}));
}

TEST(Section, ChecksRunOnlyOnceEachKeyIsGood) {
  EXPECT_EQ(refused("flag: true\n"), Lines{"f.yaml:1: flag: needs count"});
  EXPECT_EQ(refused("flag: true\nwait: 5\n"),
            Lines{"f.yaml:2: wait: 5 has no unit; write 5ms or 5s"});
}

TEST(Section, EndsARangeWhereTheFieldEnds) {
  struct Small {
    std::uint8_t value = 0;
  };
  Section<Small> section("Small.");
  section.integer("value", &Small::value, {}, "Value.");
  EXPECT_EQ(section.keys().at(0).values, "0 to 255");
}

TEST(Section, ShowsUnknownKeysEscaped) {
  const Lines found = refused("\"a\\n[error] \\e[31m\": 1\n");
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].find('\n'), std::string::npos);
  EXPECT_EQ(found[0].find('\x1b'), std::string::npos);
}

struct Rules {
  std::optional<int> width{};
  std::optional<int> height{};
  std::optional<std::vector<std::string>> words{};
};
struct Holder {
  int first = 0;
  Rules rules{};
};

// The keys of Rules, two of them in a section of the file, within those of Holder.
const Section<Holder>& holder_section() {
  static const Section<Holder> section = [] {
    Section<Rules> size("Size.");
    size.integer("width", &Rules::width, {1, 9}, "Width.")
        .integer("height", &Rules::height, {1, 9}, "Height.")
        .check([](Rules& rules, const Checker& checker) {
          if (rules.height && rules.width > rules.height) checker.error("width", "is too wide");
        });
    Section<Rules> rules("Rules.");
    rules.group("size", size)
        .texts("words", &Rules::words, {}, "Words.")
        .check([](Rules& all, const Checker& checker) {
          if (all.words && all.words->empty()) checker.error("words", "needs a word");
        });
    Section<Holder> made("Holder.");
    made.integer("first", &Holder::first, {}, "First.").include(&Holder::rules, rules);
    return made;
  }();
  return section;
}

Holder read_holder(std::string_view text) {
  Issues issues("f.yaml");
  Document document = open_text(text, "f.yaml", with_variables({}), issues);
  return load_as(std::move(document), issues, holder_section()).value;
}

TEST(Section, ReadsTheKeysOfAnotherStructAmongItsOwn) {
  const Holder holder = read_holder("first: 3\nsize: {width: 2}\nwords: [a]\n");
  EXPECT_EQ(holder.first, 3);
  EXPECT_EQ(holder.rules.width, 2);
  EXPECT_EQ(holder.rules.height, std::nullopt);
  EXPECT_EQ(holder.rules.words, std::vector<std::string>{"a"});
  EXPECT_EQ(read_holder("first: 3\n").rules.words, std::nullopt);
  std::vector<std::string> paths;
  for (const KeyInfo& key : holder_section().keys()) paths.push_back(key.path);
  EXPECT_EQ(paths,
            (std::vector<std::string>{"first", "size", "size.width", "size.height", "words"}));
}

TEST(Section, RunsTheChecksOfAnotherStructToo) {
  const auto refusal = [](std::string_view text) {
    return errors_of([&] { (void)read_holder(text); });
  };
  EXPECT_EQ(refusal("size: {height: 1, width: 2}\n"), Lines{"f.yaml:1: size.width: is too wide"});
  EXPECT_EQ(refusal("first: 1\nwords: []\n"), Lines{"f.yaml:2: words: needs a word"});
  EXPECT_EQ(refusal("width: 1\n"),
            Lines{"f.yaml:1: width: unknown key here; it belongs under size, as size.width"});
}

TEST(Section, DescribesItsKeysWithTheDefaultsOfTheStruct) {
  std::map<std::string, KeyInfo> keys;
  for (const KeyInfo& key : all_section().keys()) keys[key.path] = key;
  EXPECT_EQ(keys.at("flag").default_text, "false");
  EXPECT_EQ(keys.at("count").default_text, "5");
  EXPECT_EQ(keys.at("count").values, "-9 to 9");
  EXPECT_EQ(keys.at("port").default_text, "none");
  EXPECT_EQ(keys.at("factor").default_text, "1.5");
  EXPECT_EQ(keys.at("wait").default_text, "250ms");
  EXPECT_EQ(keys.at("wait").values, "1ms to 10s");
  EXPECT_EQ(keys.at("fine").default_text, "2s");
  EXPECT_EQ(keys.at("bytes").default_text, "64KiB");
  EXPECT_EQ(keys.at("colour").default_text, "red");
  EXPECT_EQ(keys.at("colour").values, "red, green");
  EXPECT_EQ(keys.at("inner").type, "section");
  EXPECT_EQ(keys.at("inner.depth").doc, "Depth.");
  EXPECT_EQ(keys.at("items.name").type, "text");
}

}  // namespace
}  // namespace busway::config
