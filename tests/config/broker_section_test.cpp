#include "config/broker_section.hpp"

#include <gtest/gtest.h>

#include <string>

#include "problems.hpp"

namespace busway::config {
namespace {

using std::chrono::milliseconds;

BrokerSection broker_of(const std::string& lines) {
  return config_of("event_broker:\n" + lines).event_broker;
}

Lines refused(const std::string& lines) { return errors_in("event_broker:\n" + lines); }

TEST(BrokerSection, HasTheDefaultsOfTheBus) {
  const BrokerSection broker = broker_of("");
  EXPECT_TRUE(broker.enabled);
  EXPECT_EQ(broker.provider, Provider::memory);
  EXPECT_EQ(broker.mode, DeliveryMode::sync);
  EXPECT_EQ(broker.worker_count, std::nullopt);
  EXPECT_EQ(broker.buffer_size, 1024U);
  EXPECT_EQ(broker.instance_id, std::nullopt);
  EXPECT_EQ(broker.overflow, OverflowPolicy::reject);
  EXPECT_EQ(broker.max_hops, 32);
  EXPECT_EQ(broker.wildcards, WildcardKind::glob);
  EXPECT_FALSE(broker.trace);
  EXPECT_EQ(broker.durable_expiry, std::nullopt);
  EXPECT_EQ(broker.compress_above, limits::kCompressAboveDefault);
  EXPECT_EQ(broker.store_timeout, milliseconds(5'000));
  EXPECT_EQ(broker.retry_policy.max_retries, std::nullopt);
  EXPECT_EQ(broker.retry_policy.initial_delay, milliseconds(1'000));
  EXPECT_EQ(broker.retry_policy.max_delay, milliseconds(30'000));
  EXPECT_EQ(broker.retry_policy.backoff_factor, 2.0);
}

TEST(BrokerSection, RefusesAPatternToKeepThatIsNone) {
  const Lines wrong = refused("  keep:\n    - order.*\n    - '[a'\n");
  ASSERT_EQ(wrong.size(), 1U);
  EXPECT_NE(wrong[0].find("keep"), std::string::npos) << wrong[0];
  EXPECT_NE(wrong[0].find("[a"), std::string::npos) << wrong[0];
  EXPECT_TRUE(refused("  wildcards: segments\n  keep: [order.**]\n").empty());
}

TEST(BrokerSection, ReadsEveryKey) {
  const BrokerSection broker = broker_of(
      "  enabled: false\n  provider: sqlite\n  mode: async\n  worker_count: 4\n"
      "  buffer_size: 16\n  instance_id: node-1\n  overflow: drop_oldest\n  max_hops: 8\n"
      "  wildcards: segments\n  trace: true\n"
      "  keep: [order.*]\n  durability: process_crash\n  durable_expiry: 30d\n"
      "  compress_above: 1KiB\n  store_timeout: 2s\n"
      "  retention: {max_age: 1h, max_events: 5, max_size: 2MiB}\n"
      "  retry_policy: {max_retries: 5, initial_delay: 10ms, max_delay: 1m, backoff_factor: 1.5}\n"
      "  sqlite: {path: e.db}\n"
      "  redis: {host: r, port: 1, user: u, password: p, db: 2, stream_name: s, "
      "consumer_group: g}\n"
      "  nats: {url: 'nats://n', stream_name: s, storage: memory, max_age: 7d}\n"
      "  postgres: {url: 'postgres://h/d', table_name: t, channel: c, poll_interval: 5s}\n");
  EXPECT_FALSE(broker.enabled);
  EXPECT_EQ(broker.provider, Provider::sqlite);
  EXPECT_EQ(broker.mode, DeliveryMode::async);
  EXPECT_EQ(broker.worker_count, 4U);
  EXPECT_EQ(broker.buffer_size, 16U);
  EXPECT_EQ(broker.instance_id, "node-1");
  EXPECT_EQ(broker.overflow, OverflowPolicy::drop_oldest);
  EXPECT_EQ(broker.max_hops, 8);
  EXPECT_EQ(broker.wildcards, WildcardKind::segments);
  EXPECT_TRUE(broker.trace);
  EXPECT_EQ(broker.keep, std::vector<std::string>{"order.*"});
  EXPECT_EQ(broker.durability, DurabilityLevel::process_crash);
  EXPECT_EQ(broker.durable_expiry, std::chrono::hours(24 * 30));
  EXPECT_EQ(broker.compress_above, 1024U);
  EXPECT_EQ(broker.store_timeout, milliseconds(2'000));
  EXPECT_EQ(broker.retention.max_age, std::chrono::hours(1));
  EXPECT_EQ(broker.retention.max_events, 5U);
  EXPECT_EQ(broker.retention.max_size, std::uint64_t{2} << 20U);
  EXPECT_EQ(broker.retry_policy.max_retries, 5U);
  EXPECT_EQ(broker.retry_policy.initial_delay, milliseconds(10));
  EXPECT_EQ(broker.retry_policy.max_delay, milliseconds(60'000));
  EXPECT_EQ(broker.retry_policy.backoff_factor, 1.5);
  EXPECT_EQ(broker.sqlite.path, "e.db");
  EXPECT_EQ(broker.redis.host, "r");
  EXPECT_EQ(broker.redis.port, 1);
  EXPECT_EQ(broker.redis.user, "u");
  EXPECT_EQ(broker.redis.password, "p");
  EXPECT_EQ(broker.redis.db, 2U);
  EXPECT_EQ(broker.redis.stream_name, "s");
  EXPECT_EQ(broker.redis.consumer_group, "g");
  EXPECT_EQ(broker.nats.url, "nats://n");
  EXPECT_EQ(broker.nats.stream_name, "s");
  EXPECT_EQ(broker.nats.storage, NatsStorage::memory);
  EXPECT_EQ(broker.nats.max_age, std::chrono::hours(168));
  EXPECT_EQ(broker.postgres.url, "postgres://h/d");
  EXPECT_EQ(broker.postgres.table_name, "t");
  EXPECT_EQ(broker.postgres.channel, "c");
  EXPECT_EQ(broker.postgres.poll_interval, milliseconds(5'000));
}

TEST(BrokerSection, NamesTheNearestProvider) {
  EXPECT_EQ(refused("  provider: redsi\n"),
            Lines{"f.yaml:2: event_broker.provider: \"redsi\" is not one of memory, sqlite, redis, "
                  "nats, postgres, database; did you mean redis?"});
}

TEST(BrokerSection, TakesAnAddressAsProvider) {
  const BrokerSection broker =
      broker_of("  provider: redis://me:pw@h:1/2\n  redis: {stream_name: s}\n");
  EXPECT_EQ(broker.provider, Provider::redis);
  EXPECT_EQ(broker.redis.host, "h");
  EXPECT_EQ(broker.redis.password, "pw");
  EXPECT_EQ(broker.redis.stream_name, "s");
  EXPECT_EQ(broker_of("  provider: sqlite:events.db\n").sqlite.path, "events.db");
  EXPECT_EQ(broker_of("  provider: \"memory:\"\n").provider, Provider::memory);
}

TEST(BrokerSection, RefusesAnAddressThatTheSectionContradicts) {
  EXPECT_EQ(refused("  provider: sqlite:events.db\n  sqlite: {path: other.db}\n"),
            Lines{"f.yaml:3: event_broker.sqlite.path: the address in provider says this already; "
                  "give it in one place"});
  EXPECT_EQ(refused("  provider: sqlite:events.db\n  redis: {host: h}\n"), Lines{});
}

TEST(BrokerSection, RefusesAFaultyAddressWithItsLine) {
  EXPECT_EQ(
      refused("  provider: redis://h:70000\n"),
      Lines{"f.yaml:2: event_broker.provider: the port: 70000 is out of range; it must be 1 to "
            "65535"});
}

TEST(BrokerSection, ReadsProviderDatabaseFromItsOwnSection) {
  const BrokerSection broker =
      broker_of("  provider: database\n  database: {url: 'postgres://h/d', channel: c}\n");
  EXPECT_EQ(broker.provider, Provider::postgres);
  EXPECT_EQ(broker.postgres.url, "postgres://h/d");
  EXPECT_EQ(broker.postgres.channel, "c");
  EXPECT_EQ(refused("  provider: database\n  postgres: {url: 'postgres://h/d'}\n"),
            Lines{"f.yaml:3: event_broker.postgres: the provider is database, whose section is "
                  "database:; rename this one"});
}

TEST(BrokerSection, NeedsTheAddressOfPostgres) {
  EXPECT_EQ(refused("  provider: postgres\n"),
            Lines{"f.yaml:2: event_broker.provider: the provider postgres needs postgres.url, such "
                  "as postgres://localhost/events"});
  EXPECT_EQ(refused("  provider: database\n  database: {channel: c}\n"),
            Lines{"f.yaml:3: event_broker.database: the provider database needs database.url, such "
                  "as postgres://localhost/events"});
}

TEST(BrokerSection, RefusesAddressesOfAnotherKind) {
  EXPECT_EQ(refused("  nats: {url: 'http://h'}\n"),
            Lines{"f.yaml:2: event_broker.nats.url: \"http://h\" is not an address; it begins with "
                  "nats:// or tls://"});
  EXPECT_EQ(refused("  postgres: {url: 'mysql://h'}\n"),
            Lines{"f.yaml:2: event_broker.postgres.url: \"mysql://h\" is not an address; it begins "
                  "with postgres:// or postgresql://"});
}

TEST(BrokerSection, RefusesNamesThatAServerWouldRead) {
  EXPECT_EQ(
      refused("  postgres: {table_name: 'x; DROP TABLE y'}\n"),
      Lines{"f.yaml:2: event_broker.postgres.table_name: \"x; DROP TABLE y\" is not a name of "
            "letters, digits and _"});
  EXPECT_EQ(refused("  nats: {stream_name: a.b}\n").size(), 1U);
  EXPECT_EQ(refused("  redis: {stream_name: 'a b'}\n").size(), 1U);
  EXPECT_EQ(refused("  redis: {stream_name: 'app:events'}\n"), Lines{});
}

TEST(BrokerSection, RefusesDelaysThatExcludeEachOther) {
  EXPECT_EQ(refused("  retry_policy: {initial_delay: 1m}\n"),
            Lines{"f.yaml:2: event_broker.retry_policy.initial_delay: initial_delay (1m) is longer "
                  "than max_delay (30s); raise max_delay or lower initial_delay"});
}

TEST(BrokerSection, SaysEachRange) {
  EXPECT_EQ(
      refused("  worker_count: 0\n  buffer_size: 0\n  max_hops: 256\n"
              "  redis: {port: 70000, db: -1}\n  retry_policy: {max_retries: 010, "
              "backoff_factor: 0.5}\n"),
      (Lines{"f.yaml:2: event_broker.worker_count: 0 is out of range; it must be 1 to 1024",
             "f.yaml:3: event_broker.buffer_size: 0 is out of range; it must be 1 to 16777216",
             "f.yaml:4: event_broker.max_hops: 256 is out of range; it must be 1 to 255",
             "f.yaml:5: event_broker.redis.port: 70000 is out of range; it must be 1 to 65535",
             "f.yaml:5: event_broker.redis.db: -1 is out of range; it must be 0 to 1000000",
             "f.yaml:6: event_broker.retry_policy.max_retries: 010 begins with a zero: old "
             "YAML reads it as octal, 8, new YAML as 10; write 10",
             "f.yaml:6: event_broker.retry_policy.backoff_factor: 0.5 is out of range; it "
             "must be 1 to 100"}));
}

TEST(BrokerSection, NamesItsProviders) {
  EXPECT_EQ(to_string(Provider::memory), "memory");
  EXPECT_EQ(to_string(Provider::postgres), "postgres");
}

}  // namespace
}  // namespace busway::config
