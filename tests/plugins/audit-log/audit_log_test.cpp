// The plugin as a host runs it.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include <eventually.hpp>
#include <temporary_folder.hpp>
#include "../shipped_plugin.hpp"
#include "busway/dead_letters.hpp"
#include "busway/events/user_event_data.hpp"
#include "busway/plugin_import.hpp"
#include "busway/testing/manual_clock.hpp"
#include "file_faults.hpp"
#include "shared/audit_line.hpp"

BUSWAY_IMPORT_PLUGIN(busway_audit_log_static)

namespace busway {
namespace {

class AuditLogTest : public ::testing::Test {
 protected:
  [[nodiscard]] Json config(Json more = Json::object()) const {
    more["path"] = path_;
    if (!more.contains("fsync")) more["fsync"] = "never";
    return more;
  }

  /// The records, in their order, with a good chain.
  [[nodiscard]] std::vector<Json> records() const {
    std::vector<Json> found;
    std::ifstream in(path_, std::ios::binary);
    shared::AuditLink last;
    for (std::string line; std::getline(in, line);) {
      const shared::AuditLine one = shared::read_audit_line(line);
      EXPECT_EQ(one.problem, "") << line;
      EXPECT_EQ(one.prev, last.hash) << line;
      last = {.seq = one.seq, .hash = one.hash};
      found.push_back(Json::parse(line));
    }
    return found;
  }

  [[nodiscard]] std::vector<std::string> topics() const {
    std::vector<std::string> found;
    for (const Json& one : records()) found.push_back(one.at("topic").get<std::string>());
    return found;
  }

  /// The numbers in all files.
  [[nodiscard]] std::multiset<int> kept() const {
    std::multiset<int> found;
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
      std::ifstream in(entry.path(), std::ios::binary);
      for (std::string line; std::getline(in, line);) {
        found.insert(Json::parse(line).at("data").at("n").get<int>());
      }
    }
    return found;
  }

