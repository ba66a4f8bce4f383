#include "../../../plugins/auth-guard/sessions.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace auth_guard {
namespace {

using namespace std::chrono_literals;
using Words = std::vector<std::string>;

constexpr Time kMorning = std::chrono::sys_days(std::chrono::year(2026) / 3 / 1) + 8h;

Words of(Sessions& sessions, const std::string& user, Time now = kMorning) {
  Words out;
  for (const Session& one : sessions.of(user, now)) {
    out.push_back(one.session_id + "@" + one.address);
  }
  return out;
}

TEST(Sessions, BeginWithALoginAndEndWithTheirLogout) {
  Sessions sessions(SessionRules{});
  sessions.begin("ada", {"s1", "1.1.1.1", kMorning});
  sessions.begin("ada", {"s2", "1.1.1.1", kMorning});
  sessions.begin("ada", {"", "2.2.2.2", kMorning});
  EXPECT_EQ(of(sessions, "ada"), (Words{"s1@1.1.1.1", "s2@1.1.1.1", "@2.2.2.2"}));
  EXPECT_EQ(of(sessions, "bob"), Words{});
  sessions.end("ada", "s1", "9.9.9.9");
  EXPECT_EQ(of(sessions, "ada"), (Words{"s2@1.1.1.1", "@2.2.2.2"}));
  sessions.end("ada", "", "2.2.2.2");
  EXPECT_EQ(of(sessions, "ada"), Words{"s2@1.1.1.1"});
  sessions.end("ada", "none", "");
  sessions.end("bob", "", "");
  EXPECT_EQ(of(sessions, "ada"), Words{"s2@1.1.1.1"});
  sessions.end("ada", "", "");
  EXPECT_EQ(sessions.users(), 0U);
}

TEST(Sessions, TheSameAgainIsOne) {
  Sessions sessions(SessionRules{});
  for (int i = 0; i < 3; ++i) {
    sessions.begin("ada", {"s1", "1.1.1.1", kMorning});
    sessions.begin("ada", {"", "1.1.1.1", kMorning});
  }
  EXPECT_EQ(of(sessions, "ada"), (Words{"s1@1.1.1.1", "@1.1.1.1"}));
}

TEST(Sessions, AreOverWhenTheyAreOld) {
  Sessions sessions(SessionRules{.age_max = 1h});
  sessions.begin("ada", {"s1", "1.1.1.1", kMorning});
  sessions.begin("ada", {"s2", "1.1.1.1", kMorning + 30min});
  EXPECT_EQ(of(sessions, "ada", kMorning + 61min), Words{"s2@1.1.1.1"});
  EXPECT_EQ(of(sessions, "ada", kMorning + 91min), Words{});
  // Whoever asks for another time ends none.
  EXPECT_EQ(of(sessions, "ada", kMorning + 61min), Words{"s2@1.1.1.1"});
  EXPECT_EQ(of(sessions, "ada"), (Words{"s1@1.1.1.1", "s2@1.1.1.1"}));
}

TEST(Sessions, AreForgottenInTheOrderTheyBeganWhoeverAsks) {
  Sessions sessions(SessionRules{.users_max = 2});
  sessions.begin("ada", {"1", "a", kMorning});
  sessions.begin("bob", {"1", "a", kMorning});
  EXPECT_EQ(of(sessions, "ada"), Words{"1@a"});
  sessions.begin("eve", {"1", "a", kMorning});
  EXPECT_EQ(of(sessions, "ada"), Words{});
  EXPECT_EQ(of(sessions, "bob"), Words{"1@a"});
}

TEST(Sessions, AreBounded) {
  Sessions sessions(SessionRules{.users_max = 2, .of_user_max = 2});
  for (const char* id : {"1", "2", "3"}) sessions.begin("ada", {id, "a", kMorning});
  EXPECT_EQ(of(sessions, "ada"), (Words{"2@a", "3@a"}));
  sessions.begin("bob", {"1", "a", kMorning});
  sessions.begin("eve", {"1", "a", kMorning});
  EXPECT_EQ(sessions.users(), 2U);
  EXPECT_EQ(of(sessions, "ada"), Words{});
}

TEST(Sessions, AreHandedOnAsFarAsTheyFit) {
  Sessions before(SessionRules{});
  for (int i = 0; i < 100; ++i) before.begin("u" + std::to_string(i), {"s", "a", kMorning});
  const nlohmann::json state = before.save(1000);
  EXPECT_LE(state.dump().size(), 1002U);
  Sessions after(SessionRules{});
  after.restore(state);
  EXPECT_EQ(of(after, "u99"), Words{"s@a"});
  EXPECT_EQ(of(after, "u0"), Words{});
}

TEST(Sessions, AreHandedOn) {
  Sessions before(SessionRules{});
  before.begin("ada", {"s1", "1.1.1.1", kMorning});
  before.begin("bob", {"", "2.2.2.2", kMorning});
  Sessions after(SessionRules{});
  after.restore(before.save());
  EXPECT_EQ(after.save(), before.save());
  EXPECT_EQ(of(after, "bob"), Words{"@2.2.2.2"});
}

}  // namespace
}  // namespace auth_guard
