// One host has plugins of other compilers, standard libraries and options, all at once.
// abi_members.cmake tells how each is built.
#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "busway/plugin_info.hpp"
#include "platform/loaded_images.hpp"
#include "plugin_fixture.hpp"

namespace busway {
namespace {

std::vector<std::string> ids() {
  std::vector<std::string> out;
  for (std::string_view rest = BUSWAY_ABI_MEMBERS; !rest.empty();) {
    const std::size_t end = std::min(rest.find(','), rest.size());
    out.emplace_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return out;
}

class AbiMembers : public PluginTest {
 protected:
  using Counts = std::map<std::string, int>;

  void SetUp() override {
    ASSERT_GE(ids().size(), 11U);
    for (const std::string& id : ids()) EXPECT_EQ(run(id), id);
  }

  static bool is_mapped(const std::string& id) {
    return platform_detail::is_mapped("busway-test_" + id + "-");
  }

  /// What each of them answers, as the host stamped it.
  Counts ask(std::string_view question, std::string_view answer) {
    Watcher watch(bus_, std::string(answer));
    bus_.publish(question, Json(1));
    Counts counts;
    for (std::size_t n = 0; n < ids().size(); ++n) {
      const Event event = watch.wait(answer, n);
      if (event.topic().empty()) break;
      counts[std::string(event.source())] = event.json().at("count").get<int>();
    }
    return counts;
  }
  static Counts each(int count) {
    Counts counts;
    for (const std::string& id : ids()) counts[id] = count;
    return counts;
  }
};

TEST_F(AbiMembers, AllHearAndSpeak) {
  EXPECT_EQ(ask("abi.count", "abi.counted"), each(1));
  EXPECT_EQ(ask("abi.count", "abi.counted"), each(2));
}

TEST_F(AbiMembers, AllHaveTimers) { EXPECT_EQ(ask("abi.timer", "abi.timer_ran"), each(0)); }

TEST_F(AbiMembers, WhatOneThrowsIsItsFailureInItsWordsAndNothingElse) {
  std::set<std::string> expected;
  for (const std::string& id : ids()) {
    expected.insert(id + " threw this on purpose, in its handler");
  }
  for (int round = 0; round < 2; ++round) {
    const PublishResult result = bus_.publish("abi.throw");
    std::set<std::string> reasons;
    for (const DeliveryFailure& failure : result.failures) reasons.insert(failure.reason);
    EXPECT_EQ(reasons, expected);
  }
  for (const PluginInfo& info : manager_.list()) EXPECT_EQ(info.state, PluginState::running);
  EXPECT_EQ(ask("abi.count", "abi.counted"), each(1)) << "and all go on";
}

TEST_F(AbiMembers, EachHandsItsStateOverWhenItIsReplaced) {
  EXPECT_EQ(ask("abi.count", "abi.counted"), each(1));
  for (const std::string& id : ids()) {
    manager_.reload(id);
    EXPECT_EQ(manager_.find(id)->generation, 2U) << id;
  }
  EXPECT_EQ(ask("abi.count", "abi.counted"), each(2));
  EXPECT_EQ(ask("abi.timer", "abi.timer_ran"), each(2));
}

TEST_F(AbiMembers, NothingOfThemStaysInMemoryWhateverTheyDidBefore) {
  ask("abi.count", "abi.counted");
  ask("abi.timer", "abi.timer_ran");
  bus_.publish("abi.throw");
  for (const std::string& id : ids()) {
    manager_.reload(id);
    EXPECT_TRUE(is_mapped(id)) << id;
  }
  bus_.publish("abi.throw");
  for (const std::string& id : ids()) {
    manager_.unload(id);
    EXPECT_FALSE(manager_.find(id)->still_mapped) << id;
    EXPECT_FALSE(is_mapped(id)) << id;
  }
}

#if defined(BUSWAY_ABI_UNSCRIPTED)
// Whether it stays in memory is then up to the host: one whose own libstdc++ is a shared library
// gives that one's unique symbols to the plugin, any other keeps the plugin for its own ones.
TEST(AbiMember, WithALibraryInItAndWithoutTheVersionScriptIsLoadedWithWarnings) {
  std::string warnings;
  BusOptions options;
  options.log = [&](LogLevel level, std::string_view words, std::span<const LogField>) {
    if (level == LogLevel::warning) warnings.append(words).append("\n");
  };
  Bus bus(options);
  PluginManager manager(bus);
  manager.load(library(BUSWAY_ABI_UNSCRIPTED));
  EXPECT_NE(warnings.find("the library has unique symbols (_ZN"), std::string::npos) << warnings;
  EXPECT_NE(warnings.find("exports more than its entry ("), std::string::npos) << warnings;
}
#endif

}  // namespace
}  // namespace busway
