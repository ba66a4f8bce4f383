#include "../../../plugins/auth-guard/guard.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace auth_guard {
namespace {

using namespace std::chrono_literals;
using Words = std::vector<std::string>;

constexpr Time kNoon = std::chrono::sys_days(std::chrono::year(2026) / 3 / 1) + 12h;

Rules small_rules() {
  Rules rules;
  rules.failures_max = 3;
  rules.success_after = 2;
  rules.window = 1min;
  rules.remind = 10min;
  return rules;
}

/// A guard, and its findings as words: "too_many_failures ada 1.1.1.1 3".
class Guarded {
 public:
  explicit Guarded(const Rules& rules = small_rules()) : guard(rules) {}

  Words failed(const std::string& user, const std::string& address, Time time,
               std::uint64_t count = 1) {
    return words(guard.failed({user, address, time, count}));
  }
  Words succeeded(const std::string& user, const std::string& address, Time time) {
    return words(guard.succeeded({user, address, time, 1}));
  }

  Guard guard;

 private:
  static Words words(const std::vector<Finding>& findings) {
    Words out;
    for (const Finding& one : findings) {
      out.push_back(one.reason + " " + one.user_id + " " + one.address + " " +
                    std::to_string(one.failures));
    }
    return out;
  }
};

TEST(Guard, TellsOnceOfAnAddressThatFailsTooOftenInTheWindow) {
  Guarded on;
  EXPECT_EQ(on.failed("ada", "1.1.1.1", kNoon), Words{});
  EXPECT_EQ(on.failed("bob", "1.1.1.1", kNoon + 20s), Words{});
  EXPECT_EQ(on.failed("eve", "1.1.1.1", kNoon + 60s), Words{"too_many_failures eve 1.1.1.1 3"});
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(on.failed("eve", "1.1.1.1", kNoon + 60s + std::chrono::seconds(i)), Words{});
  }
}

TEST(Guard, LeavesFailuresAloneThatAreFarApart) {
  Guarded on;
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(on.failed("ada", "1.1.1.1", kNoon + i * 31s), Words{}) << i;
  }
}

TEST(Guard, CountsEachAddressByItself) {
  Guarded on;
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(on.failed("ada", "1.1.1." + std::to_string(i), kNoon), Words{});
  }
}

TEST(Guard, RemindsOfWhatGoesOnAndTellsAnewAfterQuiet) {
  Guarded on;
  Words told;
  for (int i = 0; i <= 90; ++i) {  // a quarter of an hour, each ten seconds
    for (const std::string& one : on.failed("ada", "1.1.1.1", kNoon + i * 10s)) {
      told.push_back(std::to_string(i) + " " + one);
    }
  }
  EXPECT_EQ(told,
            (Words{"2 too_many_failures ada 1.1.1.1 3", "62 too_many_failures ada 1.1.1.1 63"}));
  const Time later = kNoon + 15min + 61s;
  EXPECT_EQ(on.failed("ada", "1.1.1.1", later), Words{});
  EXPECT_EQ(on.failed("ada", "1.1.1.1", later, 2), Words{"too_many_failures ada 1.1.1.1 3"});
}

TEST(Guard, DoesNotRemindWhenToldNotTo) {
  Rules rules = small_rules();
  rules.remind = 0s;
  Guarded on(rules);
  std::size_t told = 0;
  for (int i = 0; i < 1000; ++i) told += on.failed("ada", "1.1.1.1", kNoon + i * 10s).size();
  EXPECT_EQ(told, 1U);
}

TEST(Guard, CountsAnEventThatStandsForSeveral) {
  Guarded on;
  EXPECT_EQ(on.failed("ada", "1.1.1.1", kNoon, 1'000'000),
            Words{"too_many_failures ada 1.1.1.1 1000000"});
}

TEST(Guard, TellsOfASuccessAfterFailuresOfTheAddress) {
  Guarded on;
  (void)on.failed("ada", "1.1.1.1", kNoon);
  (void)on.failed("bob", "1.1.1.1", kNoon + 1s);
  EXPECT_EQ(on.succeeded("eve", "1.1.1.1", kNoon + 2s),
            Words{"success_after_failures eve 1.1.1.1 2"});
  EXPECT_EQ(on.succeeded("eve", "1.1.1.1", kNoon + 3s), Words{});
}

