#include "config/store_address.hpp"

#include <gtest/gtest.h>

#include <string>

namespace busway::config {
namespace {

BrokerSection applied(std::string_view address) {
  BrokerSection broker;
  EXPECT_EQ(apply_address(address, broker), "") << address;
  return broker;
}

std::string refused(std::string_view address) {
  BrokerSection broker;
  return apply_address(address, broker);
}

TEST(StoreAddress, NamesTheProviderAndFillsInItsSection) {
  EXPECT_EQ(applied("memory:").provider, Provider::memory);

  const BrokerSection sqlite = applied("sqlite:/var/lib/a b.db");
  EXPECT_EQ(sqlite.provider, Provider::sqlite);
  EXPECT_EQ(sqlite.sqlite.path, "/var/lib/a b.db");

  const BrokerSection nats = applied("nats://u:p@h:4222");
  EXPECT_EQ(nats.provider, Provider::nats);
  EXPECT_EQ(nats.nats.url, "nats://u:p@h:4222");

  for (const char* url : {"postgres://h/d", "postgresql://h/d"}) {
    EXPECT_EQ(applied(url).provider, Provider::postgres);
    EXPECT_EQ(applied(url).postgres.url, url);
  }
}

TEST(StoreAddress, OfRedisIsTakenApart) {
  const RedisSection all = applied("redis://me:p%40s:s@example.org:7000/3").redis;
  EXPECT_EQ(all.user, "me");
  EXPECT_EQ(all.password, "p@s:s");
  EXPECT_EQ(all.host, "example.org");
  EXPECT_EQ(all.port, 7000);
  EXPECT_EQ(all.db, 3U);

  const RedisSection few = applied("redis://h").redis;
  EXPECT_EQ(few.host, "h");
  EXPECT_EQ(few.port, 6379);
  EXPECT_EQ(few.db, 0U);
  EXPECT_EQ(few.user, "");

  EXPECT_EQ(applied("redis://:pw@h/").redis.password, "pw");
  EXPECT_EQ(applied("redis://[::1]:7/").redis.host, "::1");
  EXPECT_EQ(applied("redis://[::1]:7/").redis.port, 7);
  EXPECT_EQ(applied("redis://[::1]").redis.port, 6379);
}

TEST(StoreAddress, RefusesWhatItCannotReadWithoutShowingAPassword) {
  EXPECT_EQ(refused("memory:x"), "nothing follows memory:");
  EXPECT_EQ(refused("sqlite:"), "the path is missing; write sqlite:PATH");
  EXPECT_EQ(refused("sqlite://x"), "write sqlite:PATH, without //");
  EXPECT_EQ(refused("redis:h"), "write redis://HOST:PORT/DB, with //");
  EXPECT_EQ(refused("redis://"), "the host is missing; write redis://HOST:PORT/DB");
  EXPECT_EQ(refused("redis://u:hunter2@"), "the host is missing; write redis://HOST:PORT/DB");
  EXPECT_EQ(refused("redis://h:99999"), "the port: 99999 is out of range; it must be 1 to 65535");
  EXPECT_EQ(refused("redis://h:"),
            "the port: \"\" is not a whole number in decimal digits, 1 to 65535");
  EXPECT_EQ(refused("redis://h/x"),
            "the database: \"x\" is not a whole number in decimal digits, 0 to 1000000");
  EXPECT_EQ(refused("redis://[::1"), "the [ of the host is not closed by ]");
  EXPECT_EQ(refused("redis://[::1]7"), "after ] only :PORT may follow");
  EXPECT_EQ(refused("redis://u:100%@h"),
            "the user or the password holds a % that is not followed by "
            "two hexadecimal digits; write %25");
  EXPECT_NE(refused("redis://u:%00@h"), "");
  EXPECT_EQ(refused("redis://u:hun/ter2@h"), "the user or the password holds a /; write %2F");
  EXPECT_EQ(refused("redis://h?x=1"),
            "a redis address takes no ? or # part; in a password write %3F or %23");
  EXPECT_EQ(refused("nats:h"), "the host is missing after ://");
  EXPECT_EQ(refused("postgres://"), "the host is missing after ://");
  EXPECT_EQ(
      refused("rediss://u:hunter2@h").rfind("\"rediss\" is no provider; did you mean redis?", 0),
      0U);
  EXPECT_EQ(refused("rediss://u:hunter2@h").find("hunter2"), std::string::npos);
}

TEST(StoreAddress, IsToldFromANameByItsColon) {
  EXPECT_TRUE(looks_like_address("memory:"));
  EXPECT_FALSE(looks_like_address("memory"));
}

}  // namespace
}  // namespace busway::config