  TemporaryFolder folder_;
  const std::string path_ = folder_.file("audit.jsonl");
};

constexpr const char* kTarget = "busway_audit_log";

TEST_F(AuditLogTest, KeepsEachTypeItIsToldToAndNoOther) {
  ShippedPlugin audit(kTarget, config({{"topics", {"user.login", "data.*", "order.paid"}}}));
  audit.start();
  for (const char* topic : {"user.login", "user.logout", "data.created", "order.paid", "order.made",
                            "data.deleted", "user.login"}) {
    (void)audit.bus().publish(topic, Json{{"n", 1}});
  }
  EXPECT_EQ(audit.finish(), (Json{{"recorded", 5}, {"write_failures", 0}, {"rotated", 0}}));
  EXPECT_EQ(topics(), (std::vector<std::string>{"user.login", "data.created", "order.paid",
                                                "data.deleted", "user.login"}));
}

TEST_F(AuditLogTest, KeepsLoginsChangesOfDataAndThePluginsThatBeginUnlessToldOtherwise) {
  ShippedPlugin audit(kTarget, config());
  audit.start();
  for (const char* topic : {"user.login", "user.logout", "user.login_failed", "data.created",
                            "data.updated", "data.deleted", "chat.message"}) {
    (void)audit.bus().publish(topic, Json{{"n", 1}});
  }
  EXPECT_TRUE(audit.manager().wait_until_idle(kGuard));
  audit.manager().load(PluginSpec{.path = std::string("static:busway_audit_log_static"),
                                  .id = "second",
                                  .config = {{"path", folder_.file("second")}}});
  audit.manager().start("second");
  (void)audit.finish();
  const std::vector<std::string> found = topics();
  ASSERT_GE(found.size(), 7U);
  EXPECT_EQ(
      std::vector<std::string>(found.begin(), found.begin() + 7),
      (std::vector<std::string>{"plugin.loaded", "plugin.running", "user.login", "user.logout",
                                "data.created", "data.updated", "data.deleted"}));
  EXPECT_NE(std::find(found.begin(), found.end(), "plugin.loaded"), found.end());
  EXPECT_NE(std::find(found.begin(), found.end(), "plugin.running"), found.end());
}

TEST_F(AuditLogTest, TellsWhatHappenedToWhomAndWhenButNoSecret) {
  ShippedPlugin audit(kTarget, config({{"topics", "*.*"}, {"secret_keys", "pin"}}));
  audit.start();
  (void)audit.bus().publish(user_login("ada", "ada@example.org", "10.0.0.1"));
  (void)audit.bus().publish("door.opened", Json{{"pin", 1234}, {"by", {{"token", "t"}}}});
  (void)audit.bus().publish("raw.bytes",
                            Payload::bytes(std::as_bytes(std::span("a\nb", 3)), "text/plain"));
  (void)audit.finish();
  const std::vector<Json> found = records();
  ASSERT_GE(found.size(), 3U);
  std::map<std::string, Json> by_topic;
  for (const Json& one : found) by_topic[one.at("topic").get<std::string>()] = one;
  const Json& first = by_topic["user.login"];
  EXPECT_EQ(first.at("user_id"), "ada");
  EXPECT_EQ(first.at("id"), to_string(audit.watcher().wait("user.login").id()));
  EXPECT_EQ(first.at("data"),
            (Json{{"user_id", "ada"}, {"email", "ada@example.org"}, {"address", "10.0.0.1"}}));
  EXPECT_TRUE(first.at("time").get<std::string>().ends_with("Z"));
  EXPECT_FALSE(first.contains("causation_id"));
  EXPECT_EQ(by_topic["door.opened"].at("data"), (Json{{"pin", "***"}, {"by", {{"token", "***"}}}}));
  EXPECT_EQ(by_topic["raw.bytes"].at("data_base64"), "YQpi");
  EXPECT_EQ(by_topic["raw.bytes"].at("content_type"), "text/plain");
}

TEST_F(AuditLogTest, GoesOnOverRestartAndRotationAndTellsOfIt) {
  for (int run = 0; run < 2; ++run) {
    ShippedPlugin audit(kTarget, config({{"topics", "user.login"}, {"rotate_size", "1KiB"}}));
    audit.start();
    for (int i = 0; i < 2; ++i) (void)audit.bus().publish("user.login", Json{{"n", i}});
    const Json summary = audit.finish();
    EXPECT_EQ(summary.at("recorded"), 2);
    if (run == 0) {
      EXPECT_EQ(records().size(), 2U);
      continue;
    }
    // Two lines of more than 300 bytes fit a KiB, the third not any more.
    EXPECT_EQ(summary.at("rotated"), 1);
    const Event rotated = audit.watcher().wait("audit.rotated");
    EXPECT_EQ(rotated.json().at("path"), path_);
    EXPECT_EQ(rotated.json().at("rotated_to"), path_ + ".000001");
    EXPECT_EQ(rotated.source(), "audit-log");
  }
  EXPECT_TRUE(std::filesystem::exists(path_ + ".000001"));
}

TEST_F(AuditLogTest, CutsOffWhatACrashLeftAndTellsOfIt) {
  std::ofstream(path_) << "{\"seq\":1,\"top";
  ShippedPlugin audit(kTarget, config());
  audit.start();
  EXPECT_EQ(audit.watcher().wait("audit.recovered").json(), (Json{{"path", path_}, {"bytes", 13}}));
  (void)audit.finish();
}

TEST_F(AuditLogTest, DoesNotStartWhereItCannotWrite) {
  ShippedPlugin audit(kTarget, {{"path", folder_.file("no/such/folder.jsonl")}});
  try {
    audit.start();
    FAIL() << "started";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("no/such/folder.jsonl"), std::string::npos)
        << error.what();
  }
}