TEST(Guard, TellsAnewOfAnAddressThatWasQuietAfterOneOfItsLoginsSucceeded) {
  Guarded on;
  for (int i = 0; i < 3; ++i) (void)on.failed("ada", "1.1.1.1", kNoon);
  EXPECT_EQ(on.succeeded("ada", "1.1.1.1", kNoon + 1s),
            Words{"success_after_failures ada 1.1.1.1 3"});
  const Time later = kNoon + 5min;
  EXPECT_EQ(on.failed("bob", "1.1.1.1", later), Words{});
  Guarded handed_on;
  handed_on.guard.restore(on.guard.save());
  for (Guarded* one : {&on, &handed_on}) {
    EXPECT_EQ(one->failed("bob", "1.1.1.1", later), Words{});
    EXPECT_EQ(one->failed("bob", "1.1.1.1", later), Words{"too_many_failures bob 1.1.1.1 3"});
  }
}

TEST(Guard, TheAttackGoesOnWhenALoginSucceedsInItsMidst) {
  Guarded on;
  for (int i = 0; i < 3; ++i) (void)on.failed("ada", "1.1.1.1", kNoon);
  (void)on.succeeded("ada", "1.1.1.1", kNoon + 1s);
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(on.failed("bob", "1.1.1.1", kNoon + 2s), Words{});
  }
}

TEST(Guard, TellsOfASuccessAfterFailuresOfTheUserFromManyAddresses) {
  Guarded on;
  (void)on.failed("ada", "1.1.1.1", kNoon);
  (void)on.failed("ada", "2.2.2.2", kNoon + 1s);
  EXPECT_EQ(on.succeeded("ada", "3.3.3.3", kNoon + 2s),
            Words{"success_after_failures ada 3.3.3.3 2"});
  EXPECT_EQ(on.succeeded("ada", "3.3.3.3", kNoon + 3s), Words{});
}

TEST(Guard, ForgivesAFewSlipsAndWhatIsLongAgo) {
  Guarded on;
  (void)on.failed("ada", "1.1.1.1", kNoon);
  EXPECT_EQ(on.succeeded("ada", "1.1.1.1", kNoon + 1s), Words{});
  (void)on.failed("bob", "2.2.2.2", kNoon);
  (void)on.failed("bob", "2.2.2.2", kNoon);
  EXPECT_EQ(on.succeeded("bob", "2.2.2.2", kNoon + 61s), Words{});
}

TEST(Guard, TellsOfANewAddressButNotOfTheFirst) {
  Guarded on;
  EXPECT_EQ(on.succeeded("ada", "1.1.1.1", kNoon), Words{});
  EXPECT_EQ(on.succeeded("ada", "1.1.1.1", kNoon), Words{});
  EXPECT_EQ(on.succeeded("ada", "2.2.2.2", kNoon), Words{"new_address ada 2.2.2.2 0"});
  EXPECT_EQ(on.succeeded("ada", "1.1.1.1", kNoon), Words{});
  EXPECT_EQ(on.succeeded("ada", "2.2.2.2", kNoon), Words{});
  Rules rules = small_rules();
  rules.new_address = false;
  Guarded off(rules);
  (void)off.succeeded("ada", "1.1.1.1", kNoon);
  EXPECT_EQ(off.succeeded("ada", "2.2.2.2", kNoon), Words{});
}

TEST(Guard, RemembersTheLastAddressesOfAUser) {
  Rules rules = small_rules();
  rules.addresses_of_user_max = 2;
  Guarded on(rules);
  for (const char* address : {"1", "2", "1", "3"}) (void)on.succeeded("ada", address, kNoon);
  EXPECT_EQ(on.succeeded("ada", "1", kNoon), Words{});
  EXPECT_EQ(on.succeeded("ada", "2", kNoon), Words{"new_address ada 2 0"});
}

TEST(Guard, NeedsNoAddressAndNoUser) {
  Guarded on;
  for (int i = 0; i < 10; ++i) EXPECT_EQ(on.failed("ada", "", kNoon), Words{});
  EXPECT_EQ(on.succeeded("ada", "", kNoon), Words{"success_after_failures ada  3"});
  for (int i = 0; i < 2; ++i) EXPECT_EQ(on.failed("", "1.1.1.1", kNoon), Words{});
  EXPECT_EQ(on.failed("", "1.1.1.1", kNoon), Words{"too_many_failures  1.1.1.1 3"});
}

TEST(Guard, HoldsABoundedNumberOfAddressesAndUsers) {
  Rules rules = small_rules();
  rules.addresses_max = 100;
  rules.users_max = 50;
  Guarded on(rules);
  (void)on.succeeded("ada", "0", kNoon);
  for (int i = 0; i < 10'000; ++i) {
    (void)on.failed("u" + std::to_string(i), std::to_string(i), kNoon);
  }
  EXPECT_EQ(on.guard.addresses(), 100U);
  EXPECT_EQ(on.guard.users(), 1U);
  EXPECT_EQ(on.guard.forgotten(), 9'900U + 9'950U);
  // Names that were tried push no user out who has logged in.
  EXPECT_EQ(on.succeeded("ada", "1", kNoon), Words{"new_address ada 1 0"});
}

