#include "busway/plugin_manager.hpp"

#include <algorithm>
#include <eventually.hpp>
#include <filesystem>
#include <fstream>
#include <future>
#include <thread>

#include <temporary_folder.hpp>

#include "busway/events/plugin_event_data.hpp"
#include "busway/typed.hpp"
#include "platform/loaded_images.hpp"
#include "plugin_fixture.hpp"

namespace busway {
namespace {

using Topics = std::vector<std::string>;

/// Part of the name of the library's mappings.
constexpr std::string_view kImage = "busway-test_everything";

class PluginManagerTest : public PluginTest {
 protected:
  static Topics running(const PluginManager& manager) {
    Topics ids;
    for (const PluginInfo& info : manager.list()) {
      if (info.state == PluginState::running) ids.push_back(info.id);
    }
    return ids;
  }
};

TEST_F(PluginManagerTest, ListsWhoAPluginIs) {
  run("everything");
  const std::vector<PluginInfo> all = manager_.list();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].id, "everything");
  EXPECT_EQ(all[0].version, "1.2.3");
  EXPECT_EQ(all[0].description, "does what it is told");
  EXPECT_EQ(all[0].path, library("everything"));
  EXPECT_EQ(all[0].state, PluginState::running);
  EXPECT_EQ(all[0].generation, 1U);
  EXPECT_EQ(all[0].source, PluginSource::none);
}

TEST_F(PluginManagerTest, OwnsABusWhenGivenOptions) {
  PluginManager manager(quiet());
  manager.load(library("everything"));
  EXPECT_TRUE(manager.start_all().empty());
  Watcher watch(manager.bus(), "test.echoed");
  manager.bus().publish("test.echo", Json());
  EXPECT_EQ(watch.wait("test.echoed").source(), "everything");
}

TEST_F(PluginManagerTest, StartsInTheOrderOfWhatIsRequiredAndStopsTheOtherWay) {
  Watcher watch(bus_, {"plugin.running", "plugin.stopped"});
  for (const char* name : {"gamma", "beta", "alpha"}) manager_.load(library(name));
  EXPECT_TRUE(manager_.start_all().empty());
  EXPECT_TRUE(manager_.stop_all().empty());
  Topics names;
  for (std::size_t i = 0; i < 3; ++i) {
    names.push_back(watch.wait("plugin.running", i).as<PluginEventData>().plugin_name);
  }
  for (std::size_t i = 0; i < 3; ++i) {
    names.push_back(watch.wait("plugin.stopped", i).as<PluginEventData>().plugin_name);
  }
  EXPECT_EQ(names, (Topics{"alpha", "beta", "gamma", "gamma", "beta", "alpha"}));
}

TEST_F(PluginManagerTest, ReportsAMissingRequirementBeforeAnythingStarts) {
  manager_.load(library("alpha"));
  manager_.load(library("lonely"));
  const Error error = error_of([&] { (void)manager_.start_all(); });
  EXPECT_EQ(error.code(), ErrorCode::plugin_requires);
  EXPECT_EQ(std::string_view(error.what()),
            "the plugin \"lonely\" requires \"alpho\", which is not loaded (did you mean "
            "\"alpha\"?)");
  EXPECT_TRUE(running(manager_).empty());
}

TEST_F(PluginManagerTest, ReportsACircle) {
  manager_.load(library("chicken"));
  manager_.load(library("egg"));
  const Error error = error_of([&] { (void)manager_.start_all(); });
  EXPECT_EQ(error.code(), ErrorCode::plugin_requires);
  EXPECT_NE(std::string_view(error.what()).find("chicken -> egg -> chicken"),
            std::string_view::npos);
}

TEST_F(PluginManagerTest, RefusesToStartOneBeforeWhatItRequiresAndToStopThatWhileItRuns) {
  manager_.load(library("alpha"));
  manager_.load(library("beta"));
  EXPECT_EQ(error_of([&] { manager_.start("beta"); }).code(), ErrorCode::plugin_requires);
  manager_.start("alpha");
  manager_.start("beta");
  EXPECT_EQ(error_of([&] { manager_.stop("alpha"); }).code(), ErrorCode::plugin_requires);
  EXPECT_EQ(error_of([&] { manager_.unload("alpha"); }).code(), ErrorCode::plugin_requires);
  manager_.stop("beta");
  manager_.stop("alpha");
}

