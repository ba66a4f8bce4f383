// config/broker_section.hpp -- event_broker: the bus and its store, as the file says it.
// Layer: config
//
// Model      Plain values; what is not given holds its default. The host maps them to the options
//            of the bus and of the store: `provider` says which of the provider sections counts.
// Threads    Plain structs.
// Ownership  Owns its texts.
// Errors     See broker_section(): what can be checked without a server is checked when the file is
//            read.
// Cost       None by itself.
// Example    tests/config/broker_section_test.cpp
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "busway/limits.hpp"
#include "config/section.hpp"

namespace busway::config {

enum class Provider : unsigned char { memory, sqlite, redis, nats, postgres };
enum class DeliveryMode : unsigned char { sync, async };
enum class OverflowPolicy : unsigned char { reject, block, drop_oldest, drop_newest };
enum class WildcardKind : unsigned char { glob, segments };
enum class NatsStorage : unsigned char { file, memory };

struct RetrySection {
  std::optional<std::uint32_t> max_retries{};  // unset: 3 for async and durable, 0 for sync
  std::chrono::milliseconds initial_delay{1'000};
  std::chrono::milliseconds max_delay{30'000};
  double backoff_factor = 2.0;
};

struct SqliteSection {
  std::string path = "busway.db";
};

inline constexpr std::int64_t kRedisDbMax = 1'000'000;

struct RedisSection {
  std::string host = "localhost";
  std::uint16_t port = 6379;
  std::string user{};
  std::string password{};
  std::uint32_t db = 0;
  std::string stream_name = "busway";
  std::string consumer_group = "busway";
};

struct NatsSection {
  std::string url = "nats://localhost:4222";
  std::string stream_name = "busway";
  NatsStorage storage = NatsStorage::file;
  std::optional<std::chrono::milliseconds> max_age{};  // unset: kept without a limit of age
};

struct PostgresSection {
  std::string url{};  // required where postgres is the provider
  std::string table_name = "busway";
  std::string channel = "busway";
  std::chrono::milliseconds poll_interval{1'000};
};

enum class DurabilityLevel : unsigned char { memory, process_crash, power_loss };

struct RetentionSection {
  std::optional<std::chrono::milliseconds> max_age{};
  std::optional<std::uint64_t> max_events{};
  std::optional<std::uint64_t> max_size{};  // bytes
};

struct BrokerSection {
  bool enabled = true;
  Provider provider = Provider::memory;
  DeliveryMode mode = DeliveryMode::sync;
  std::optional<std::uint32_t> worker_count{};  // unset: the cores, at least 2
  std::uint32_t buffer_size = 1024;             // events in a subscription's queue
  std::optional<std::string> instance_id{};     // unset: the host's name
  OverflowPolicy overflow = OverflowPolicy::reject;
  std::uint16_t max_hops = 32;
  WildcardKind wildcards = WildcardKind::glob;
  bool trace = false;
  std::optional<std::vector<std::string>> keep{};  // unset: all, with a store that lasts
  std::optional<DurabilityLevel> durability{};     // unset: what the provider does by itself
  std::optional<std::chrono::milliseconds> durable_expiry{};  // unset: never
  std::uint64_t compress_above = limits::kCompressAboveDefault;
  std::chrono::milliseconds store_timeout{5'000};
  RetentionSection retention{};
  RetrySection retry_policy{};
  SqliteSection sqlite{};
  RedisSection redis{};
  NatsSection nats{};
  PostgresSection postgres{};

  // As written: `provider: database` is postgres under the name that its section has in such a
  // file, and an address fills in the section it belongs to. The host needs neither.
  std::string provider_text = "memory";
  std::optional<PostgresSection> database{};
};

[[nodiscard]] std::string_view to_string(Provider provider) noexcept;

[[nodiscard]] const Section<BrokerSection>& broker_section();

}  // namespace busway::config