TEST(Guard, TakesTimesThatGoBack) {
  Guarded on;
  (void)on.failed("ada", "1.1.1.1", kNoon);
  (void)on.failed("ada", "1.1.1.1", kNoon - 1h);
  EXPECT_EQ(on.failed("ada", "1.1.1.1", kNoon - 2h), Words{"too_many_failures ada 1.1.1.1 3"});
}

TEST(Guard, IsNotHeldUpByOneFailureOfATimeFarAhead) {
  for (const Time far : {kNoon + 24h, kNoon + 24h * 365 * 230}) {
    Guarded on;
    (void)on.failed("ada", "1.1.1.1", kNoon);
    (void)on.failed("ada", "1.1.1.1", far);
    // Far apart, as if that one had never been.
    for (int i = 1; i < 20; ++i) {
      EXPECT_EQ(on.failed("ada", "1.1.1.1", kNoon + i * 61s), Words{}) << i;
    }
    const Time later = kNoon + 1h;
    EXPECT_EQ(on.failed("ada", "1.1.1.1", later, 3), Words{"too_many_failures ada 1.1.1.1 3"});
    EXPECT_EQ(on.failed("ada", "1.1.1.1", later + 2min, 3),
              Words{"too_many_failures ada 1.1.1.1 3"});
  }
}

TEST(Guard, TellsAnewAfterOneThatWasToldOfATimeFarAhead) {
  Guarded on;
  EXPECT_EQ(on.failed("ada", "1.1.1.1", kNoon + 24h, 3), Words{"too_many_failures ada 1.1.1.1 3"});
  Words told;
  for (int i = 0; i <= 90; ++i) {  // a quarter of an hour, each ten seconds
    for (const std::string& one : on.failed("ada", "1.1.1.1", kNoon + i * 10s)) {
      told.push_back(std::to_string(i) + " " + one);
    }
  }
  EXPECT_EQ(told, Words{"60 too_many_failures ada 1.1.1.1 64"});
}

TEST(Guard, HandsOnNoMoreThanFitsWhatWasSeenLastFirst) {
  Guarded before;
  for (int i = 0; i < 100; ++i) {
    (void)before.failed("u" + std::to_string(i), std::to_string(i), kNoon);
    (void)before.succeeded("k" + std::to_string(i), "", kNoon);
    (void)before.succeeded("k" + std::to_string(i), std::to_string(i), kNoon);
  }
  const nlohmann::json state = before.guard.save(1000);
  for (const char* list : {"addresses", "failing", "known"}) {
    EXPECT_LE(state.at(list).dump().size(), 1002U);
    EXPECT_GE(state.at(list).size(), 5U);
  }
  Guarded after;
  after.guard.restore(state);
  EXPECT_EQ(after.succeeded("k99", "x", kNoon), Words{"new_address k99 x 0"});
  EXPECT_EQ(after.succeeded("k0", "x", kNoon), Words{});
}

TEST(Guard, TakesAStateOfABuildThatKeptNamesOfAnyLength) {
  const std::string name(5000, 'x');
  Guarded on;
  on.guard.restore({{"addresses",
                     {{{"address", name},
                       {"failures", {kNoon.time_since_epoch().count()}},
                       {"total", 1},
                       {"told", nullptr}}}},
                    {"failing", {{{"user_id", name}, {"failures", nlohmann::json::array()}}}},
                    {"known", {{{"user_id", name}, {"addresses", {name}}}}}});
  EXPECT_LT(on.guard.save().dump().size(), 1000U);
  EXPECT_EQ(on.failed("ada", bounded_name(name), kNoon, 2),
            Words{"too_many_failures ada " + bounded_name(name) + " 3"});
}

TEST(Guard, HandsOnWhatItKnows) {
  Guarded before;
  (void)before.succeeded("ada", "1.1.1.1", kNoon);
  (void)before.failed("bob", "2.2.2.2", kNoon);
  (void)before.failed("bob", "2.2.2.2", kNoon);
  for (int i = 0; i < 3; ++i) (void)before.failed("eve", "3.3.3.3", kNoon);
  Guarded after;
  after.guard.restore(before.guard.save());
  EXPECT_EQ(after.guard.save(), before.guard.save());
  EXPECT_EQ(after.failed("bob", "2.2.2.2", kNoon + 1s), Words{"too_many_failures bob 2.2.2.2 3"});
  EXPECT_EQ(after.failed("eve", "3.3.3.3", kNoon + 1s), Words{});
  EXPECT_EQ(after.succeeded("ada", "9.9.9.9", kNoon + 1s), Words{"new_address ada 9.9.9.9 0"});
}

}  // namespace
}  // namespace auth_guard