TEST_F(PluginManagerTest, StartsTheOthersWhenOneFails) {
  manager_.load(PluginSpec{.path = library("alpha"), .config = {{"fail", true}}});
  manager_.load(library("beta"));
  manager_.load(library("everything"));
  const auto problems = manager_.start_all();
  ASSERT_EQ(problems.size(), 2U);
  EXPECT_EQ(problems[0].id, "alpha");
  EXPECT_EQ(problems[0].code, ErrorCode::plugin_failed);
  EXPECT_EQ(problems[0].message, "the plugin alpha failed in start: does not want to start");
  EXPECT_EQ(problems[1].id, "beta");
  EXPECT_EQ(problems[1].code, ErrorCode::plugin_requires);
  EXPECT_EQ(running(manager_), (Topics{"everything"}));
}

TEST_F(PluginManagerTest, RefusesAnIdThatIsTaken) {
  manager_.load(library("alpha"));
  EXPECT_EQ(error_of([&] { manager_.load(library("alpha")); }).code(), ErrorCode::already_exists);
  EXPECT_EQ(manager_.find("alpha")->state, PluginState::created) << "the first one lives on";
  manager_.load(PluginSpec{.path = library("alpha"), .id = "alpha2"});
  manager_.start("alpha");
  manager_.start("alpha2");
}

TEST_F(PluginManagerTest, NamesTheNearestWhenThereIsNoSuchPlugin) {
  manager_.load(library("alpha"));
  const Error error = error_of([&] { manager_.start("alhpa"); });
  EXPECT_EQ(error.code(), ErrorCode::not_found);
  EXPECT_EQ(std::string_view(error.what()),
            "there is no plugin \"alhpa\" (did you mean \"alpha\"?)");
}

TEST_F(PluginManagerTest, RefusesASpecThatCannotBe) {
  EXPECT_EQ(
      error_of([&] { manager_.load(PluginSpec{.path = library("alpha"), .id = "a b"}); }).code(),
      ErrorCode::invalid_argument);
  EXPECT_EQ(
      error_of([&] { manager_.load(PluginSpec{.path = library("alpha"), .config = 3}); }).code(),
      ErrorCode::invalid_argument);
}

TEST_F(PluginManagerTest, RefusesAConfigurationThatIsNoText) {
  const Error error = error_of([&] {
    manager_.load(PluginSpec{.path = library("everything"), .config = {{"name", "caf\xE9"}}});
  });
  EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
  EXPECT_NE(std::string_view(error.what()).find("UTF-8"), std::string_view::npos) << error.what();
  EXPECT_FALSE(platform_detail::is_mapped(kImage)) << "nothing was opened";
}

TEST_F(PluginManagerTest, RefusesTimesThatCannotBe) {
  const auto refused = [&](PluginManagerOptions options) {
    const Error error = error_of([&] { const PluginManager manager(bus_, std::move(options)); });
    EXPECT_EQ(error.code(), ErrorCode::invalid_option);
    return std::string(error.what());
  };
  EXPECT_EQ(refused({.call_timeout = std::chrono::nanoseconds(0)}),
            "call_timeout of PluginManagerOptions is 0 ns; it takes more than 0");
  EXPECT_EQ(refused({.drain_timeout = std::chrono::nanoseconds(-1)}),
            "drain_timeout of PluginManagerOptions is -1 ns; it takes 0 or more");
}

TEST_F(PluginManagerTest, TakesTimesThatNeverEnd) {
  PluginManager patient(bus_, {.call_timeout = std::chrono::nanoseconds::max(),
                               .drain_timeout = std::chrono::nanoseconds::max()});
  patient.load(PluginSpec{.path = library("everything"), .config = {{"farewell", true}}});
  patient.start("everything");
  EXPECT_EQ(patient.health("everything").level, PluginHealthInfo::Level::ok);
  EXPECT_EQ(bus_.publish("test.echo", Json()).queued, 1U);
  patient.unload("everything");
  EXPECT_EQ(patient.find("everything")->state, PluginState::unloaded);
}