TEST_F(AuditLogTest, LosesNothingWhenTheDiskIsFullAndTellsOnceThatItIsAndThatItIsNoMore) {
  const auto before = std::signal(SIGXFSZ, SIG_IGN);
  rlimit usual{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &usual), 0);
  {
    ShippedPlugin audit(
        kTarget, config({{"topics", "user.login"}, {"retry_delay", "1ms"}, {"retries", 1000}}));
    audit.start();
    (void)audit.bus().publish("user.login", Json{{"n", 0}});
    EXPECT_TRUE(audit.manager().wait_until_idle(kGuard));
    const rlimit full{.rlim_cur = std::filesystem::file_size(path_) + 10,
                      .rlim_max = usual.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &full), 0);
    for (int i = 1; i < 4; ++i) (void)audit.bus().publish("user.login", Json{{"n", i}});
    const Event failed = audit.watcher().wait("audit.failed");
    EXPECT_EQ(failed.json().at("path"), path_);
    EXPECT_EQ(failed.json().at("topic"), "user.login");
    EXPECT_NE(failed.json().at("error").get<std::string>().find(path_), std::string::npos);
    EXPECT_FALSE(failed.json().at("event_id").get<std::string>().empty());
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &usual), 0);
    const Event resumed = audit.watcher().wait("audit.resumed");
    EXPECT_EQ(resumed.json().at("path"), path_);
    EXPECT_GE(resumed.json().at("failed").get<int>(), 1);
    const Json summary = audit.finish();
    EXPECT_EQ(summary.at("recorded"), 4);
    EXPECT_EQ(audit.watcher().count("audit.failed"), 1U);
    EXPECT_EQ(audit.watcher().count("audit.resumed"), 1U);
  }
  (void)std::signal(SIGXFSZ, before);
  std::set<int> kept;
  for (const Json& one : records()) kept.insert(one.at("data").at("n").get<int>());
  EXPECT_EQ(kept, (std::set<int>{0, 1, 2, 3}));
}

TEST_F(AuditLogTest, WhatItCouldNotKeepIsADeadLetterAndItsHealthSaysWhy) {
  const auto before = std::signal(SIGXFSZ, SIG_IGN);
  rlimit usual{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &usual), 0);
  {
    ShippedPlugin audit(kTarget, config({{"topics", "user.login"}, {"retries", 0}}));
    audit.start();
    const rlimit full{.rlim_cur = 10, .rlim_max = usual.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &full), 0);
    (void)audit.bus().publish("user.login", Json{{"n", 1}});
    EXPECT_TRUE(audit.manager().wait_until_idle(kGuard));
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &usual), 0);
    EXPECT_EQ(audit.bus().dead_letters().list().size(), 1U);
    bool said = false;
    for (const PluginInfo& info : audit.manager().examine(kGuard)) {
      if (!info.health) continue;
      said = info.health->level == PluginHealthInfo::Level::failing &&
             info.health->message.find(path_) != std::string::npos;
    }
    EXPECT_TRUE(said);
    EXPECT_EQ(audit.finish(), (Json{{"recorded", 0}, {"write_failures", 1}, {"rotated", 0}}));
  }
  (void)std::signal(SIGXFSZ, before);
}

TEST_F(AuditLogTest, ToldToStopBeforeItCouldKeepAllItSaysHowManyAreLost) {
  const auto before = std::signal(SIGXFSZ, SIG_IGN);
  rlimit usual{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &usual), 0);
  {
    ShippedPlugin audit(kTarget, config({{"topics", "user.login"}}));
    audit.start();
    const rlimit full{.rlim_cur = 10, .rlim_max = usual.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &full), 0);
    for (int i = 0; i < 3; ++i) (void)audit.bus().publish("user.login", Json{{"n", i}});
    EXPECT_TRUE(eventually([&] { return audit.bus().stats().retried == 3; }));
    (void)audit.stop();
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &usual), 0);
    const std::string error = audit.watcher().wait("plugin.error").json().at("error");
    EXPECT_EQ(error,
              "3 events that it had failed to handle still waited to be tried again when it "
              "stopped; they are dropped");
  }
  (void)std::signal(SIGXFSZ, before);
}

TEST_F(AuditLogTest, IsReplacedWithoutAGap) {
  ShippedPlugin audit(kTarget, config({{"topics", "user.login"}}));
  audit.start();
  (void)audit.bus().publish("user.login", Json{{"n", 0}});
  audit.manager().reload(audit.id());
  (void)audit.bus().publish("user.login", Json{{"n", 1}});
  (void)audit.finish();
  EXPECT_EQ(records().size(), 2U);
}

TEST_F(AuditLogTest, WorksLinkedInAndInAProcessOfItsOwn) {
  for (const Form form : {Form::linked_in, Form::process}) {
    ShippedPlugin audit(kTarget, config({{"topics", "user.login"}, {"fsync", "interval"}}), form);
    audit.start();
    for (int i = 0; i < 10; ++i) (void)audit.bus().publish("user.login", Json{{"n", i}});
    EXPECT_EQ(audit.finish().at("recorded"), 10);
  }
  EXPECT_EQ(records().size(), 20U);
}

