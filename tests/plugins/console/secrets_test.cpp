#include "../../../plugins/console/secrets.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "config/secrets.hpp"

namespace console {
namespace {

using nlohmann::json;

TEST(ConsoleSecrets, AreThoseOfTheHostsConfiguration) {
  busway::config::SecretKeys of_the_host;
  of_the_host.add("door-pin");
  const Secrets secrets({"door-pin"});
  for (const std::string key : {"password",
                                "db_password",
                                "PASSWORD",
                                "secret",
                                "client-secret",
                                "token",
                                "accessToken",
                                "HTTPToken",
                                "authorization",
                                "api_key",
                                "apiKey",
                                "X-API-Key",
                                "apikey",
                                "passwd",
                                "doorPin",
                                "door_pin",
                                "token_count",
                                "tokens",
                                "secretary",
                                "mytoken",
                                "keeper",
                                "",
                                "_",
                                "pin",
                                "n\xC3\xA4mToken",
                                "\xC3\xA4token",
                                "2token",
                                "a2Token"}) {
    EXPECT_EQ(secrets.is_secret(key), of_the_host.contains(key)) << key;
  }
}

TEST(ConsoleSecrets, AreMaskedAtAnyDepthWhateverTheirType) {
  json value = json::parse(
      R"({"a":{"token":{"x":1}},"list":[{"password":"p"}],"secret":7,"api_key":null,"b":"c"})");
  EXPECT_TRUE(Secrets().mask(value));
  EXPECT_EQ(value, json::parse(R"({"a":{"token":"***"},"list":[{"password":"***"}],
                                   "secret":"***","api_key":null,"b":"c"})"));
}

TEST(ConsoleSecrets, LeaveEverythingElseAsItIs) {
  for (const std::string text : {R"({"user":"ada","tokens":3})", "[1,2]", "7", "null"}) {
    json value = json::parse(text);
    EXPECT_FALSE(Secrets().mask(value)) << text;
    EXPECT_EQ(value, json::parse(text));
  }
}

}  // namespace
}  // namespace console
