#include "../../../plugins/audit-log/settings.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

namespace audit_log {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

TEST(AuditSettings, EachKeyHasADefault) {
  const Settings settings = read_settings(json::object());
  EXPECT_EQ(settings.path, "audit.jsonl");
  EXPECT_EQ(settings.topics,
            (std::vector<std::string>{"user.login", "user.logout", "data.created", "data.updated",
                                      "data.deleted", "plugin.loaded", "plugin.started",
                                      "plugin.running"}));
  EXPECT_EQ(settings.rotate_size, 64 << 20);
  EXPECT_EQ(settings.keep, 0);
  EXPECT_EQ(settings.fsync, Fsync::always);
  EXPECT_EQ(settings.timeout, 15s);
  EXPECT_EQ(settings.retries, 100'000);
}

TEST(AuditSettings, EachKeyIsRead) {
  const Settings settings = read_settings({{"path", "a.jsonl"},
                                           {"topics", {"a.*", "b"}},
                                           {"secret_keys", "pin"},
                                           {"rotate_size", "1MiB"},
                                           {"keep", 7},
                                           {"fsync", "interval"},
                                           {"fsync_interval", "250ms"},
                                           {"timeout", "2s"},
                                           {"queue", 16},
                                           {"retries", 0},
                                           {"retry_delay", "5ms"}});
  EXPECT_EQ(settings.path, "a.jsonl");
  EXPECT_EQ(settings.topics, (std::vector<std::string>{"a.*", "b"}));
  EXPECT_EQ(settings.secret_keys, std::vector<std::string>{"pin"});
  EXPECT_EQ(settings.rotate_size, 1 << 20);
  EXPECT_EQ(settings.keep, 7);
  EXPECT_EQ(settings.fsync, Fsync::interval);
  EXPECT_EQ(settings.fsync_interval, 250ms);
  EXPECT_EQ(settings.timeout, 2s);
  EXPECT_EQ(settings.queue, 16);
  EXPECT_EQ(settings.retries, 0);
  EXPECT_EQ(settings.retry_delay, 5ms);
}

TEST(AuditSettings, RefusalsSayWhatWouldBeRight) {
  const auto refusal = [](const json& config) -> std::string {
    try {
      (void)read_settings(config);
    } catch (const std::invalid_argument& error) {
      return error.what();
    }
    return "accepted";
  };
  EXPECT_EQ(refusal({{"fsync", "sometimes"}}),
            "fsync: always, interval or never is wanted, not \"sometimes\"");
  EXPECT_EQ(refusal({{"rotate_size", "10B"}}),
            "rotate_size: a size such as 512B, 64KiB, 1MiB or 1GiB, from 1KiB to 1024GiB, is "
            "wanted, not \"10B\"");
  EXPECT_EQ(refusal({{"topic", "a"}}),
            "unknown key \"topic\"; the audit-log knows fsync, fsync_interval, keep, path, queue, "
            "retries, retry_delay, rotate_size, secret_keys, timeout and topics");
}

}  // namespace
}  // namespace audit_log
