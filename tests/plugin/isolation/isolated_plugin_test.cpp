// A plugin in a process of its own: what its host sees of it, and of its end.
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include <temporary_folder.hpp>

#include "busway/context.hpp"
#include "busway/receipt.hpp"
#include "children.hpp"
#include "isolated_fixture.hpp"
#include "platform/child_process.hpp"

namespace busway {
namespace {

class Isolated : public IsolatedTest {};

TEST_F(Isolated, RunsInAnotherProcessThatTheListNames) {
  Watcher watch(bus_, "mortal.started");
  run_mortal();
  const int process = watch.wait("mortal.started").json().at("pid").get<int>();
  EXPECT_NE(process, ::getpid());
  EXPECT_EQ(info().process_id, process);
  EXPECT_EQ(info().isolation, PluginIsolation::process);
  manager_.unload("mortal");
  EXPECT_EQ(::kill(process, 0), -1) << "it is still there";
  EXPECT_EQ(info().process_id, 0);
  EXPECT_FALSE(info().still_mapped);
}

TEST_F(Isolated, EventsArriveInOrderAndOnce) {
  run_mortal();
  Account account(bus_);
  for (int i = 0; i < 5'000; ++i) account.publish();
  EXPECT_TRUE(account.all_accounted_for());
  EXPECT_TRUE(account.in_order());
  EXPECT_EQ(account.repeated(), 0);
  EXPECT_EQ(account.refused(), 0);
  EXPECT_TRUE(letters().empty());
}

TEST_F(Isolated, OneThatFailsAmongManyIsADeadLetterAndThoseBehindItAreHandled) {
  run_mortal();
  Account account(bus_);
  for (int i = 0; i < 1'000; ++i) account.publish(i % 100 == 50 ? "throw" : nullptr);
  EXPECT_TRUE(account.all_accounted_for());
  EXPECT_TRUE(eventually([&] { return letters().size() == 10U; }));
  EXPECT_EQ(letters().back().history.front().reason, "thrown on purpose");
  EXPECT_TRUE(account.in_order());
  EXPECT_EQ(account.repeated(), 0);
}

TEST_F(Isolated, KilledWhenIdleItIsStartedAgainAndKeepsItsSubscriptions) {
  Watcher watch(bus_, Patterns{"mortal.started", "done", "plugin.error"});
  run_mortal();
  std::set<SubscriptionId> before;
  for (const SubscriptionInfo& one : bus_.subscriptions("mortal")) before.insert(one.id);
  kill_process();
  (void)watch.wait("mortal.started", 1);
  bus_.publish("do", "something");
  (void)watch.wait("done");
  std::set<SubscriptionId> after;
  for (const SubscriptionInfo& one : bus_.subscriptions("mortal")) after.insert(one.id);
  EXPECT_EQ(after, before);
  EXPECT_FALSE(before.empty());
  EXPECT_TRUE(eventually([&] { return info().restarts == 1U; }));
  EXPECT_NE(watch.wait("plugin.error").json().at("error").get<std::string>().find("SIGKILL"),
            std::string::npos);
  EXPECT_EQ(info().state, PluginState::running);
}

TEST_F(Isolated, TheEventItDiesOnIsTriedOnceMoreAndThenADeadLetter) {
  const std::pair<const char*, const char*> ends[] = {
      {"segv", "SIGSEGV"}, {"abort", "SIGABRT"}, {"exit", "ended with code 3"}};
  run_mortal();
  std::uint64_t restarts = 0;
  for (const auto& [what, words] : ends) {
    SCOPED_TRACE(what);
    const std::size_t before = letters().size();
    bus_.publish("do", what);
    ASSERT_TRUE(eventually([&] { return letters().size() == before + 1; }));
    const DeadLetter letter = letters().back();
    EXPECT_EQ(letter.event.json(), what);
    const std::string& reason = letter.history.back().reason;
    EXPECT_NE(reason.find(words), std::string::npos) << reason;
    EXPECT_NE(reason.find("had done so before"), std::string::npos) << reason;
    restarts += 2;
  }
  EXPECT_TRUE(eventually([&] { return info().restarts == restarts; }));
}

TEST_F(Isolated, CrashedUnderLoadNothingIsLost) {
  run_mortal();
  Account account(bus_);
  const int faults = times("BUSWAY_TEST_FAULTS", 20);
  for (const char* how : {"segv", "abort", "exit"}) {
    for (int i = 0; i < faults; ++i) {
      for (int n = 0; n < 100; ++n) account.publish(n == 70 ? how : nullptr);
    }
  }
  EXPECT_TRUE(account.all_accounted_for()) << account.missing() << " of " << account.sent();
  EXPECT_TRUE(eventually([&] { return letters().size() == static_cast<std::size_t>(3 * faults); }))
      << letters().size();
  EXPECT_TRUE(account.in_order());
  EXPECT_EQ(account.repeated(), 3 * faults) << "each once more";
  EXPECT_EQ(account.refused(), 0);
}

TEST_F(Isolated, KilledAgainAndAgainUnderLoadNothingIsLostAndTheOrderIsKept) {
  run_mortal();
  Account account(bus_);
  const int kills = times("BUSWAY_TEST_KILLS", 50);
  std::atomic<bool> over{false};
  std::thread killer([&] {
    for (int i = 0; i < kills; ++i) {
      const std::uint64_t before = info().restarts;
      kill_process();
      if (!eventually([&] { return info().restarts > before; })) break;
    }
    over = true;
  });
  while (!over) account.publish();
  killer.join();
  EXPECT_GE(info().restarts, static_cast<std::uint64_t>(kills));
  EXPECT_TRUE(account.all_accounted_for()) << account.missing() << " of " << account.sent();
  EXPECT_TRUE(account.in_order());
  EXPECT_LE(account.repeated(), kills);
  EXPECT_EQ(account.refused(), 0);
  EXPECT_GT(account.processes(), 1U);
}

TEST_F(Isolated, HangingUnderLoadItIsKilledAtItsHardDeadlineAndNothingIsLost) {
  PluginRules rules = isolated_rules();
  rules.hard_deadline = std::chrono::milliseconds(50);
  run_mortal(rules);
  Account account(bus_);
  const int hangs = times("BUSWAY_TEST_HANGS", 5);
  for (int i = 0; i < hangs; ++i) {
    for (int n = 0; n < 50; ++n) account.publish(n == 30 ? "hang" : nullptr);
  }
  EXPECT_TRUE(account.all_accounted_for()) << account.missing() << " of " << account.sent();
  EXPECT_TRUE(account.in_order());
  ASSERT_TRUE(eventually([&] { return letters().size() == static_cast<std::size_t>(hangs); }));
  const std::string reason = letters().back().history.back().reason;
  EXPECT_NE(reason.find("did not come back from count in time and was killed"), std::string::npos)
      << reason;
}

TEST_F(Isolated, ASubscriptionsTimeoutIsKeptAndTheProcessKilledOnlyAfterAGrace) {
  Watcher watch(bus_, "stop.seen");
  run_mortal();
  bus_.publish("wait_for_stop", nullptr);
  (void)watch.wait("stop.seen");  // it was told, and came back
  ASSERT_TRUE(eventually([&] { return letters().size() == 1U; }));
  EXPECT_EQ(letters().back().history.back().code, ErrorCode::timed_out);
  EXPECT_EQ(info().restarts, 0U);

  bus_.publish("do.in_time", "hang");
  ASSERT_TRUE(eventually([&] { return letters().size() == 2U; }));
  EXPECT_EQ(letters().back().history.back().code, ErrorCode::timed_out);
  EXPECT_TRUE(eventually([&] { return info().restarts == 1U; }));
  Watcher done(bus_, "done");
  bus_.publish("do", "work");
  (void)done.wait("done");
}

TEST_F(Isolated, AmongManyThatWereSentAheadTheSlowOneIsLateAndNoOther) {
  run_mortal();
  for (int i = 0; i < 20; ++i) bus_.publish("silent", i == 10 ? 500 : 0);
  ASSERT_TRUE(manager_.wait_until_idle(kGuard));
  ASSERT_EQ(letters().size(), 1U);
  EXPECT_EQ(letters().back().event.json(), 500);
  EXPECT_EQ(letters().back().history.back().code, ErrorCode::timed_out);
  EXPECT_EQ(info().restarts, 0U) << "it came back within the grace";
  bus_.publish("silent", 1);
  EXPECT_TRUE(manager_.wait_until_idle(kGuard));
  EXPECT_EQ(letters().size(), 1U) << letters().back().history.back().reason;
}

TEST_F(Isolated, NothingOfASubscriptionThatItHasEndedReachesIt) {
  Watcher watch(bus_, "doomed.heard");
  run_mortal();
  bus_.publish("do", "work");  // its worker is busy while they queue
  for (int i = 0; i < 30; ++i) bus_.publish("doomed", i);
  EXPECT_TRUE(manager_.wait_until_idle(kGuard));
  EXPECT_EQ(watch.count("doomed.heard"), 1U);
}

TEST_F(Isolated, WhatItHasNotSubscribedToAgainIsKeptAsDeadLettersUntilItDoes) {
  Watcher watch(bus_, Patterns{"more.*", "mortal.started"});
  run_mortal();
  bus_.publish("subscribe.more", nullptr);
  (void)watch.wait("more.subscribed");
  bus_.publish("more", 1);
  (void)watch.wait("more.heard");
  EXPECT_TRUE(manager_.wait_until_idle(kGuard));
  kill_process();
  (void)watch.wait("mortal.started", 1);
  bus_.publish("more", 2);
  ASSERT_TRUE(eventually([&] { return letters().size() == 1U; }));
  EXPECT_TRUE(mentions(letters().back().history.back().reason, "has not subscribed to this again"));
  bus_.publish("subscribe.more", nullptr);
  (void)watch.wait("more.subscribed", 1);
  EXPECT_EQ(bus_.dead_letters().redrive_all().sent, 1U);
  EXPECT_EQ(watch.wait("more.heard", 1).json(), 2);
}

TEST_F(Isolated, OneThatHangsOnAnEventOfTheUsualKindIsNotQuarantinedForIt) {
  PluginRules rules = isolated_rules();
  rules.restarts_max = 2;
  rules.hard_deadline = std::chrono::milliseconds(100);
  run_mortal(rules);
  bus_.publish("do.retried", "hang");
  ASSERT_TRUE(eventually([&] { return letters().size() == 1U; }));
  EXPECT_EQ(info().state, PluginState::running);
  EXPECT_TRUE(eventually([&] { return info().restarts == 2U; }));
}

TEST_F(Isolated, StoppedAndKilledItCanBeStarted) {
  Watcher watch(bus_, Patterns{"done"});
  run_mortal();
  manager_.stop("mortal");
  kill_process();
  (void)eventually([&] { return info().process_id == 0; });
  manager_.start("mortal");
  bus_.publish("do", "work");
  (void)watch.wait("done");
}

TEST_F(Isolated, IsLookedAtWhileItIsLoadedKilledAndUnloaded) {
  std::atomic<bool> over{false};
  std::thread looker([&] {
    while (!over) (void)manager_.list();
  });
  for (int i = 0; i < 10; ++i) {
    run_mortal();
    kill_process();
    manager_.unload("mortal");
  }
  over = true;
  looker.join();
}

TEST_F(Isolated, APublisherThatWaitsForItIsToldOfItsEnd) {
  run_mortal();
  const PublishResult result = bus_.publish("do.sync", "segv");
  ASSERT_EQ(result.failures.size(), 1U);
  EXPECT_NE(result.failures.front().reason.find("SIGSEGV"), std::string::npos)
      << result.failures.front().reason;
  EXPECT_TRUE(bus_.publish("do.sync", "work").ok());
}

TEST_F(Isolated, ItsSourceBeginsAgainAndTheTimersOfTheDeadOneDoNotRun) {
  Watcher watch(bus_, Patterns{"timer.*"});
  std::mutex mutex;
  std::set<int> processes;
  const Subscription lines = bus_.subscribe("line", [&](const Event& event) {
    const std::lock_guard lock(mutex);
    processes.insert(event.json().at("pid").get<int>());
  });
  const auto seen = [&] {
    const std::lock_guard lock(mutex);
    return processes.size();
  };
  run_mortal(isolated_rules(), {{"lines", true}});
  EXPECT_TRUE(eventually([&] { return seen() == 1U; }));
  // Not to be handled again by the next process, which would set a timer for it too.
  ASSERT_TRUE(bus_.publish_async(Event("late")).wait_for(kGuard));
  (void)watch.wait("timer.set");
  const int dead = info().process_id;
  kill_process();
  EXPECT_TRUE(eventually([&] { return seen() == 2U; }));
  bus_.publish("late", nullptr);
  EXPECT_NE(watch.wait("timer.ran").json().get<int>(), dead);
  EXPECT_EQ(watch.count("timer.ran"), 1U);
}

TEST_F(Isolated, IsReloadedWhileItIsKilled) {
  run_mortal();
  Account account(bus_);
  std::atomic<bool> over{false};
  std::thread killer([&] {
    while (!over) {
      const int heard = account.heard();
      kill_process();
      // It must get somewhere before it is killed again.
      (void)eventually([&] { return account.heard() > heard + 50 || over; });
    }
  });
  std::thread publisher([&] {
    while (!over) account.publish();
  });
  int reloaded = 0;
  for (int i = 0; i < 20; ++i) {
    try {
      manager_.reload("mortal");
      ++reloaded;
    } catch (const Error&) {
      // The new one was killed before it was ready, or the old one could not save.
    }
  }
  over = true;
  killer.join();
  publisher.join();
  EXPECT_GT(reloaded, 0);
  EXPECT_EQ(info().state, PluginState::running) << info().last_error;
  EXPECT_TRUE(account.all_accounted_for()) << account.missing() << " of " << account.sent();
  EXPECT_EQ(account.refused(), 0);
}

TEST_F(Isolated, ThatDiesOrHangsWhileItStartsFailsAsAnyOther) {
  for (const char* step : {"setup", "start"}) {
    const Error error = error_of([&] { run_mortal(isolated_rules(), {{"dies_in", step}}); });
    EXPECT_EQ(error.code(), ErrorCode::plugin_failed);
    EXPECT_NE(std::string_view(error.what()).find("was killed by SIGABRT"), std::string_view::npos)
        << error.what();
    EXPECT_EQ(info().state, PluginState::failed);
    if (step == std::string_view("start")) manager_.unload("mortal");
  }
  PluginManager impatient(bus_, {.call_timeout = std::chrono::milliseconds(300)});
  impatient.load(PluginSpec{
      .path = library("mortal"), .config = {{"hangs_in", "start"}}, .rules = isolated_rules()});
  const Error error = error_of([&] { impatient.start("mortal"); });
  EXPECT_NE(std::string_view(error.what()).find("did not come back"), std::string_view::npos)
      << error.what();
  impatient.unload("mortal");
  EXPECT_FALSE(impatient.find("mortal")->still_mapped) << "no thread had to be left behind";
}

TEST_F(Isolated, HasTheLimitsItWasGiven) {
  Watcher watch(bus_, "limits");
  PluginRules rules = isolated_rules();
  rules.open_files_max = 50;
  rules.cpu_time_max = std::chrono::seconds(1000);
  run_mortal(rules);
  bus_.publish("do", "limits");
  const Event limits = watch.wait("limits");
  EXPECT_EQ(limits.json().at("files"), 50);
  EXPECT_EQ(limits.json().at("seconds"), 1000);
}

TEST_F(Isolated, HasNoLimitsWhereNoneAreSet) {
  Watcher watch(bus_, "limits");
  run_mortal();
  bus_.publish("do", "limits");
  const Event limits = watch.wait("limits");
  rlimit files{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &files), 0);
  EXPECT_EQ(limits.json().at("files"), files.rlim_cur);
  EXPECT_EQ(limits.json().at("memory"), RLIM_INFINITY);
  EXPECT_EQ(limits.json().at("seconds"), RLIM_INFINITY);
}

TEST_F(Isolated, IsNotLoadedWithALimitOfNothing) {
  const auto refused = [&](const PluginRules& rules) {
    const Error error =
        error_of([&] { manager_.load(PluginSpec{.path = library("mortal"), .rules = rules}); });
    EXPECT_EQ(error.code(), ErrorCode::invalid_option);
    return std::string(error.what());
  };
  EXPECT_TRUE(mentions(refused({.open_files_max = 0}),
                       "the limit of open files is 0; it takes 16 or more, or nothing where there "
                       "is to be no limit"));
  EXPECT_TRUE(mentions(refused({.memory_bytes_max = 0}),
                       "the limit of memory in bytes is 0; it takes 16777216 or more, or nothing"));
  EXPECT_TRUE(mentions(refused({.cpu_time_max = std::chrono::seconds(0)}),
                       "the limit of processor time is 0ms; it takes 1s or more, or nothing"));
}

TEST_F(Isolated, IsNeitherEndedNorStoppedByTheTerminalOfItsHost) {
  run_mortal();
  EXPECT_EQ(::getpgid(info().process_id), info().process_id);
  std::ifstream status("/proc/" + std::to_string(info().process_id) + "/status");
  std::string name;
  std::uint64_t ignored = 0;
  while (status >> name && name != "SigIgn:") {
  }
  ASSERT_TRUE(status >> std::hex >> ignored);
  for (const int signal : {SIGINT, SIGHUP, SIGTTIN, SIGTTOU})
    EXPECT_NE(ignored >> (signal - 1) & 1U, 0U) << signal;
}

TEST_F(Isolated, WhatItHasStartedEndsWithItHoweverItEnds) {
  PluginRules rules = isolated_rules();
  rules.hard_deadline = std::chrono::seconds(2);
  Watcher watch(bus_, "spawned");
  run_mortal(rules);
  std::size_t spawned = 0;
  const auto spawn = [&] {
    bus_.publish("do", "spawn");
    return watch.wait("spawned", spawned++).json().get<int>();
  };
  for (const char* how : {"segv", "abort", "exit", "kill", "hang"}) {
    SCOPED_TRACE(how);
    const int started = spawn();
    EXPECT_FALSE(has_ended(started));
    bus_.publish("do", how);
    EXPECT_TRUE(eventually([&] { return has_ended(started); }));
  }
  const int last = spawn();
  manager_.unload("mortal");
  EXPECT_TRUE(eventually([&] { return has_ended(last); }));
}

/// This program once more, as a host that is killed while its plugin is as it is told.
TEST_F(Isolated, ItEndsWithItsHostAndWithItWhatItHasStarted) {
  constexpr const char* kFile = "BUSWAY_TEST_PROCESSES_OF_HOST";
  constexpr const char* kBusyWith = "BUSWAY_TEST_BUSY_WITH";
  if (const char* const file = std::getenv(kFile)) {
    Watcher watch(bus_, "spawned");
    run_mortal();
    bus_.publish("do", "spawn");
    const int started = watch.wait("spawned").json().get<int>();
    bus_.publish("do", std::getenv(kBusyWith));
    std::ofstream(std::string(file) + ".part") << info().process_id << ' ' << started;
    std::filesystem::rename(std::string(file) + ".part", file);
    for (;;) ::pause();
  }
  for (const char* busy_with : {"nothing", "hang"}) {
    SCOPED_TRACE(busy_with);
    const TemporaryFolder folder;
    const std::string file = folder.file("processes");
    ASSERT_EQ(::setenv(kFile, file.c_str(), 1), 0);
    ASSERT_EQ(::setenv(kBusyWith, busy_with, 1), 0);
    const auto host = platform_detail::ChildProcess::start(
        "/proc/self/exe", {"--gtest_filter=Isolated.ItEndsWithItsHostAndWithItWhatItHasStarted"},
        {});
    ASSERT_EQ(::unsetenv(kFile), 0);
    ASSERT_TRUE(eventually([&] { return std::filesystem::exists(file); }));
    pid_t plugin = 0;
    pid_t started = 0;
    ASSERT_TRUE(std::ifstream(file) >> plugin >> started);
    EXPECT_FALSE(has_ended(plugin));
    EXPECT_FALSE(has_ended(started));
    (void)::kill(host.id(), SIGKILL);
    EXPECT_TRUE(eventually([&] { return has_ended(plugin); }));
    EXPECT_TRUE(eventually([&] { return has_ended(started); }));
  }
}

TEST_F(Isolated, WhatAThreadOfADeadProcessWaitedForNobodyWaitsForAnyMore) {
  std::atomic<bool> over{false};
  std::atomic<int> dead{0};
  std::atomic<int> answered{-1};
  const Subscription deaf = bus_.subscribe("question",
                                           [&](const Event& event, Context& context) {
                                             const int process = event.json().get<int>();
                                             if (dead.exchange(process) != 0)
                                               return;  // of the one that took its place
                                             while (!over) std::this_thread::yield();
                                             answered = context.reply(Json()) ? 1 : 0;
                                           },
                                           {.mode = Mode::async});
  Watcher watch(bus_, "mortal.started");
  run_mortal(isolated_rules(), {{"asks", true}});
  ASSERT_TRUE(eventually([&] { return dead != 0; }));
  kill_process();
  (void)watch.wait("mortal.started", 1);
  over = true;
  ASSERT_TRUE(eventually([&] { return answered != -1; }));
  EXPECT_EQ(answered, 0);
  manager_.unload("mortal");  // and the one that took its place is not waited for either
}

TEST_F(Isolated, KilledWhileItWaitsForAReplyItIsStartedAgainAtOnce) {
  const Subscription never = bus_.subscribe("never", [](const Event&) {}, {.mode = Mode::async});
  Watcher watch(bus_, Patterns{"mortal.started", "asking", "done"});
  run_mortal();
  bus_.publish("do", "ask");
  (void)watch.wait("asking");
  kill_process();
  (void)watch.wait("asking", 1);  // the event it died on, once more
  kill_process();
  EXPECT_TRUE(eventually([&] { return letters().size() == 1U; }));
  bus_.publish("do", "something");
  EXPECT_EQ(watch.wait("done").json(), "something");
}

TEST_F(Isolated, EachEventBringsTheTimeItHasAlsoOneThatWasSentAhead) {
  constexpr std::size_t kMany = 40;
  // Its worker is in a call while they queue, so that they come in one run.
  const Subscription then = bus_.subscribe("done", [&](const Event&) {
    for (std::size_t i = 0; i < kMany; ++i) bus_.publish("timed", nullptr);
    for (std::size_t i = 0; i < kMany; ++i) bus_.publish("untimed", nullptr);
    bus_.publish("timed.retried", nullptr);
  });
  Watcher watch(bus_, "time");
  run_mortal();
  bus_.publish("do", "work");
  constexpr std::int64_t kHour = std::chrono::nanoseconds(std::chrono::hours(1)).count();
  for (std::size_t i = 0; i < 2 * kMany + 2; ++i) (void)watch.wait("time", i);
  std::size_t none = 0;
  for (std::size_t i = 0; i < 2 * kMany + 2; ++i) {
    const Json left = watch.wait("time", i).json();
    if (left.is_null()) {
      ++none;
      continue;
    }
    EXPECT_GT(left.get<std::int64_t>(), 0);
    EXPECT_LE(left.get<std::int64_t>(), kHour) << "also of the one whose total that is";
  }
  EXPECT_EQ(none, kMany) << "those that have no deadline";
  EXPECT_LT(watch.wait("time", 2 * kMany + 1).json().get<std::int64_t>(), kHour)
      << "what the first attempt has left of the total";
}

TEST_F(Isolated, CannotBeOneThatIsLinkedIn) {
  const Error error = error_of([&] {
    manager_.load(PluginSpec{.path = "static:test_linked_in", .rules = isolated_rules()});
  });
  EXPECT_EQ(error.code(), ErrorCode::plugin_state);
  EXPECT_NE(std::string_view(error.what()).find("linked into the program"), std::string_view::npos);
}

TEST_F(Isolated, NeedsTheProgramThatRunsIt) {
  PluginManager manager(bus_, {.plugin_host = "/nowhere/busway-plugin-host"});
  const Error error = error_of(
      [&] { manager.load(PluginSpec{.path = library("mortal"), .rules = isolated_rules()}); });
  EXPECT_EQ(error.code(), ErrorCode::plugin_failed);
  EXPECT_NE(std::string_view(error.what()).find("/nowhere/busway-plugin-host"),
            std::string_view::npos)
      << error.what();
}

}  // namespace
}  // namespace busway
