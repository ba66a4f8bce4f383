#include "config/rules_section.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "problems.hpp"

namespace busway::config {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

PluginRules read(std::string_view text) {
  Issues issues("f.yaml");
  Document document = open_text(text, "f.yaml", with_variables({}), issues);
  return load_as(std::move(document), issues, rules_section()).value;
}

Lines refused(std::string_view text) {
  return errors_of([&] { (void)read(text); });
}

TEST(RulesSection, ReadsEveryKey) {
  const PluginRules rules = read(
      "isolation: process\nreload: stop_first\ndeadlines: {soft: 1s, hard: 5s}\n"
      "mailbox: {capacity: 64, overflow: drop_oldest}\nstate: {max_size: 1MiB}\n"
      "restart: {max: 7, within: 1m, delay: 20ms, max_delay: 2s}\n"
      "limits: {memory: 256MiB, open_files: 64, cpu_time: 1h}\n");
  EXPECT_EQ(rules.isolation, PluginIsolation::process);
  EXPECT_EQ(rules.reload, PluginReload::stop_first);
  EXPECT_EQ(rules.soft_deadline, seconds(1));
  EXPECT_EQ(rules.hard_deadline, seconds(5));
  EXPECT_EQ(rules.queue_capacity, 64U);
  EXPECT_EQ(rules.overflow, Overflow::drop_oldest);
  EXPECT_EQ(rules.state_bytes_max, std::size_t{1} << 20U);
  EXPECT_EQ(rules.restarts_max, 7U);
  EXPECT_EQ(rules.restarts_within, std::chrono::minutes(1));
  EXPECT_EQ(rules.restart_delay, milliseconds(20));
  EXPECT_EQ(rules.restart_delay_max, seconds(2));
  EXPECT_EQ(rules.memory_bytes_max, std::uint64_t{256} << 20U);
  EXPECT_EQ(rules.open_files_max, 64U);
  EXPECT_EQ(rules.cpu_time_max, std::chrono::hours(1));
  EXPECT_EQ(rules.may_publish, std::nullopt);
  EXPECT_EQ(rules.may_subscribe, std::nullopt);
}

TEST(RulesSection, LeavesUnsetWhatTheFileDoesNotSay) {
  const PluginRules rules = read("mailbox: {capacity: 1}\nlimits:\n");
  EXPECT_EQ(rules.queue_capacity, 1U);
  EXPECT_EQ(rules.overflow, std::nullopt);
  EXPECT_EQ(rules.reload, std::nullopt);
  EXPECT_EQ(rules.isolation, std::nullopt);
  EXPECT_EQ(rules.soft_deadline, std::nullopt);
  EXPECT_EQ(rules.cpu_time_max, std::nullopt);
}

TEST(RulesSection, RefusesValuesThatExcludeEachOther) {
  EXPECT_EQ(refused("deadlines:\n  soft: 5s\n  hard: 5s\n"),
            Lines{"f.yaml:2: deadlines.soft: soft (5s) is not shorter than hard (5s), so that no "
                  "call would ever be reported first"});
  EXPECT_EQ(refused("restart:\n  max_delay: 1s\n  delay: 1001ms\n"),
            Lines{"f.yaml:3: restart.delay: delay (1001ms) is longer than max_delay (1s); raise "
                  "max_delay or lower delay"});
  EXPECT_EQ(refused("restart: {max_delay: 1s, delay: 1s}\ndeadlines: {soft: 4s, hard: 5s}\n"),
            Lines{});
}

TEST(RulesSection, RefusesWhatIsOutOfRangeAtItsLine) {
  EXPECT_EQ(refused("mailbox: {capacity: 0}\nstate: {max_size: 65MiB}\nlimits:\n  memory: 1MiB\n"
                    "  open_files: 3\n  cpu_time: 1500ms\nisolation: thread\n"),
            (Lines{"f.yaml:1: mailbox.capacity: 0 is out of range; it must be 1 to 16777216",
                   "f.yaml:2: state.max_size: 65MiB is out of range; it must be 0B to 64MiB",
                   "f.yaml:4: limits.memory: 1MiB is out of range; it must be 16MiB to "
                   "4294967296GiB",
                   "f.yaml:5: limits.open_files: 3 is out of range; it must be 16 to 1048576",
                   "f.yaml:6: limits.cpu_time: 1500ms is no whole number of seconds; write 1s or "
                   "2s",
                   "f.yaml:7: isolation: \"thread\" is not one of none, process"}));
}

TEST(RulesSection, RefusesALimitOfNothingWithWhatIsRight) {
  EXPECT_EQ(refused("limits:\n  memory: 0\n  open_files: 0\n  cpu_time: 0s\n"),
            (Lines{"f.yaml:2: limits.memory: 0 is out of range; it must be 16MiB to 4294967296GiB",
                   "f.yaml:3: limits.open_files: 0 is out of range; it must be 16 to 1048576",
                   "f.yaml:4: limits.cpu_time: 0s is out of range; it must be 1s to 365d"}));
}

TEST(RulesSection, NamesTheNearestKeyAndTheSectionItBelongsTo) {
  EXPECT_EQ(refused("mailbocks: {}\nsoft: 1s\nlimits: {memori: 16MiB}\n"),
            (Lines{"f.yaml:1: mailbocks: unknown key; did you mean mailbox?",
                   "f.yaml:2: soft: unknown key here; it belongs under deadlines, as "
                   "deadlines.soft",
                   "f.yaml:3: limits.memori: unknown key; did you mean memory?"}));
}

}  // namespace
}  // namespace busway::config
