#include "busway/plugin_import.hpp"
#include "plugin_fixture.hpp"

BUSWAY_IMPORT_PLUGIN(test_linked_in)

namespace busway {
namespace {

class StaticPlugin : public PluginTest {};

TEST_F(StaticPlugin, RunsLikeOneFromALibrary) {
  Watcher watch(bus_, "test.*");
  const std::string id = manager_.load("static:test_linked_in");
  EXPECT_EQ(id, "linked_in");
  manager_.start(id);
  bus_.publish("test.echo", Json{{"x", 1}});
  const Event echoed = watch.wait("test.echoed");
  EXPECT_EQ(echoed.source(), "linked_in");
  EXPECT_EQ(echoed.json().at("payload").at("x"), 1);
  manager_.unload(id);
  EXPECT_FALSE(manager_.find(id)->still_mapped);
}

TEST_F(StaticPlugin, CanBeLoadedTwiceUnderTwoIds) {
  manager_.load(PluginSpec{.path = "static:test_linked_in", .id = "one"});
  manager_.load(PluginSpec{.path = "static:test_linked_in", .id = "two"});
  EXPECT_TRUE(manager_.start_all().empty());
  Watcher watch(bus_, "test.echoed");
  bus_.publish("test.echo", Json());
  const Event first = watch.wait("test.echoed", 0);
  const Event second = watch.wait("test.echoed", 1);
  EXPECT_NE(first.source(), second.source());
}

TEST_F(StaticPlugin, ThatIsNotLinkedIsNamedWithTheNearest) {
  const Error error = error_of([&] { manager_.load("static:test_linked_im"); });
  EXPECT_EQ(error.code(), ErrorCode::not_found);
  EXPECT_EQ(std::string_view(error.what()),
            "no plugin \"test_linked_im\" is linked into this program; name it with "
            "BUSWAY_IMPORT_PLUGIN (did you mean \"test_linked_in\"?)");
}

TEST_F(StaticPlugin, IsListed) {
  EXPECT_EQ(imported_plugins(), (std::vector<std::string>{"test_linked_in", "test_on_linked_in"}));
}

}  // namespace
}  // namespace busway
