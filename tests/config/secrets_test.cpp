#include "config/secrets.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "config/to_json.hpp"
#include "problems.hpp"

namespace busway::config {
namespace {

using nlohmann::json;

TEST(IsSecretKey, KnowsTheListInAnyCaseAndSpelling) {
  for (const char* key : {"password", "secret", "token", "authorization", "api_key", "PASSWORD",
                          "Api-Key", "apiKey", "apikey", "API_KEY", "passwd"}) {
    EXPECT_TRUE(is_secret_key(key)) << key;
  }
}

TEST(IsSecretKey, KnowsNamesThatEndWithAWordOfTheList) {
  for (const char* key : {"db_password", "accessToken", "X-API-Key", "client.secret", "HTTPToken",
                          "proxy-authorization", "bot token"}) {
    EXPECT_TRUE(is_secret_key(key)) << key;
  }
}

TEST(IsSecretKey, LeavesOtherNamesAlone) {
  for (const char* key : {"token_count", "secretary", "passwords_file", "key", "api", "", "mytoken",
                          "author", "api_keys_max"}) {
    EXPECT_FALSE(is_secret_key(key)) << key;
  }
}

TEST(SecretKeys, CanBeExtended) {
  SecretKeys keys;
  EXPECT_FALSE(keys.contains("card-pin"));
  keys.add("PIN").add("private_key");
  EXPECT_TRUE(keys.contains("card-pin"));
  EXPECT_TRUE(keys.contains("privateKey"));
  EXPECT_TRUE(keys.contains("password"));
  EXPECT_FALSE(keys.contains("pinned"));
}

TEST(MaskText, HidesThePasswordInsideAnAddress) {
  EXPECT_EQ(mask_text("redis://me:p:w@d@host:1/0"), "redis://me:***@host:1/0");
  EXPECT_EQ(mask_text("a nats://u:p@h and postgres://v:q@i/d"),
            "a nats://u:***@h and postgres://v:***@i/d");
  EXPECT_EQ(mask_text("redis://host:6379/0"), "redis://host:6379/0");
  EXPECT_EQ(mask_text("redis://user@host"), "redis://user@host");
  EXPECT_EQ(mask_text("redis://u:p/q?r#s@host/0"), "redis://u:***@host/0");
  EXPECT_EQ(mask_text("nats://s3cret@host"), "nats://***@host");
}

TEST(MaskText, HidesThePasswordInsideAConnectionString) {
  EXPECT_EQ(mask_text("host=x password=abc user=y"), "host=x password=*** user=y");
  EXPECT_EQ(mask_text("Password='a b\\'c' user=y"), "Password=*** user=y");
  EXPECT_EQ(mask_text("postgres://h/d?user=u&password=p&x=1"),
            "postgres://h/d?user=u&password=***&x=1");
  EXPECT_EQ(mask_text("password='never closed"), "password=***");
}

TEST(Masked, HidesSecretsAtAnyDepthWhateverTheirType) {
  const json value = json::parse(
      R"({"a":{"token":{"x":1}},"list":[{"password":"p"}],"secret":7,"api_key":null,"b":"c"})");
  EXPECT_EQ(masked(value), json::parse(R"({"a":{"token":"***"},"list":[{"password":"***"}],
                                          "secret":"***","api_key":null,"b":"c"})"));
}

TEST(MaskedDump, ShowsADocumentWithoutItsSecrets) {
  const std::string text = masked_dump(parse_document(
      "event_broker:\n  provider: redis://me:hunter2@h/0\n  redis: {password: \"${P}\", port: 1}\n"
      "plugins:\n  - config: {bot_token: 007}\n",
      "f.yaml", with_variables({{"P", "hunter3"}})));
  EXPECT_EQ(text.find("hunter"), std::string::npos) << text;
  EXPECT_EQ(text.find("007"), std::string::npos) << text;
  EXPECT_NE(text.find("\"port\": 1"), std::string::npos) << text;
  EXPECT_NE(text.find("redis://me:***@h/0"), std::string::npos) << text;
}

TEST(SecretKeysOfAFile, CountFromItsFirstLineOn) {
  const std::string text =
      "plugins:\n  - {path: a.so, config: {pin: 0123456}}\nsecret_keys: [pin, x-session]\n";
  const Lines found = errors_in(text);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].find("0123456"), std::string::npos) << found[0];
  const Document document =
      parse_document("secret_keys: [x-session]\nplugins: [{config: {x_session: hunter2}}]\n",
                     "f.yaml", with_variables({}));
  EXPECT_TRUE(document.secrets.contains("xSession"));
  EXPECT_TRUE(document.secrets.contains("password")) << "the words of the list are added";
  EXPECT_EQ(masked_dump(document).find("hunter2"), std::string::npos);
  EXPECT_EQ(errors_in("secret_keys: {a: b}\n").size(), 1U);
  EXPECT_EQ(errors_in("secret_keys: ['***']\n").size(), 1U);
}

TEST(Errors, NeverShowASecret) {
  const Lines found = errors_in(
      "event_broker:\n  provider: redis://u:hunter2@host:99999\n"
      "  redis: {password: \"hunter2\\n\"}\n"
      "  postgres: {url: \"mysql://u:hunter2@h\"}\n"
      "plugins:\n  - {path: a.so, config: {token: 0123456}}\n");
  ASSERT_EQ(found.size(), 4U);
  for (const std::string& line : found) {
    EXPECT_EQ(line.find("hunter2"), std::string::npos) << line;
    EXPECT_EQ(line.find("0123456"), std::string::npos) << line;
  }
}

}  // namespace
}  // namespace busway::config