TEST_F(PluginManagerTest, APluginTooBusyForAQuestionOfItsHealthIsNotGivenUp) {
  PluginManager impatient(bus_, {.call_timeout = std::chrono::seconds(1)});
  impatient.load(library("everything"));
  impatient.start("everything");
  std::promise<void> free;
  const Subscription busy =
      bus_.subscribe("test.echoed", [&](const Event&) { free.get_future().wait(); });
  bus_.publish("test.echo", Json());
  const PluginHealthInfo health = impatient.health("everything");
  EXPECT_EQ(health.level, PluginHealthInfo::Level::failing);
  EXPECT_EQ(health.message,
            "the plugin everything did not come back from health within 1000 ms; it is busy with "
            "something else, or hangs");
  free.set_value();
  impatient.unload("everything");
  EXPECT_EQ(impatient.find("everything")->state, PluginState::unloaded);
  EXPECT_FALSE(impatient.find("everything")->still_mapped);
}

TEST_F(PluginManagerTest, RefusesAChangeOnTheThreadOfASource) {
  std::vector<ErrorCode> codes;
  const Subscription on_source = bus_.subscribe("test.line", [&](const Event&) {
    codes.push_back(error_of([&] { manager_.stop("everything"); }).code());
  });
  run("everything", {{"lines", 1}});
  ASSERT_TRUE(manager_.wait_until_idle(kGuard));
  EXPECT_EQ(codes, (std::vector<ErrorCode>{ErrorCode::would_block}));
}

TEST_F(PluginManagerTest, RefusesAChangeWithinAChange) {
  std::vector<ErrorCode> codes;
  const Subscription inside = bus_.subscribe("plugin.starting", [&](const Event&) {
    codes.push_back(error_of([&] { manager_.stop_all(); }).code());
    EXPECT_EQ(manager_.list().size(), 1U) << "looking is allowed";
  });
  run("alpha");
  EXPECT_EQ(codes, (std::vector<ErrorCode>{ErrorCode::would_block}));
}

TEST_F(PluginManagerTest, RefusesAChangeOnAPluginsThread) {
  run("everything");
  std::vector<ErrorCode> codes;
  const Subscription on_worker = bus_.subscribe("test.echoed", [&](const Event&) {
    codes.push_back(error_of([&] { manager_.unload("everything"); }).code());
  });
  bus_.publish("test.echo", Json());
  ASSERT_TRUE(manager_.wait_until_idle(kGuard));
  EXPECT_EQ(codes, (std::vector<ErrorCode>{ErrorCode::would_block}));
}

TEST_F(PluginManagerTest, ANewBuildUnderTheSamePathIsLoadedAnew) {
  const TemporaryFolder folder;
  const std::string path = folder.file("rebuilt.so");
  const auto install = [&](const char* build) {
    std::filesystem::copy_file(library(build), path,
                               std::filesystem::copy_options::overwrite_existing);
  };
  install("rebuilt_one");
  manager_.load(PluginSpec{.path = path, .id = "first"});
  // Over the file of a library that is in use, in place.
  install("rebuilt_two");
  manager_.load(PluginSpec{.path = path, .id = "second"});
  EXPECT_EQ(manager_.find("first")->version, "one");
  EXPECT_EQ(manager_.find("second")->version, "two");
  manager_.unload("second");
  manager_.load(PluginSpec{.path = path, .id = "second"});
  EXPECT_EQ(manager_.find("second")->generation, 2U);
}

TEST_F(PluginManagerTest, UnloadingTakesTheCodeOutOfTheProcess) {
  run("everything");
  EXPECT_TRUE(platform_detail::is_mapped(kImage)) << "or the next line proves nothing";
  manager_.unload("everything");
  EXPECT_FALSE(platform_detail::is_mapped(kImage));
  EXPECT_FALSE(manager_.find("everything")->still_mapped);
  EXPECT_EQ(manager_.find("everything")->state, PluginState::unloaded);
}

