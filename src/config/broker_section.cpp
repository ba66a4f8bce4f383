#include "config/broker_section.hpp"

#include <array>
#include <utility>

#include "base/escape.hpp"
#include "busway/error.hpp"
#include "busway/limits.hpp"
#include "busway/pattern.hpp"
#include "config/store_address.hpp"

namespace busway::config {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;

constexpr std::string_view kLettersAndDigits =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
constexpr std::int64_t kMaxRetriesMax = 1'000;
constexpr milliseconds kDelayMax = hours(24);

template <class T>
constexpr std::int64_t whole(T value) {
  return static_cast<std::int64_t>(value);
}

TextRule letters(std::string_view also, std::size_t bytes_max, std::string form) {
  return {.bytes_min = 1,
          .bytes_max = bytes_max,
          .letters = std::string(kLettersAndDigits) + std::string(also),
          .form = std::move(form)};
}

TextRule any_text(std::string form) {
  return {
      .bytes_min = 1, .bytes_max = limits::kTextBytesMax, .letters = {}, .form = std::move(form)};
}

TextRule empty_or(std::string form) {
  TextRule rule = any_text(std::move(form));
  rule.bytes_min = 0;
  return rule;
}

Section<RetrySection> retry_section() {
  Section<RetrySection> section("What happens after a failed delivery.");
  section
      .integer("max_retries", &RetrySection::max_retries, {0, kMaxRetriesMax},
               "Attempts after the first one.")
      .when_unset("3 for async and durable, 0 for sync")
      .duration("initial_delay", &RetrySection::initial_delay, {milliseconds(1), kDelayMax},
                "Wait before the first retry.")
      .duration("max_delay", &RetrySection::max_delay, {milliseconds(1), kDelayMax},
                "No wait is longer.")
      .number("backoff_factor", &RetrySection::backoff_factor, {1.0, 100.0},
              "Each wait is this many times the one before.")
      .check([](RetrySection& retry, const Checker& checker) {
        if (retry.initial_delay <= retry.max_delay) return;
        const std::string_view at = checker.given("initial_delay") ? "initial_delay" : "max_delay";
        checker.error(at, "initial_delay (" + show_duration(retry.initial_delay) +
                              ") is longer than max_delay (" + show_duration(retry.max_delay) +
                              "); raise max_delay or lower initial_delay");
      });
  return section;
}

Section<RetentionSection> retention_section() {
  Section<RetentionSection> section(
      "How long the store keeps events; what is not settled stays in any case.");
  section
      .duration("max_age", &RetentionSection::max_age, {milliseconds(1'000), hours(24 * 36'500)},
                "Older events go.")
      .when_unset("no limit")
      .integer("max_events", &RetentionSection::max_events, {1, 1'000'000'000'000},
               "The oldest beyond this number go.")
      .when_unset("no limit")
      .size("max_size", &RetentionSection::max_size,
            {std::uint64_t{1} << 20U, std::uint64_t{1} << 50U}, "The oldest beyond this size go.")
      .when_unset("no limit");
  return section;
}

Section<SqliteSection> sqlite_section() {
  Section<SqliteSection> section("Provider sqlite: one file.");
  section.text("path", &SqliteSection::path, any_text("a path"), "The database file.");
  return section;
}

Section<RedisSection> redis_section() {
  Section<RedisSection> section("Provider redis: Redis Streams.");
  section
      .text("host", &RedisSection::host, any_text("a host name"), "Name or address of the server.")
      .integer("port", &RedisSection::port, {1, 65'535}, "Its port.")
      .text("user", &RedisSection::user, empty_or("a user name"), "Empty for the default user.")
      .text("password", &RedisSection::password, empty_or("a password"), "Empty for none.")
      .integer("db", &RedisSection::db, {0, kRedisDbMax}, "Number of the database.")
      .text("stream_name", &RedisSection::stream_name,
            letters("_-.:", 128, "a name of letters, digits and _ - . :"),
            "Prefix of all names on the server.")
      .text("consumer_group", &RedisSection::consumer_group,
            letters("_-.:", 128, "a name of letters, digits and _ - . :"),
            "Prefix of the durable names.");
  return section;
}

Section<NatsSection> nats_section() {
  Section<NatsSection> section("Provider nats: NATS JetStream.");
  section
      .text("url", &NatsSection::url, any_text("an address such as nats://localhost:4222"),
            "Address of the server; several with commas.")
      .text("stream_name", &NatsSection::stream_name,
            letters("_-", 64, "a name of letters, digits and _ -"),
            "Prefix of all names on the server.")
      .choice<NatsStorage>("storage", &NatsSection::storage,
                           {{"file", NatsStorage::file}, {"memory", NatsStorage::memory}},
                           "Where the server keeps the stream.")
      .duration("max_age", &NatsSection::max_age, {milliseconds(1'000), hours(24 * 36'500)},
                "Older events are removed by the server.")
      .when_unset("no limit")
      .check([](NatsSection& nats, const Checker& checker) {
        if (nats.url.starts_with("nats://") || nats.url.starts_with("tls://")) return;
        checker.error("url", quote(mask_text(nats.url), 100) +
                                 " is not an address; it begins with nats:// or tls://");
      });
  return section;
}

Section<PostgresSection> postgres_section(std::string doc) {
  Section<PostgresSection> section(std::move(doc));
  section
      .text("url", &PostgresSection::url,
            any_text("an address such as postgres://localhost/events"),
            "Address of the database; required where it is the provider.")
      .text("table_name", &PostgresSection::table_name,
            letters("_", 40, "a name of letters, digits and _"),
            "Prefix of all names on the server.")
      .text("channel", &PostgresSection::channel,
            letters("_", 63, "a name of letters, digits and _"), "Channel of LISTEN and NOTIFY.")
      .duration("poll_interval", &PostgresSection::poll_interval, {milliseconds(1), hours(1)},
                "How often to look for what no NOTIFY announced.")
      .check([](PostgresSection& postgres, const Checker& checker) {
        const std::string& url = postgres.url;
        if (url.empty() || url.starts_with("postgres://") || url.starts_with("postgresql://"))
          return;
        checker.error("url", quote(mask_text(url), 100) +
                                 " is not an address; it begins with postgres:// or postgresql://");
      });
  return section;
}

constexpr std::array<std::pair<std::string_view, Provider>, 6> kProviders{
    {{"memory", Provider::memory},
     {"sqlite", Provider::sqlite},
     {"redis", Provider::redis},
     {"nats", Provider::nats},
     {"postgres", Provider::postgres},
     {"database", Provider::postgres}}};

void read_provider(const Node& node, BrokerSection& broker, const Place& place) {
  const std::optional<std::string> text =
      get_text(node, place, any_text("the name of a provider or an address"));
  if (!text) return;
  broker.provider_text = *text;
  if (looks_like_address(*text)) {
    if (std::string problem = apply_address(*text, broker); !problem.empty()) {
      place.error(std::move(problem));
    }
    return;
  }
  std::vector<std::string> names;
  names.reserve(kProviders.size());
  for (const auto& [name, provider] : kProviders) names.emplace_back(name);
  if (const std::optional<std::size_t> index = get_choice(node, place, names)) {
    broker.provider = kProviders[*index].second;
  }
}

// What an address says must not stand in the provider's section again.
void check_given_once(const BrokerSection& broker, const Checker& checker) {
  if (!looks_like_address(broker.provider_text)) return;
  constexpr std::array<std::pair<Provider, std::string_view>, 8> kInAddress{
      {{Provider::sqlite, "sqlite.path"},
       {Provider::redis, "redis.host"},
       {Provider::redis, "redis.port"},
       {Provider::redis, "redis.user"},
       {Provider::redis, "redis.password"},
       {Provider::redis, "redis.db"},
       {Provider::nats, "nats.url"},
       {Provider::postgres, "postgres.url"}}};
  for (const auto& [provider, key] : kInAddress) {
    if (provider != broker.provider || !checker.given(key)) continue;
    checker.error(key, "the address in provider says this already; give it in one place");
  }
}

void check_keep(const BrokerSection& broker, const Checker& checker) {
  if (!broker.keep) return;
  const Wildcards wildcards =
      broker.wildcards == WildcardKind::segments ? Wildcards::segments : Wildcards::glob;
  for (const std::string& text : *broker.keep) {
    try {
      (void)Pattern::parse(text, wildcards);
    } catch (const Error& error) {
      checker.error("keep", error.what());
    }
  }
}

void settle_postgres(BrokerSection& broker, const Checker& checker) {
  const bool as_database = broker.provider_text == "database";
  if (as_database && checker.given("postgres")) {
    checker.error("postgres",
                  "the provider is database, whose section is database:; rename this one");
    return;
  }
  if (as_database) broker.postgres = broker.database.value_or(PostgresSection{});
  if (broker.provider != Provider::postgres || !broker.postgres.url.empty()) return;
  const std::string section = as_database ? "database" : "postgres";
  checker.error(checker.given(section) ? section : std::string("provider"),
                "the provider " + broker.provider_text + " needs " + section +
                    ".url, such as postgres://localhost/events");
}

Section<BrokerSection> make_broker_section() {
  Section<BrokerSection> section("The bus and where it keeps events.");
  section
      .boolean("enabled", &BrokerSection::enabled,
               "false refuses every publish with the code disabled.")
      .custom({.path = "provider",
               .type = "name or address",
               .values = "memory, sqlite, redis, nats, postgres, database, or an address",
               .default_text = "memory",
               .doc = "Where events are kept."},
              read_provider)
      .choice<DeliveryMode>("mode", &BrokerSection::mode,
                            {{"sync", DeliveryMode::sync}, {"async", DeliveryMode::async}},
                            "Mode of subscriptions that do not say theirs.")
      .integer("worker_count", &BrokerSection::worker_count, {1, whole(limits::kWorkersMax)},
               "Threads that run asynchronous deliveries.")
      .when_unset("the cores, at least 2")
      .integer("buffer_size", &BrokerSection::buffer_size, {1, whole(limits::kQueueMax)},
               "Events that the queue of one subscription holds.")
      .text("instance_id", &BrokerSection::instance_id,
            {.bytes_min = 1, .bytes_max = 255, .letters = {}, .form = "a name"},
            "Name of this process, stamped on events that leave it.")
      .when_unset("the host's name")
      .choice<OverflowPolicy>("overflow", &BrokerSection::overflow,
                              {{"reject", OverflowPolicy::reject},
                               {"block", OverflowPolicy::block},
                               {"drop_oldest", OverflowPolicy::drop_oldest},
                               {"drop_newest", OverflowPolicy::drop_newest}},
                              "What happens to an event whose queue is full.")
      .integer("max_hops", &BrokerSection::max_hops, {1, whole(limits::kHopsMax)},
               "Events that may cause each other in a chain.")
      .choice<WildcardKind>("wildcards", &BrokerSection::wildcards,
                            {{"glob", WildcardKind::glob}, {"segments", WildcardKind::segments}},
                            "What a plain pattern with wildcards is.")
      .boolean("trace", &BrokerSection::trace,
               "true: an event that belongs to no trace begins one.")
      .texts("keep", &BrokerSection::keep, any_text("patterns of topics"),
             "Topics whose events the store keeps; the rest stays in this process.")
      .when_unset("all, with a store that lasts")
      .choice<DurabilityLevel>("durability", &BrokerSection::durability,
                               {{"memory", DurabilityLevel::memory},
                                {"process_crash", DurabilityLevel::process_crash},
                                {"power_loss", DurabilityLevel::power_loss}},
                               "What a kept event must survive at least.")
      .when_unset("what the provider does by itself")
      .duration("durable_expiry", &BrokerSection::durable_expiry, {minutes(1), hours(24 * 36'500)},
                "A durable name that nobody opens for so long is forgotten.")
      .when_unset("never")
      .size("compress_above", &BrokerSection::compress_above, {0, limits::kPayloadBytesMax},
            "Longer payloads are compressed by stores that can; 0: none.")
      .duration("store_timeout", &BrokerSection::store_timeout, {milliseconds(100), hours(1)},
                "How long one request to the store may wait.")
      .section("retention", &BrokerSection::retention, retention_section())
      .section("retry_policy", &BrokerSection::retry_policy, retry_section())
      .section("sqlite", &BrokerSection::sqlite, sqlite_section())
      .section("redis", &BrokerSection::redis, redis_section())
      .section("nats", &BrokerSection::nats, nats_section())
      .section("postgres", &BrokerSection::postgres,
               postgres_section("Provider postgres: PostgreSQL."))
      .section("database", &BrokerSection::database,
               postgres_section("Provider database: PostgreSQL, the keys of postgres."))
      .check([](BrokerSection& broker, const Checker& checker) {
        check_given_once(broker, checker);
        check_keep(broker, checker);
        settle_postgres(broker, checker);
      });
  return section;
}

}  // namespace

std::string_view to_string(Provider provider) noexcept {
  for (const auto& [name, known] : kProviders) {
    if (known == provider) return name;
  }
  return "memory";
}

const Section<BrokerSection>& broker_section() {
  static const Section<BrokerSection> section = make_broker_section();
  return section;
}

}  // namespace busway::config
