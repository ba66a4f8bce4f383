#include "busway/upcaster.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include <expect_error.hpp>
#include "busway/typed_event.hpp"

namespace busway {
namespace {

struct Account {
  static constexpr std::string_view type_name = "account";
  static constexpr int schema_version = 3;
  std::string first{};
  std::string last{};
  bool active = false;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Account, first, last, active)

class UpcasterTest : public ::testing::Test {
 protected:
  ~UpcasterTest() override {
    remove_upcaster("account", 1);
    remove_upcaster("account", 2);
  }

  static Json split_name(Json json) {
    const auto name = json.at("name").get<std::string>();
    const std::size_t blank = name.find(' ');
    return Json{{"first", name.substr(0, blank)}, {"last", name.substr(blank + 1)}};
  }
  static Json add_active(Json json) {
    json["active"] = true;
    return json;
  }
};

TEST_F(UpcasterTest, AStoredVersion1ReachesAHandlerOfVersion3) {
  register_upcaster<Account>(1, split_name);
  register_upcaster<Account>(2, add_active);
  const Event old("account.changed", Payload::json({{"name", "Ada Lovelace"}}));
  EXPECT_EQ(old.as<Account>().first, "Ada");
  EXPECT_EQ(old.as<Account>().last, "Lovelace");
  EXPECT_TRUE(old.as<Account>().active);

  const Event newer("account.changed", Payload::json({{"first", "Al"}, {"last", "G"}}),
                    {.schema_version = 2});
  EXPECT_EQ(newer.as<Account>().first, "Al");
}

TEST_F(UpcasterTest, AMissingStepIsNamed) {
  register_upcaster<Account>(1, split_name);
  const std::string message = error_of(ErrorCode::payload_type, [] {
    (void)Event("a", Payload::json({{"name", "x y"}})).as<Account>();
  });
  EXPECT_TRUE(mentions(message, "no upcaster from version 2 to 3"));
  EXPECT_TRUE(mentions(message, "account"));
}

TEST_F(UpcasterTest, APayloadOfANewerVersionIsRefused) {
  EXPECT_TRUE(mentions(
      error_of(
          ErrorCode::payload_type,
          [] {
            (void)Event("a", Payload::json(Json::object()), {.schema_version = 4}).as<Account>();
          }),
      "version 4"));
}

TEST_F(UpcasterTest, AStepThatThrowsRefusesThePayload) {
  register_upcaster<Account>(1, split_name);
  register_upcaster<Account>(2, add_active);
  EXPECT_EQ(Event("a", Payload::json({{"nom", 1}})).try_as<Account>(), nullptr);
}

TEST_F(UpcasterTest, AMissingStepMayComeLater) {
  const Event old("a", Payload::json({{"first", "A"}, {"last", "B"}}), {.schema_version = 2});
  EXPECT_EQ(old.try_as<Account>(), nullptr);
  register_upcaster<Account>(2, add_active);
  EXPECT_NE(old.try_as<Account>(), nullptr);
}

TEST_F(UpcasterTest, OneStepIsRegisteredOnce) {
  register_upcaster<Account>(1, split_name);
  EXPECT_TRUE(mentions(
      error_of(ErrorCode::already_exists, [] { register_upcaster<Account>(1, split_name); }),
      "\"account\" from version 1"));
  EXPECT_TRUE(remove_upcaster("account", 1));
  EXPECT_FALSE(remove_upcaster("account", 1));
  EXPECT_NO_THROW(register_upcaster<Account>(1, split_name));
}

TEST_F(UpcasterTest, NeedsANameAVersionAndAFunction) {
  (void)error_of(ErrorCode::invalid_argument, [] { register_upcaster("", 1, add_active); });
  (void)error_of(ErrorCode::invalid_argument, [] { register_upcaster("account", 0, add_active); });
  (void)error_of(ErrorCode::invalid_argument, [] { register_upcaster("account", 1, nullptr); });
}

TEST_F(UpcasterTest, MayBeRegisteredWhileOthersDecode) {
  register_upcaster<Account>(2, add_active);
  std::atomic<bool> done{false};
  std::thread registrar([&] {
    for (int i = 0; i < 200; ++i) {
      register_upcaster<Account>(1, split_name);
      remove_upcaster("account", 1);
    }
    done = true;
  });
  int decoded = 0;
  while (!done) {
    const Event old("a", Payload::json({{"name", "Ada L"}}));
    if (const Account* const account = old.try_as<Account>()) {
      EXPECT_EQ(account->last, "L");
      ++decoded;
    }
  }
  registrar.join();
  EXPECT_GE(decoded, 0);
}

}  // namespace
}  // namespace busway
