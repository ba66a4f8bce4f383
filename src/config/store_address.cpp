#include "config/store_address.hpp"

#include <array>
#include <charconv>
#include <optional>
#include <vector>

#include "base/escape.hpp"
#include "config/scalar.hpp"
#include "config/secrets.hpp"
#include "config/value.hpp"

namespace busway::config {
namespace {

constexpr std::string_view kForms =
    "memory:, sqlite:PATH, redis://HOST:PORT/DB, nats://HOST:PORT or postgres://HOST/DATABASE";

std::optional<unsigned> hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a') + 10U;
  if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A') + 10U;
  return std::nullopt;
}

// %40 is @; nothing when a % is not followed by two hexadecimal digits, or for %00.
std::optional<std::string> decoded(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      result += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const std::optional<unsigned> high = hex_digit(text[i + 1]);
    const std::optional<unsigned> low = hex_digit(text[i + 2]);
    if (!high || !low || *high * 16U + *low == 0) return std::nullopt;
    result += static_cast<char>(*high * 16U + *low);
    i += 2;
  }
  return result;
}

// [user[:password]@]
std::string apply_user(std::string_view text, RedisSection& redis) {
  const std::size_t colon = text.find(':');
  std::optional<std::string> user = decoded(text.substr(0, colon));
  std::optional<std::string> password =
      colon == std::string_view::npos ? std::string() : decoded(text.substr(colon + 1));
  if (!user || !password) {
    return "the user or the password holds a % that is not followed by two hexadecimal digits; "
           "write %25";
  }
  redis.user = std::move(*user);
  redis.password = std::move(*password);
  return {};
}

// HOST, HOST:PORT or [IPV6]:PORT
std::string apply_host(std::string_view text, RedisSection& redis) {
  std::string_view host = text;
  std::string_view port;
  bool has_port = false;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return "the [ of the host is not closed by ]";
    host = text.substr(1, end - 1);
    const std::string_view rest = text.substr(end + 1);
    has_port = rest.starts_with(':');
    if (!rest.empty() && !has_port) return "after ] only :PORT may follow";
    if (has_port) port = rest.substr(1);
  } else if (const std::size_t colon = text.find(':'); colon != std::string_view::npos) {
    host = text.substr(0, colon);
    port = text.substr(colon + 1);
    has_port = true;
  }
  if (host.empty()) return "the host is missing; write redis://HOST:PORT/DB";
  redis.host = std::string(host);
  if (!has_port) return {};
  Reading<std::int64_t> number = read_integer(port, 1, 65'535);
  if (!number.value) return "the port: " + number.problem;
  redis.port = static_cast<std::uint16_t>(*number.value);
  return {};
}

// [USER:PASSWORD@]HOST[:PORT][/DB], what follows redis://
std::string apply_redis(std::string_view rest, RedisSection& redis) {
  if (rest.find_first_of("?#") != std::string_view::npos) {
    return "a redis address takes no ? or # part; in a password write %3F or %23";
  }
  // The last @ of all: what stands before it is never taken for a host and shown.
  const std::size_t at = rest.rfind('@');
  if (at != std::string_view::npos) {
    const std::string_view user = rest.substr(0, at);
    if (user.find('/') != std::string_view::npos) {
      return "the user or the password holds a /; write %2F";
    }
    if (std::string problem = apply_user(user, redis); !problem.empty()) return problem;
    rest.remove_prefix(at + 1);
  }
  const std::size_t slash = rest.find('/');
  const std::string_view host = rest.substr(0, slash);
  if (std::string problem = apply_host(host, redis); !problem.empty()) return problem;
  if (slash == std::string_view::npos || slash + 1 == rest.size()) return {};
  Reading<std::int64_t> number = read_integer(rest.substr(slash + 1), 0, kRedisDbMax);
  if (!number.value) return "the database: " + number.problem;
  redis.db = static_cast<std::uint32_t>(*number.value);
  return {};
}

std::string apply_sqlite(std::string_view rest, SqliteSection& sqlite) {
  if (rest.empty()) return "the path is missing; write sqlite:PATH";
  if (rest.starts_with("//")) return "write sqlite:PATH, without //";
  sqlite.path = std::string(rest);
  return {};
}

std::string apply_memory(std::string_view rest) {
  return rest.empty() ? std::string() : "nothing follows memory:";
}

std::string apply_url(std::string_view address, std::string_view rest, std::string& url) {
  if (!rest.starts_with("//") || rest.size() == 2) return "the host is missing after ://";
  url = std::string(address);
  return {};
}

}  // namespace

bool looks_like_address(std::string_view text) noexcept {
  return text.find(':') != std::string_view::npos;
}

std::string apply_address(std::string_view address, BrokerSection& broker) {
  const std::size_t colon = address.find(':');
  const std::string_view scheme = address.substr(0, colon);
  const std::string_view rest =
      colon == std::string_view::npos ? std::string_view() : address.substr(colon + 1);
  if (scheme == "memory") {
    broker.provider = Provider::memory;
    return apply_memory(rest);
  }
  if (scheme == "sqlite") {
    broker.provider = Provider::sqlite;
    return apply_sqlite(rest, broker.sqlite);
  }
  if (scheme == "redis") {
    broker.provider = Provider::redis;
    return rest.starts_with("//") ? apply_redis(rest.substr(2), broker.redis)
                                  : "write redis://HOST:PORT/DB, with //";
  }
  if (scheme == "nats") {
    broker.provider = Provider::nats;
    return apply_url(address, rest, broker.nats.url);
  }
  if (scheme == "postgres" || scheme == "postgresql") {
    broker.provider = Provider::postgres;
    return apply_url(address, rest, broker.postgres.url);
  }
  const std::vector<std::string> known{"memory", "sqlite", "redis", "nats", "postgres"};
  return quote(scheme, 60) + " is no provider" + suggestion(scheme, known) + " An address is " +
         std::string(kForms);
}

}  // namespace busway::config
