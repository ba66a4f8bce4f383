// Real programs.
#include "notifier/command.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <eventually.hpp>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <stop_token>
#include <string>
#include <temporary_folder.hpp>
#include <thread>
#include <vector>

namespace notifier {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::milliseconds kLong = 60s;  // only for tests that would otherwise hang

class NotifierCommand : public ::testing::Test {
 protected:
  void SetUp() override { block_sigpipe(); }

  std::optional<std::string> shell(const std::string& script, std::string_view input = "",
                                   std::chrono::milliseconds timeout = kLong) {
    return run_command({"/bin/sh", "-c", script, "sh", folder_.file("out")}, input, timeout,
                       stop_.get_token());
  }
  [[nodiscard]] std::string out() const {
    std::ifstream in(folder_.file("out"), std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
  }

  busway::TemporaryFolder folder_;
  std::stop_source stop_;
};

TEST_F(NotifierCommand, GetsTheTextOnItsStandardInput) {
  EXPECT_EQ(shell("cat > \"$1\"", "one\ntwo\n"), std::nullopt);
  EXPECT_EQ(out(), "one\ntwo\n");
}

TEST_F(NotifierCommand, GetsMoreThanAPipeHolds) {
  const std::string text(5'000'000, 'x');
  EXPECT_EQ(shell("cat > \"$1\"", text), std::nullopt);
  EXPECT_EQ(out(), text);
}

TEST_F(NotifierCommand, ThatReadsNothingAndEndsWellHasDoneWell) {
  EXPECT_EQ(shell("exit 0", std::string(5'000'000, 'x')), std::nullopt);
  EXPECT_EQ(shell("exec < /dev/null; sleep 0.01; exit 0", std::string(5'000'000, 'x')),
            std::nullopt);
}

TEST_F(NotifierCommand, ThatIsMissingIsNamed) {
  EXPECT_EQ(run_command({"/no/such/program"}, "", kLong, {}),
            "the command /no/such/program cannot be started: No such file or directory");
  EXPECT_EQ(run_command({"/etc/passwd"}, "", kLong, {}),
            "the command /etc/passwd cannot be started: Permission denied");
}

TEST_F(NotifierCommand, ThatFailsSaysHow) {
  EXPECT_EQ(shell("exit 3"), "the command /bin/sh ended with code 3");
  EXPECT_EQ(shell("kill -SEGV $$"), "the command /bin/sh was ended by signal SIGSEGV");
}

TEST_F(NotifierCommand, ThatHangsIsKilledWithAllItHasStarted) {
  EXPECT_EQ(shell("sleep 1000 & echo $! > \"$1\"; wait", "", 200ms),
            "the command /bin/sh took longer than 200ms and was killed");
  int child = 0;
  std::istringstream(out()) >> child;
  if (child == 0) return;  // killed before it had begun
  // Nobody has waited for it yet where this process is not its next of kin.
  EXPECT_TRUE(busway::eventually([&] {
    std::ifstream stat("/proc/" + std::to_string(child) + "/stat");
    std::string words;
    return !std::getline(stat, words) || words.find(") Z") != std::string::npos;
  }));
}

TEST_F(NotifierCommand, ThatReadsNothingForEverIsKilledToo) {
  EXPECT_EQ(shell("sleep 1000", std::string(5'000'000, 'x'), 100ms),
            "the command /bin/sh took longer than 100ms and was killed");
}

TEST_F(NotifierCommand, IsKilledWhenThePluginStops) {
  std::jthread stopper([this] {
    EXPECT_TRUE(busway::eventually([this] { return !out().empty(); }));
    stop_.request_stop();
  });
  EXPECT_EQ(shell("echo begun > \"$1\"; sleep 1000"),
            "the command /bin/sh was killed, for the plugin had to stop");
}

TEST_F(NotifierCommand, InheritsNoFileOfTheHost) {
  const int left_open = ::open("/dev/null", O_RDONLY);  // by somebody who forgot O_CLOEXEC
  ASSERT_GE(left_open, 0);
  EXPECT_EQ(shell("for fd in /proc/$$/fd/*; do readlink $fd; done > \"$1\"; true"), std::nullopt);
  ::close(left_open);
  std::istringstream lines(out());
  std::size_t files = 0;
  for (std::string line; std::getline(lines, line);) files += line.empty() ? 0U : 1U;
  // Its standard ones; the shell may hold the file that it writes to a second time.
  EXPECT_LE(files, 4U) << out();
  EXPECT_GE(files, 3U) << out();
}

TEST_F(NotifierCommand, HasTheUsualSignals) {
  EXPECT_EQ(shell("kill -PIPE $$; echo still here"),
            "the command /bin/sh was ended by signal SIGPIPE");
}

}  // namespace
}  // namespace notifier