TEST_F(AuditLogTest, KeepsThePluginsThatWereLoadedBeforeIt) {
  for (const Form form : {Form::library, Form::process}) {
    std::filesystem::remove(path_);
    std::filesystem::remove(folder_.file("second"));
    ShippedPlugin audit(kTarget, config(), form);
    const std::string second = audit.manager().load(
        PluginSpec{.path = std::string("static:busway_audit_log_static"),
                   .id = "second",
                   .config = {{"path", folder_.file("second")}, {"topics", "nothing"}}});
    audit.manager().start(second);
    (void)audit.bus().publish("user.login", Json{{"n", 1}});
    audit.start();
    (void)audit.bus().publish("user.login", Json{{"n", 2}});
    (void)audit.finish();
    std::vector<std::string> found;
    for (const Json& one : records()) {
      const Json& data = one.at("data");
      found.push_back(
          one.at("topic").get<std::string>() + ' ' +
          (data.contains("n") ? data.at("n").dump() : data.at("plugin_name").get<std::string>()));
    }
    EXPECT_EQ(found, (std::vector<std::string>{"plugin.loaded audit-log", "plugin.loaded second",
                                               "plugin.running second", "user.login 1",
                                               "plugin.running audit-log", "user.login 2"}));
  }
}

TEST_F(AuditLogTest, KeepsWhatHappenedWhileItWasStoppedAndNothingTwice) {
  ShippedPlugin audit(kTarget, config({{"topics", "user.login"}}));
  audit.start();
  (void)audit.bus().publish("user.login", Json{{"n", 0}});
  (void)audit.finish();
  (void)audit.bus().publish("user.login", Json{{"n", 1}});
  audit.start();
  (void)audit.bus().publish("user.login", Json{{"n", 2}});
  audit.manager().reload(audit.id());
  (void)audit.bus().publish("user.login", Json{{"n", 3}});
  EXPECT_TRUE(audit.manager().wait_until_idle(kGuard));
  EXPECT_TRUE(audit.manager().stop_all().empty());
  std::vector<int> kept;
  for (const Json& one : records()) kept.push_back(one.at("data").at("n").get<int>());
  EXPECT_EQ(kept, (std::vector<int>{0, 1, 2, 3}));
}

TEST_F(AuditLogTest, KeepsNothingTwiceAndLeavesNothingOutWhenTimesAreOutOfOrder) {
  using std::chrono::seconds;
  for (const char* rotate_size : {"1MiB", "1KiB"}) {
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
      std::filesystem::remove(entry.path());
    }
    const WallTime start = std::chrono::system_clock::now();
    ShippedPlugin audit(kTarget, config({{"topics", "user.login"}, {"rotate_size", rotate_size}}));
    int n = 0;
    const auto say = [&](seconds at) {
      (void)audit.bus().publish("user.login", Json{{"n", n++}}, EventOptions{.time = start + at});
    };
    audit.start();
    for (const int at : {20, 10, 40, 30}) say(seconds(at));
    (void)audit.finish();
    for (const int at : {30, 35, 50, 5, 45, 15}) say(seconds(at));
    audit.start();
    (void)audit.finish();
    audit.start();
    say(seconds(0));
    (void)audit.finish();
    // What is older than all the last lines is not looked for.
    EXPECT_EQ(kept(), (std::multiset<int>{0, 1, 2, 3, 4, 5, 6, 8, 9, 10})) << rotate_size;
  }
}

TEST_F(AuditLogTest, KeepsAnEventAsOftenAsItWasPublished) {
  ShippedPlugin audit(kTarget, config({{"topics", "user.login"}}));
  const Event event("user.login", Payload::json(Json{{"n", 0}}), {.id = EventId{3, 3}});
  audit.start();
  (void)audit.bus().publish(event);
  (void)audit.finish();
  (void)audit.bus().publish(event);
  audit.start();
  EXPECT_EQ(audit.finish().at("recorded"), 1);
  EXPECT_EQ(kept(), (std::multiset<int>{0, 0}));
}

