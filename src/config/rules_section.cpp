#include "config/rules_section.hpp"

#include <string>

#include "busway/limits.hpp"

namespace busway::config {
namespace {

using std::chrono::milliseconds;

constexpr DurationRange kAnyTime{.min = milliseconds(1), .max = std::chrono::hours(24 * 365)};
constexpr std::int64_t kRestartsMax = 1'000'000;

std::string show(std::chrono::nanoseconds time) {
  return show_duration(std::chrono::duration_cast<milliseconds>(time));
}

Section<PluginRules> deadlines_section() {
  Section<PluginRules> section("How long a call into it may take.");
  section
      .duration("soft", &PluginRules::soft_deadline, kAnyTime,
                "A call that takes longer is reported.")
      .when_unset("never")
      .duration("hard", &PluginRules::hard_deadline, kAnyTime,
                "A plugin whose call takes longer counts as hung.")
      .when_unset("never")
      .check([](PluginRules& rules, const Checker& checker) {
        if (!rules.soft_deadline || !rules.hard_deadline) return;
        if (*rules.soft_deadline < *rules.hard_deadline) return;
        checker.error("soft", "soft (" + show(*rules.soft_deadline) +
                                  ") is not shorter than hard (" + show(*rules.hard_deadline) +
                                  "), so that no call would ever be reported first");
      });
  return section;
}

Section<PluginRules> mailbox_section() {
  Section<PluginRules> section("Of its asynchronous subscriptions that do not say theirs.");
  section
      .integer("capacity", &PluginRules::queue_capacity,
               {1, static_cast<std::int64_t>(limits::kQueueMax)}, "Events that a queue holds.")
      .when_unset("the bus's")
      .choice<Overflow>("overflow", &PluginRules::overflow,
                        {{"reject", Overflow::reject},
                         {"block", Overflow::block},
                         {"drop_oldest", Overflow::drop_oldest},
                         {"drop_newest", Overflow::drop_newest}},
                        "What happens to an event whose queue is full.")
      .when_unset("the bus's");
  return section;
}

Section<PluginRules> state_section() {
  Section<PluginRules> section("What it may hand to the instance that replaces it.");
  section
      .size("max_size", &PluginRules::state_bytes_max, {0, limits::kPluginStateBytesMax},
            "The most that it may save.")
      .when_unset(show_size(limits::kPluginStateBytesMax));
  return section;
}

Section<PluginRules> restart_section() {
  Section<PluginRules> section("When its process ends. Has a meaning with isolation process.");
  section
      .integer("max", &PluginRules::restarts_max, {0, kRestartsMax},
               "How often it is started again within the time; more, and it is quarantined.")
      .when_unset("2")
      .duration("within", &PluginRules::restarts_within, kAnyTime, "The time in which they count.")
      .when_unset("5m")
      .duration("delay", &PluginRules::restart_delay, kAnyTime,
                "Wait before the second restart; it doubles each time.")
      .when_unset("10ms")
      .duration("max_delay", &PluginRules::restart_delay_max, kAnyTime, "No wait is longer.")
      .when_unset("5s")
      .check([](PluginRules& rules, const Checker& checker) {
        if (!rules.restart_delay || !rules.restart_delay_max) return;
        if (*rules.restart_delay <= *rules.restart_delay_max) return;
        checker.error("delay", "delay (" + show(*rules.restart_delay) +
                                   ") is longer than max_delay (" + show(*rules.restart_delay_max) +
                                   "); raise max_delay or lower delay");
      });
  return section;
}

/// Whole seconds: what the system counts processor time in.
void read_cpu_time(const Node& node, PluginRules& rules, const Place& place) {
  constexpr std::chrono::seconds kShortest(1);
  const auto found = get_duration(node, place, {.min = kShortest, .max = kAnyTime.max});
  if (!found) return;
  const auto whole = std::chrono::floor<std::chrono::seconds>(*found);
  if (whole != *found) {
    place.error(show_duration(*found) + " is no whole number of seconds; write " +
                show_duration(whole) + " or " + show_duration(whole + kShortest));
    return;
  }
  rules.cpu_time_max = whole;
}

Section<PluginRules> limits_section() {
  Section<PluginRules> section("What its process may use. Has a meaning with isolation process.");
  section
      .size("memory", &PluginRules::memory_bytes_max, {.min = kPluginMemoryBytesMin},
            "Address space.")
      .when_unset("no limit")
      .integer("open_files", &PluginRules::open_files_max, {kPluginOpenFilesMin, 1'048'576},
               "Files and connections open at once.")
      .when_unset("as the host")
      .custom({.path = "cpu_time",
               .type = "duration",
               .values = "whole seconds, 1s to " + show_duration(kAnyTime.max),
               .default_text = "no limit",
               .doc = "Processor time, of all its threads together."},
              read_cpu_time);
  return section;
}

Section<PluginRules> make_rules_section() {
  Section<PluginRules> section("How a plugin is run.");
  section
      .choice<PluginIsolation>(
          "isolation", &PluginRules::isolation,
          {{"none", PluginIsolation::none}, {"process", PluginIsolation::process}},
          "Where its code runs: in the host, or in a process of its own.")
      .when_unset("none")
      .choice<PluginReload>("reload", &PluginRules::reload,
                            {{"overlap", PluginReload::overlap},
                             {"stop_first", PluginReload::stop_first},
                             {"none", PluginReload::none}},
                            "How a later build of it takes its place while it runs.")
      .when_unset("overlap")
      .choice<PluginDurability>("durable", &PluginRules::durable,
                                {{"instance", PluginDurability::instance},
                                 {"shared", PluginDurability::shared},
                                 {"none", PluginDurability::none}},
                                "With a store: whether what it has not handled waits for it, on "
                                "this host or on any.")
      .when_unset("instance")
      .group("deadlines", deadlines_section())
      .group("mailbox", mailbox_section())
      .group("state", state_section())
      .group("restart", restart_section())
      .group("limits", limits_section());
  return section;
}

}  // namespace

const Section<PluginRules>& rules_section() {
  static const Section<PluginRules> section = make_rules_section();
  return section;
}

}  // namespace busway::config
