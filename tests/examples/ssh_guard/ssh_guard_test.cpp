// The example ssh_guard on its own log: what it finds agrees with what grep counts.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <environment.hpp>
#include <fstream>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <temporary_folder.hpp>
#include <vector>

#include <test_paths.hpp>
#include "busway/host.hpp"

namespace busway {
namespace {

using namespace std::chrono_literals;

constexpr const char* kFolder = BUSWAY_SOURCE_DIR "/examples/ssh_guard";

/// What a command of the shell writes.
std::string output_of(const std::string& command) {
  std::FILE* const pipe = ::popen(command.c_str(), "re");
  if (pipe == nullptr) return {};
  std::string text;
  std::array<char, 4096> buffer{};
  while (const std::size_t got = std::fread(buffer.data(), 1, buffer.size(), pipe)) {
    text.append(buffer.data(), got);
  }
  EXPECT_EQ(::pclose(pipe), 0) << command;
  return text;
}

/// Lines of failed logins by address.
std::map<std::string, int> count_by_grep(const std::string& log) {
  std::istringstream counted(
      output_of("grep 'Failed password for' '" + log +
                "' | grep -oE 'from [0-9a-f.:]+ port [0-9]+ ssh2\\]?$' | cut -d' ' -f2 | sort | "
                "uniq -c"));
  std::map<std::string, int> out;
  int count = 0;
  for (std::string address; counted >> count >> address;) out[address] = count;
  return out;
}

class SshGuard : public ::testing::Test {
 protected:
  SshGuard() : folder_variable_("BUSWAY_EXAMPLE_DIR", folder_.path().string()) {
    Host host =
        initialize(std::string(kFolder) + "/ssh_guard.yaml",
                   {.plugin_folders = {BUSWAY_BINARY_DIR "/plugins"},
                    .default_bus = DefaultBus::leave,
                    .log = [this](LogLevel, std::string_view message, std::span<const LogField>) {
                      if (!message.starts_with("notice: ")) return;
                      const std::lock_guard lock(mutex_);
                      notices_.emplace_back(message);
                    }});
    EXPECT_TRUE(host.wait_until_idle(60s));
    EXPECT_TRUE(host.stop().ok());
    std::ifstream in(folder_.file("audit.jsonl"));
    for (std::string line; std::getline(in, line);) kept_.push_back(Json::parse(line));
  }

  [[nodiscard]] std::vector<Json> kept(const std::string& topic) const {
    std::vector<Json> found;
    for (const Json& one : kept_) {
      if (one.at("topic") == topic) found.push_back(one.at("data"));
    }
    return found;
  }

  TemporaryFolder folder_;
  EnvironmentVariable folder_variable_;
  std::vector<Json> kept_;
  std::mutex mutex_;  // guards what follows, while the host runs
  std::vector<std::string> notices_;
};

TEST_F(SshGuard, FindsAsManyFailedLoginsOfEachAddressAsGrep) {
  std::map<std::string, int> found;
  for (const Json& one : kept("user.login_failed")) {
    ++found[one.at("address").get<std::string>()];
  }
  EXPECT_EQ(found, count_by_grep(std::string(kFolder) + "/auth.log"));
  EXPECT_GE(found.size(), 6U);
}

TEST_F(SshGuard, TellsWhoFailedWhenAndHowOften) {
  Json folded;
  Json disguised;
  for (const Json& one : kept("user.login_failed")) {
    if (one.contains("repeated")) folded = one;
    if (one.at("user_id").get<std::string>().find(" from ") != std::string::npos) disguised = one;
  }
  EXPECT_TRUE(folded.at("time").get<std::string>().ends_with("-01-05T06:44:23Z")) << folded;
  folded.erase("time");
  EXPECT_EQ(folded, (Json{{"user_id", "root"},
                          {"address", "198.51.100.77"},
                          {"port", 42393},
                          {"repeated", 5},
                          {"service", "ssh"}}));
  EXPECT_EQ(disguised.at("address"), "203.0.113.50");
  EXPECT_EQ(disguised.at("user_id"), "root from 192.0.2.10 port 22 ssh2");
}

TEST_F(SshGuard, FindsTheBreakInAttemptsAndLetsSlowHandsBe) {
  std::vector<std::string> found;
  for (const Json& one : kept("auth.suspicious")) {
    found.push_back(one.at("reason").get<std::string>() + " " +
                    one.at("user_id").get<std::string>() + " " +
                    one.at("address").get<std::string>());
  }
  EXPECT_EQ(found, (std::vector<std::string>{"too_many_failures ubnt 203.0.113.9",
                                             "too_many_failures root 198.51.100.77",
                                             "success_after_failures carol 2001:db8:bad::1",
                                             "new_address carol 2001:db8:bad::1"}));
}

TEST_F(SshGuard, TellsOfEachAddressOnce) {
  std::sort(notices_.begin(), notices_.end());
  ASSERT_EQ(notices_.size(), 3U);
  const std::string from = "notice: auth.suspicious from auth-guard, ";
  EXPECT_EQ(notices_[0], from + "198.51.100.77: too_many_failures");
  EXPECT_TRUE(notices_[1].starts_with(from + "2001:db8:bad::1: new_address (2 times"))
      << notices_[1];
  EXPECT_EQ(notices_[2], from + "203.0.113.9: too_many_failures");
}

TEST_F(SshGuard, TheRepeatsThatItTellsAreAsManyAsTheLogHolds) {
  // What syslog folded: the event counts for as many as the line says.
  int failures = 0;
  for (const Json& one : kept("user.login_failed")) failures += one.value("repeated", 1);
  std::istringstream counted(
      output_of("grep 'Failed password for' '" + std::string(kFolder) +
                "/auth.log' | sed -nE 's/.*message repeated ([0-9]+) times.*/\\1/p;t;s/.*/1/p' | "
                "awk '{all += $1} END {print all}'"));
  int by_shell = 0;
  counted >> by_shell;
  EXPECT_EQ(failures, by_shell);
  EXPECT_GT(failures, static_cast<int>(kept("user.login_failed").size()));

  // What the notifier folded: each notice counts for as many as it says.
  std::size_t noticed = 0;
  for (const std::string& notice : notices_) {
    const std::size_t times = notice.find(" times");
    const std::size_t open = notice.rfind('(', times);
    noticed += times == std::string::npos ? 1 : std::stoul(notice.substr(open + 1));
  }
  EXPECT_EQ(noticed, kept("auth.suspicious").size());
  EXPECT_GT(noticed, notices_.size());
}

TEST_F(SshGuard, KeepsLoginsAndLogoutsToo) {
  EXPECT_EQ(kept("user.login").size(), 4U);
  EXPECT_EQ(kept("user.logout").size(), 3U);
  EXPECT_EQ(kept_.size(), kept("user.login").size() + kept("user.logout").size() +
                              kept("user.login_failed").size() + kept("auth.suspicious").size());
}

}  // namespace
}  // namespace busway