TEST_F(AuditLogTest, KeepsNoEventOfItsOwnFile) {
  ShippedPlugin audit(kTarget, config({{"topics", "*"}, {"rotate_size", "1KiB"}, {"queue", 1}}));
  audit.start();
  for (int i = 0; i < 4; ++i) {
    (void)audit.bus().publish("user.login", Json{{"long", std::string(700, 'x')}});
  }
  (void)audit.bus().publish("audit.passed", Json{{"by", "somebody"}});
  const Json summary = audit.finish();
  EXPECT_GE(audit.watcher().count("audit.rotated"), 3U);
  EXPECT_EQ(summary.at("write_failures"), 0);
  EXPECT_TRUE(audit.bus().dead_letters().list().empty());
  std::set<std::string> kept;
  for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
    std::ifstream in(entry.path());
    for (std::string line; std::getline(in, line);) {
      kept.insert(Json::parse(line).at("topic").get<std::string>());
    }
  }
  EXPECT_TRUE(kept.contains("audit.passed"));
  EXPECT_FALSE(kept.contains("audit.rotated"));
}

using audit_log::FileFaults;

/// "ok", or why not.
std::string health_of(ShippedPlugin& audit) {
  for (const PluginInfo& info : audit.manager().examine(kGuard)) {
    if (!info.health) continue;
    return info.health->level == PluginHealthInfo::Level::ok ? "ok" : info.health->message;
  }
  return "none";
}

TEST_F(AuditLogTest, TellsOfASyncThatFailsAndIsFailingUntilOneHasWorked) {
  for (const Form form : {Form::library, Form::linked_in}) {
    const FileFaults faults;
    ShippedPlugin audit(
        kTarget,
        config({{"topics", "user.login"}, {"fsync", "interval"}, {"fsync_interval", "10ms"}}),
        form);
    audit.start();
    FileFaults::fail_syncs(FileFaults::kAll);
    (void)audit.bus().publish("user.login", Json{{"n", 1}});
    const Json failed = audit.watcher().wait("audit.failed").json();
    EXPECT_EQ(failed.at("path"), path_);
    EXPECT_NE(failed.at("error").get<std::string>().find("to the disk"), std::string::npos);
    EXPECT_FALSE(failed.contains("event_id"));
    // A line that is written hides nothing, and no line is needed for the next attempt.
    (void)audit.bus().publish("user.login", Json{{"n", 2}});
    EXPECT_TRUE(audit.manager().wait_until_idle(kGuard));
    EXPECT_NE(health_of(audit).find("to the disk"), std::string::npos) << health_of(audit);
    const std::size_t before = FileFaults::syncs();
    EXPECT_TRUE(eventually([&] { return FileFaults::syncs() > before + 2; }));
    FileFaults::fail_syncs(0);
    EXPECT_GE(audit.watcher().wait("audit.resumed").json().at("failed").get<int>(), 3);
    EXPECT_EQ(health_of(audit), "ok");
    EXPECT_EQ(audit.finish().at("recorded"), 2);
    EXPECT_EQ(audit.watcher().count("audit.failed"), 1U);
    EXPECT_EQ(audit.watcher().count("audit.resumed"), 1U);
    EXPECT_EQ(audit.watcher().count("plugin.error"), 0U);
  }
}

TEST_F(AuditLogTest, SaysThatItsLastSyncHasFailed) {
  const FileFaults faults;
  ShippedPlugin audit(
      kTarget, config({{"topics", "user.login"}, {"fsync", "interval"}, {"fsync_interval", "1h"}}));
  audit.start();
  (void)audit.bus().publish("user.login", Json{{"n", 1}});
  EXPECT_TRUE(audit.manager().wait_until_idle(kGuard));
  FileFaults::fail_syncs(FileFaults::kAll);
  EXPECT_EQ(audit.finish().at("write_failures"), 1);
  EXPECT_EQ(audit.watcher().count("audit.failed"), 1U);
  const std::string error = audit.watcher().wait("plugin.error").json().at("error");
  EXPECT_NE(error.find("to the disk"), std::string::npos) << error;
}

/// A host whose time moves when the test says.
BusOptions options_on(const std::shared_ptr<testing::ManualClock>& clock) {
  BusOptions options = quiet_options();
  options.clock = clock;
  return options;
}