TEST_F(PluginManagerTest, ACodeThatStaysMappedIsReported) {
  Watcher watch(bus_, "plugin.error");
  manager_.load(library("never_unmapped"));
  manager_.unload("rebuilt");
  EXPECT_TRUE(manager_.find("rebuilt")->still_mapped);
  EXPECT_EQ(manager_.find("rebuilt")->state, PluginState::unloaded);
  const PluginEventData data = watch.wait("plugin.error").as<PluginEventData>();
  EXPECT_EQ(data.plugin_name, "rebuilt");
  EXPECT_NE(data.error.find("still mapped"), std::string::npos);
}

TEST_F(PluginManagerTest, ManyLoadsLeaveNothingBehind) {
  for (int i = 0; i < 20; ++i) {
    run("everything");
    manager_.unload("everything");
  }
  EXPECT_EQ(manager_.find("everything")->generation, 20U);
  EXPECT_FALSE(platform_detail::is_mapped(kImage));
  EXPECT_TRUE(bus_.subscriptions("everything").empty());
}

TEST_F(PluginManagerTest, TellsThePluginsHealth) {
  run("everything", {{"ill", true}});
  const PluginHealthInfo ill = manager_.health("everything");
  EXPECT_EQ(ill.level, PluginHealthInfo::Level::degraded);
  EXPECT_EQ(ill.message, "has a cold");
  run("plain_c");
  EXPECT_EQ(manager_.health("plain_c").level, PluginHealthInfo::Level::ok);
}

TEST_F(PluginManagerTest, ExaminesThoseThatRunAndLeavesTheOthersAlone) {
  run("everything", {{"ill", true}});
  run("plain_c");
  manager_.load(library("alpha"));
  const std::vector<PluginInfo> all = manager_.examine(std::chrono::minutes(1));
  ASSERT_EQ(all.size(), 3U);
  ASSERT_TRUE(all[0].health.has_value());
  EXPECT_EQ(all[0].health->level, PluginHealthInfo::Level::degraded);
  EXPECT_EQ(all[0].health->message, "has a cold");
  ASSERT_TRUE(all[1].health.has_value());
  EXPECT_EQ(all[1].health->level, PluginHealthInfo::Level::ok);
  EXPECT_FALSE(all[2].health.has_value()) << "it has not been started";
  EXPECT_FALSE(manager_.list()[0].health.has_value()) << "list() asks nobody";
  manager_.stop("everything");
  EXPECT_FALSE(manager_.examine(std::chrono::minutes(1))[0].health.has_value());
}

TEST_F(PluginManagerTest, ExaminesTheOthersWhileOneIsBusyOrIsBeingStopped) {
  run("everything");
  run("plain_c");
  std::promise<void> free;
  const Subscription busy =
      bus_.subscribe("test.echoed", [&](const Event&) { free.get_future().wait(); });
  bus_.publish("test.echo", Json());
  for (int i = 0; i < 3; ++i) {
    const std::vector<PluginInfo> all = manager_.examine(std::chrono::milliseconds(1));
    ASSERT_TRUE(all[0].health.has_value());
    EXPECT_EQ(all[0].health->level, PluginHealthInfo::Level::unknown);
    EXPECT_EQ(all[0].health->message,
              "it has not answered within 1ms; it is busy with something else, or hangs");
  }
  std::thread stop([&] { manager_.stop("everything"); });
  EXPECT_TRUE(
      eventually([&] { return manager_.find("everything")->state == PluginState::stopping; }));
  const std::vector<PluginInfo> all = manager_.examine(std::chrono::minutes(1));
  EXPECT_FALSE(all[0].health.has_value());
  ASSERT_TRUE(all[1].health.has_value());
  EXPECT_EQ(all[1].health->level, PluginHealthInfo::Level::ok);
  free.set_value();
  stop.join();
}

TEST_F(PluginManagerTest, ItsEndStopsAndUnloadsAll) {
  Watcher watch(bus_, {"plugin.unloaded", "test.teardown"});
  {
    PluginManager manager(bus_);
    manager.load(library("everything"));
    (void)manager.start_all();
  }
  EXPECT_EQ(watch.topics(), (Topics{"test.teardown", "plugin.unloaded"}));
}

}  // namespace
}  // namespace busway
