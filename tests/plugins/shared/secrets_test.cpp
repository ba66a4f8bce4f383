#include "shared/secrets.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "config/secrets.hpp"

namespace shared {
namespace {

using nlohmann::json;

TEST(PluginSecrets, AreThoseOfTheHostsConfiguration) {
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

TEST(PluginSecrets, AreMaskedAtAnyDepthWhateverTheirType) {
  json value = json::parse(
      R"({"a":{"token":{"x":1}},"list":[{"password":"p"}],"secret":7,"api_key":null,"b":"c"})");
  EXPECT_TRUE(Secrets().mask(value));
  EXPECT_EQ(value, json::parse(R"({"a":{"token":"***"},"list":[{"password":"***"}],
                                   "secret":"***","api_key":null,"b":"c"})"));
}

TEST(PluginSecrets, LeaveEverythingElseAsItIs) {
  for (const std::string text : {R"({"user":"ada","tokens":3})", "[1,2]", "7", "null"}) {
    json value = json::parse(text);
    EXPECT_FALSE(Secrets().mask(value)) << text;
    EXPECT_EQ(value, json::parse(text));
  }
}

TEST(PluginSecrets, OfTextsArePasswordsInAddressesAndWhatStandsBehindASecretKey) {
  const Secrets secrets({"pin"});
  for (const auto& [text, shown] : std::vector<std::pair<std::string, std::string>>{
           {"redis://user:hunter2@host:6379/0", "redis://user:***@host:6379/0"},
           {"see postgres://u:a@b@host, then", "see postgres://u:***@host, then"},
           {"nats://s3cr3t@host", "nats://***@host"},
           {"http://host:80/path", "http://host:80/path"},
           {"user=ada password=hunter2 host=h", "user=ada password=*** host=h"},
           {"Authorization: Bearer abc.def next", "Authorization: *** next"},
           {"{\"token\": \"a \\\" b\", \"x\": 1}", "{\"token\": ***, \"x\": 1}"},
           {"door-pin=1234", "door-pin=***"},
           {"db_password='a b' user='c'", "db_password=*** user='c'"},
           {"Failed password for root from 1.2.3.4", "Failed password for root from 1.2.3.4"},
           {"token_count=3", "token_count=3"},
           {"password=", "password="},
           {"a::b", "a::b"},
           {"", ""}}) {
    EXPECT_EQ(secrets.mask_text(text), shown) << text;
  }
}

TEST(PluginSecrets, OfTextsThatTheHostFindsAreFoundToo) {
  for (const std::string text : {"redis://user:pw@host", "postgres://a:b/c@h x", "nats://t@h:4222",
                                 "host=h password=p user=u", "x?password=a&b=c",
                                 "ssh://git@host:22/x", "password='a\\'b' c", "plain"}) {
    EXPECT_EQ(Secrets().mask_text(text), busway::config::mask_text(text)) << text;
  }
}

}  // namespace
}  // namespace shared