TEST_F(AuditLogTest, BringsLinesToTheDiskAlsoWhenItWasStoppedAndStartedAgain) {
  const FileFaults faults;
  const auto clock = std::make_shared<testing::ManualClock>();
  ShippedPlugin audit(
      kTarget, config({{"topics", "user.login"}, {"fsync", "interval"}, {"fsync_interval", "1m"}}),
      Form::library, options_on(clock));
  for (int run = 0; run < 3; ++run) {
    audit.start();
    (void)audit.bus().publish("user.login", Json{{"n", run}});
    EXPECT_TRUE(audit.manager().wait_until_idle(kGuard));
    const std::size_t before = FileFaults::syncs();
    clock->advance(std::chrono::minutes(1));
    EXPECT_TRUE(eventually([&] { return FileFaults::syncs() > before; })) << run;
    // And it stops while the next one is due.
    (void)audit.bus().publish("user.login", Json{{"n", run}});
    EXPECT_EQ(audit.finish(), (Json{{"recorded", 2}, {"write_failures", 0}, {"rotated", 0}}));
  }
}

TEST_F(AuditLogTest, BeginsWithoutTheFaultsOfTheRunBefore) {
  const FileFaults faults;
  ShippedPlugin audit(
      kTarget, config({{"topics", "user.login"}, {"fsync", "interval"}, {"fsync_interval", "1h"}}));
  for (std::size_t run = 0; run < 2; ++run) {
    audit.start();
    EXPECT_EQ(health_of(audit), "ok");
    (void)audit.bus().publish("user.login", Json{{"n", run}});
    EXPECT_TRUE(audit.manager().wait_until_idle(kGuard));
    FileFaults::fail_syncs(FileFaults::kAll);
    EXPECT_EQ(audit.finish().at("write_failures"), 1);
    FileFaults::fail_syncs(0);
    EXPECT_EQ(audit.watcher().count("audit.failed"), run + 1);
    EXPECT_EQ(audit.watcher().count("audit.resumed"), 0U);
  }
}

TEST_F(AuditLogTest, HasNotResumedWhenOneFaultEndsAndAnotherBegins) {
  const auto before = std::signal(SIGXFSZ, SIG_IGN);
  rlimit usual{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &usual), 0);
  {
    const FileFaults faults;
    const auto clock = std::make_shared<testing::ManualClock>();
    ShippedPlugin audit(kTarget,
                        config({{"topics", "user.login"},
                                {"retries", 0},
                                {"fsync", "interval"},
                                {"fsync_interval", "1m"}}),
                        Form::library, options_on(clock));
    audit.start();
    (void)audit.bus().publish("user.login", Json{{"n", 0}});
    EXPECT_TRUE(audit.manager().wait_until_idle(kGuard));
    const rlimit full{.rlim_cur = std::filesystem::file_size(path_) + 10,
                      .rlim_max = usual.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &full), 0);
    (void)audit.bus().publish("user.login", Json{{"n", 1}});
    EXPECT_TRUE(audit.manager().wait_until_idle(kGuard));
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &usual), 0);
    // The next line can be written, and the file before it cannot be brought to the disk.
    FileFaults::fail_syncs(1);
    std::filesystem::rename(path_, path_ + ".000001");
    (void)audit.bus().publish("user.login", Json{{"n", 2}});
    EXPECT_TRUE(audit.manager().wait_until_idle(kGuard));
    EXPECT_EQ(audit.watcher().count("audit.failed"), 2U);
    EXPECT_EQ(audit.watcher().count("audit.resumed"), 0U);
    EXPECT_NE(health_of(audit).find("to the disk"), std::string::npos) << health_of(audit);
    clock->advance(std::chrono::minutes(1));
    EXPECT_EQ(audit.watcher().wait("audit.resumed").json().at("failed"), 2);
    EXPECT_EQ(health_of(audit), "ok");
    EXPECT_EQ(audit.finish().at("write_failures"), 2);
    EXPECT_EQ(audit.watcher().count("audit.resumed"), 1U);
  }
  (void)std::signal(SIGXFSZ, before);
}

TEST_F(AuditLogTest, WithASyncOfEachLineLosesNoneAndKeepsNoneTwiceWhenSyncsFail) {
  const FileFaults faults;
  ShippedPlugin audit(
      kTarget, config({{"topics", "user.login"}, {"fsync", "always"}, {"retry_delay", "1ms"}}));
  audit.start();
  FileFaults::fail_syncs(3);
  FileFaults::fail_cuts(1);
  for (int i = 0; i < 4; ++i) (void)audit.bus().publish("user.login", Json{{"n", i}});
  EXPECT_GE(audit.watcher().wait("audit.resumed").json().at("failed").get<int>(), 1);
  const Json summary = audit.finish();
  EXPECT_EQ(summary.at("recorded"), 4);
  EXPECT_EQ(summary.at("write_failures"), 3);
  std::multiset<int> kept;
  for (const Json& one : records()) kept.insert(one.at("data").at("n").get<int>());
  EXPECT_EQ(kept, (std::multiset<int>{0, 1, 2, 3}));
}

