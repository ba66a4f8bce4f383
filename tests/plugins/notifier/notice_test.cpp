#include "notifier/notice.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>

namespace notifier {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

constexpr WallTime kTwelve{std::chrono::sys_days{std::chrono::year{2026} / 3 / 1} + 12h};

Notice notice(const char* topic, const json& payload) {
  return notice_of({.topic = topic,
                    .source = "phases",
                    .payload = &payload,
                    .payload_bytes = payload.dump().size()},
                   kTwelve, shared::Secrets());
}

TEST(Notice, SaysWhomItIsAboutAndWhatHappened) {
  const Notice found =
      notice("phase.final_failure", {{"phase_name", "writer"}, {"error", "no such model"}});
  EXPECT_EQ(line_of(found), "phase.final_failure from phases, writer: no such model");
  EXPECT_EQ(to_json(found),
            (json{{"topic", "phase.final_failure"},
                  {"source", "phases"},
                  {"subject", "writer"},
                  {"text", "no such model"},
                  {"count", 1},
                  {"first", "2026-03-01T12:00:00Z"},
                  {"last", "2026-03-01T12:00:00Z"},
                  {"payload", {{"phase_name", "writer"}, {"error", "no such model"}}}}));
}

TEST(Notice, KnowsTheWellKnownPayloads) {
  EXPECT_EQ(line_of(notice("quality.alert", {{"phase_name", "writer"}, {"reason", "4 failures"}})),
            "quality.alert from phases, writer: 4 failures");
  EXPECT_EQ(line_of(notice("system.error", {{"component", "config"}, {"error", "bad"}})),
            "system.error from phases, config: bad");
  EXPECT_EQ(line_of(notice("plugin.error", {{"plugin_name", "tail"}, {"error", "gone"}})),
            "plugin.error from phases, tail: gone");
  EXPECT_EQ(line_of(notice("chain.failed", {{"failed_phase", "critic"}, {"error", "no"}})),
            "chain.failed from phases, critic: no");
  EXPECT_EQ(line_of(notice("auth.suspicious", {{"user_id", "root"},
                                               {"address", "203.0.113.9"},
                                               {"reason", "too_many_failures"}})),
            "auth.suspicious from phases, 203.0.113.9: too_many_failures");
  EXPECT_EQ(line_of(notice("link.down", {{"address", "203.0.113.9"}, {"component", "nats"}})),
            "link.down from phases, nats")
      << "a component comes before its address";
  EXPECT_EQ(line_of(notice("door.opened", {{"door", "front"}})), "door.opened from phases");
  EXPECT_EQ(line_of(notice("door.opened", json("text"))), "door.opened from phases");
  EXPECT_EQ(line_of(notice_of({.topic = "raw", .source = ""}, kTwelve, shared::Secrets())), "raw");
}

TEST(Notice, CountsAndTheTimeTheyTook) {
  Notice found = notice("system.error", {{"error", "full"}});
  found.count = 12;
  EXPECT_EQ(line_of(found), "system.error from phases: full (12 times)");
  found.last = kTwelve + 61s;
  EXPECT_EQ(line_of(found), "system.error from phases: full (12 times within 61s)");
}

TEST(Notice, TellsNoSecret) {
  const Notice found =
      notice("system.error", {{"error", "login at redis://bot:hunter2@host failed"},
                              {"detail", {{"api_key", "hunter2"}}}});
  EXPECT_EQ(line_of(found).find("hunter2"), std::string::npos) << line_of(found);
  EXPECT_EQ(to_json(found).at("payload").at("detail").at("api_key"), "***");
  EXPECT_EQ(to_json(found).dump().find("hunter2"), std::string::npos) << to_json(found).dump();
}

TEST(Notice, CutsWhatIsLongBetweenCharacters) {
  std::string long_text;
  while (long_text.size() < 100'000) long_text += "\u00e9";
  const Notice found = notice("system.error", {{"error", "x" + long_text}});
  EXPECT_LE(found.text.size(), kTextBytesMax + 3);
  EXPECT_NO_THROW((void)to_json(found).dump()) << "no half character";
  EXPECT_TRUE(found.payload.is_null());
}

TEST(Notice, ComesBackAsItWasSaved) {
  Notice found = notice("system.error", {{"component", "disk"}, {"error", "full"}});
  found.count = 7;
  found.last = kTwelve + 1500ms;
  EXPECT_EQ(to_json(from_json(json::parse(to_json(found).dump()))), to_json(found));
  EXPECT_EQ(from_json(to_json(found)).kind(), found.kind());
  EXPECT_THROW((void)from_json({{"topic", "a"}}), json::exception);
}

}  // namespace
}  // namespace notifier
