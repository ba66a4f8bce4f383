#include "plugin/load_order.hpp"

#include <gtest/gtest.h>

#include "busway/error.hpp"

namespace busway::plugin_host_detail {
namespace {

using Ids = std::vector<std::string>;

std::string message_of(const std::vector<Requirement>& plugins) {
  try {
    (void)load_order(plugins);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::plugin_requires);
    return error.what();
  }
  return "no error";
}

TEST(LoadOrder, KeepsTheOrderOfThoseThatAreFree) {
  EXPECT_EQ(load_order({{"c", {}}, {"a", {}}, {"b", {}}}), (Ids{"c", "a", "b"}));
}

TEST(LoadOrder, PutsWhatIsRequiredFirst) {
  EXPECT_EQ(load_order({{"search", {"quotes", "chat"}}, {"chat", {}}, {"quotes", {"chat"}}}),
            (Ids{"chat", "quotes", "search"}));
}

TEST(LoadOrder, NamesTheEdgeThatIsMissing) {
  EXPECT_EQ(message_of({{"search", {"qoutes"}}, {"quotes", {}}}),
            "the plugin \"search\" requires \"qoutes\", which is not loaded (did you mean "
            "\"quotes\"?)");
}

TEST(LoadOrder, NamesTheCircleAndNotTheWayToIt) {
  EXPECT_EQ(message_of({{"way", {"a"}}, {"a", {"b"}}, {"b", {"c"}}, {"c", {"a"}}}),
            "plugins require each other in a circle: a -> b -> c -> a; take one of these "
            "requirements away");
  EXPECT_EQ(message_of({{"a", {"a"}}}),
            "plugins require each other in a circle: a -> a; take one of these requirements away");
}

TEST(LoadOrder, DoesNotMindALongChain) {
  std::vector<Requirement> chain;
  for (int i = 0; i < 20'000; ++i) {
    chain.push_back({std::to_string(i), {std::to_string(i + 1)}});
  }
  chain.push_back({"20000", {}});
  EXPECT_EQ(load_order(chain).front(), "20000");
}

}  // namespace
}  // namespace busway::plugin_host_detail
