#include "plugin/line/durable_name.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "busway/durable_spec.hpp"
#include "busway/limits.hpp"

namespace busway::plugin_host_detail {
namespace {

TEST(DurableName, SaysWhoseAndOfWhat) {
  EXPECT_EQ(durable_name("stats", {"chat.message"}, "", 1, ""), "plugin:stats:chat.message");
  EXPECT_EQ(durable_name("stats", {"chat.message"}, "", 1, "node-1"),
            "plugin:stats:chat.message@node-1");
  EXPECT_EQ(durable_name("stats", {"chat.*", "trivia.?"}, "", 2, "h"),
            "plugin:stats:chat./2A//trivia./3F:2@h");
  EXPECT_EQ(durable_name("stats", {"chat.*"}, "my counts", 1, "h"),
            "plugin:stats:chat./2A::my/20counts@h");
}

TEST(DurableName, IsOneThatAStoreTakesWhateverItIsMadeOf) {
  const std::string all = [] {
    std::string text;
    for (int c = 1; c < 256; ++c) text += static_cast<char>(c);
    return text;
  }();
  for (const std::string& text : {all, std::string(5'000, 'x'), std::string("\xC3\xA9/@:*#")}) {
    for (const std::string& instance : {std::string(), text}) {
      DurableSpec spec;
      spec.name = durable_name(text, {text, text}, text, 3, instance);
      spec.patterns = {Pattern::glob("*")};
      EXPECT_NO_THROW(check_durable(spec)) << spec.name;
      EXPECT_LE(spec.name.size(), limits::kDurableNameBytesMax);
    }
  }
}

TEST(DurableName, TellsApartWhatDiffers) {
  const std::string text(300, 'x');
  const std::vector<std::string> names{
      durable_name("a", {"b.c"}, "", 1, ""),      durable_name("a", {"b", "c"}, "", 1, ""),
      durable_name("a", {"b//c"}, "", 1, ""),     durable_name("a", {"b.c"}, "", 2, ""),
      durable_name("a", {"b.c:2"}, "", 1, ""),    durable_name("a", {"b.c"}, "", 1, "2"),
      durable_name("a", {"b.c@2"}, "", 1, ""),    durable_name("a:b", {"c"}, "", 1, ""),
      durable_name("a", {"b:c"}, "", 1, ""),      durable_name("a", {text}, "", 1, ""),
      durable_name("a", {text + 'x'}, "", 1, ""), durable_name("a", {text}, "", 2, ""),
      durable_name("a", {"b.c"}, "", 1, text),    durable_name("a", {"b.c"}, "", 1, text + 'x'),
      durable_name("a", {text}, "", 1, text),     durable_name("a", {"b.c"}, "2", 1, ""),
      durable_name("a", {"b.c"}, "2", 2, ""),     durable_name("a", {"b.c:"}, "", 2, ""),
      durable_name("a", {"b.c::2"}, "", 1, "")};
  for (std::size_t i = 0; i < names.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) EXPECT_NE(names[i], names[j]);
  }
}

}  // namespace
}  // namespace busway::plugin_host_detail