TEST_F(AuditLogTest, WithoutSyncsNoneCanFail) {
  const FileFaults faults;
  ShippedPlugin audit(kTarget, config({{"topics", "user.login"}}));
  audit.start();
  FileFaults::fail_syncs(FileFaults::kAll);
  (void)audit.bus().publish("user.login", Json{{"n", 1}});
  EXPECT_EQ(audit.finish(), (Json{{"recorded", 1}, {"write_failures", 0}, {"rotated", 0}}));
  EXPECT_EQ(FileFaults::syncs(), 0U);
}

TEST_F(AuditLogTest, KeepsAnotherEventThatComesWithTheIdOfALine) {
  const auto publish = [](ShippedPlugin& audit, int n) {
    (void)audit.bus().publish("user.login", Json{{"n", n}}, EventOptions{.id = EventId{3, 3}});
  };
  {
    ShippedPlugin audit(kTarget, config({{"topics", "user.login"}}));
    audit.start();
    publish(audit, 0);
    (void)audit.finish();
  }
  ShippedPlugin audit(kTarget, config({{"topics", "user.login"}}));
  audit.start();
  publish(audit, 1);
  EXPECT_TRUE(audit.manager().wait_until_idle(kGuard));
  audit.manager().reload(audit.id());
  publish(audit, 2);
  (void)audit.finish();
  EXPECT_EQ(kept(), (std::multiset<int>{0, 1, 2}));
}

TEST_F(AuditLogTest, RepeatsNothingOfALongLogForOneStampThatIsWrong) {
  BusOptions options = quiet_options();
  options.history = 20'000;
  ShippedPlugin audit(kTarget, config({{"topics", "user.login"}, {"queue", 100'000}}),
                      Form::library, options);
  audit.start();
  for (int i = 0; i < 12'000; ++i) (void)audit.bus().publish("user.login", Json{{"n", i}});
  (void)audit.bus().publish("user.login", Json{{"n", 12'000}}, EventOptions{.time = WallTime{}});
  EXPECT_EQ(audit.finish().at("recorded"), 12'001);
  for (int i = 0; i < 2; ++i) {
    audit.start();
    EXPECT_EQ(audit.finish().at("recorded"), 0) << i;
  }
}

TEST_F(AuditLogTest, RepeatsNothingForStampsThatAreOfNoTime) {
  ShippedPlugin audit(kTarget, config({{"topics", "user.login"}}));
  audit.start();
  int n = 0;
  for (const WallTime time :
       {WallTime::min(), WallTime::max(), WallTime(std::chrono::nanoseconds(-1))}) {
    (void)audit.bus().publish("user.login", Json{{"n", n++}}, EventOptions{.time = time});
  }
  (void)audit.finish();
  audit.start();
  EXPECT_EQ(audit.finish().at("recorded"), 0);
}

TEST_F(AuditLogTest, StoppedAndStartedUnderLoadKeepsEachEventOnce) {
  constexpr int kPublishers = 3;
  constexpr int kEach = 400;
  BusOptions options = quiet_options();
  options.history = 100'000;
  ShippedPlugin audit(kTarget, config({{"topics", "user.login"}, {"rotate_size", "64KiB"}}),
                      Form::library, options);
  audit.start();
  std::atomic<int> published{0};
  std::vector<std::thread> publishers;
  for (int i = 0; i < kPublishers; ++i) {
    publishers.emplace_back([&] {
      for (int j = 0; j < kEach; ++j) {
        (void)audit.bus().publish("user.login", Json{{"n", published++}});
      }
    });
  }
  for (int i = 1; i < 8; ++i) {
    EXPECT_TRUE(eventually([&] { return published >= i * kPublishers * kEach / 8; }));
    (void)audit.manager().stop_all();
    audit.start();
  }
  for (std::thread& one : publishers) one.join();
  (void)audit.finish();
  const std::multiset<int> all = kept();
  EXPECT_EQ(all.size(), static_cast<std::size_t>(kPublishers * kEach));
  EXPECT_EQ(std::set<int>(all.begin(), all.end()).size(), all.size());
}

}  // namespace
}  // namespace busway
