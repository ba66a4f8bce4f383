// Programs that run as children: how they end, what they are given, and that none is left behind.
#include "platform/child_process.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <temporary_folder.hpp>

namespace busway::platform_detail {
namespace {

using Time = std::chrono::steady_clock::time_point;
using Handed = ChildProcess::Handed;

constexpr Time kNever = Time::max();

Time now() { return std::chrono::steady_clock::now(); }

ChildProcess sh(const std::string& script, const std::vector<Handed>& handed = {},
                std::vector<std::string> arguments = {}) {
  arguments.insert(arguments.begin(), {"-c", script, "sh"});
  return ChildProcess::start("/bin/sh", arguments, handed);
}

struct Pipe {
  Pipe() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0)
      throw std::system_error(errno, std::system_category());
    from = Descriptor(ends[0]);
    to = Descriptor(ends[1]);
  }
  /// All that is written until nobody has the other end any more, the child included.
  std::string read_all() {
    to = Descriptor();
    std::string text;
    std::array<char, 256> some{};
    for (ssize_t got = 0; (got = ::read(from.get(), some.data(), some.size())) > 0;)
      text.append(some.data(), static_cast<std::size_t>(got));
    return text;
  }
  /// Something is written.
  [[nodiscard]] bool has_line() const {
    pollfd ready{from.get(), POLLIN, 0};
    std::array<char, 256> some{};
    return ::poll(&ready, 1, 60'000) == 1 && ::read(from.get(), some.data(), some.size()) > 0;
  }
  /// Nobody has the other end any more.
  [[nodiscard]] bool is_let_go() const {
    pollfd ready{from.get(), 0, 0};
    return ::poll(&ready, 1, 60'000) == 1 && (ready.revents & POLLHUP) != 0;
  }
  Descriptor from;
  Descriptor to;
};

/// A child that is gone and was not waited for would be found.
bool has_children() {
  siginfo_t info{};
  return ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 || errno != ECHILD;
}

class ChildProcessTest : public ::testing::Test {
 protected:
  void TearDown() override { EXPECT_FALSE(has_children()) << "one was left behind"; }
};

TEST_F(ChildProcessTest, EndsWithTheCodeThatItReturns) {
  for (const int code : {0, 1, 3, 255}) {
    ChildProcess child = sh("exit " + std::to_string(code));
    const std::optional<ProcessEnd> end = child.wait(kNever);
    ASSERT_TRUE(end);
    EXPECT_EQ(end->signal, 0);
    EXPECT_EQ(end->code, code);
    EXPECT_EQ(to_words(*end), "ended with code " + std::to_string(code));
    EXPECT_EQ(child.wait(now())->code, code) << "it is known from then on";
  }
}

TEST_F(ChildProcessTest, TellsBySignalsNameWhatKilledIt) {
  const std::array killed{std::pair{SIGSEGV, "SIGSEGV"}, std::pair{SIGKILL, "SIGKILL"},
                          std::pair{SIGABRT, "SIGABRT"}, std::pair{SIGTERM, "SIGTERM"},
                          std::pair{40, "signal 40"}};
  for (const auto& [signal, words] : killed) {
    ChildProcess child = sh("ulimit -c 0; kill -" + std::to_string(signal) + " $$");
    const std::optional<ProcessEnd> end = child.wait(kNever);
    ASSERT_TRUE(end);
    EXPECT_EQ(end->signal, signal);
    EXPECT_EQ(end->code, 0);
    EXPECT_EQ(to_words(*end), std::string("was killed by ") + words);
  }
}

TEST_F(ChildProcessTest, HasNoEndAtADeadlineBeforeIt) {
  Pipe hold;
  ChildProcess child = sh("read line <&4; exit 9", {{hold.from.get(), 4}});
  EXPECT_FALSE(child.wait(Time::min()));
  EXPECT_FALSE(child.wait(now()));
  EXPECT_FALSE(child.wait(now() + std::chrono::milliseconds(5)));
  pollfd ended{child.descriptor(), POLLIN, 0};
  EXPECT_EQ(::poll(&ended, 1, 0), 0);
  hold.to = Descriptor();
  EXPECT_EQ(::poll(&ended, 1, 60'000), 1) << "it can be waited for with others";
  EXPECT_EQ(child.wait(now())->code, 9);
}

TEST_F(ChildProcessTest, CanBeKilledByAnotherThreadThanTheOneThatWaits) {
  ChildProcess child = sh("exec sleep 600");
  std::optional<ProcessEnd> end;
  std::thread waiter([&] { end = child.wait(kNever); });
  child.kill();
  waiter.join();
  ASSERT_TRUE(end);
  EXPECT_EQ(end->signal, SIGKILL);
  child.kill();  // nothing, and nobody else
  EXPECT_EQ(child.wait(now())->signal, SIGKILL);
}

TEST_F(ChildProcessTest, NamesAProgramThatCannotBeStarted) {
  const TemporaryFolder folder;
  std::ofstream(folder.file("text")) << "neither a program nor to be run\n";
  const std::array wrong{
      std::pair{folder.file("none"), ENOENT}, std::pair{folder.file("text"), EACCES},
      std::pair{folder.path().string(), EACCES}, std::pair{std::string(), ENOENT}};
  for (const auto& [program, code] : wrong) {
    try {
      (void)ChildProcess::start(program, {}, {});
      ADD_FAILURE() << program << " was started";
    } catch (const std::system_error& error) {
      EXPECT_EQ(error.code().value(), code) << error.what();
      EXPECT_NE(std::string(error.what()).find("cannot start " + program), std::string::npos);
    }
  }
}

TEST_F(ChildProcessTest, IsNotStartedWithADescriptorThatIsNone) {
  int closed = -1;
  {
    const Pipe pipe;
    closed = pipe.to.get();
  }
  try {
    (void)sh("exit 0", {{closed, 4}});
    ADD_FAILURE();
  } catch (const std::system_error& error) {
    EXPECT_EQ(error.code().value(), EBADF);
  }
}

TEST_F(ChildProcessTest, GetsWhatItIsHandedUnderTheNumbersGiven) {
  // Each of them under the other's number, so that putting one in place must not take the other.
  Pipe first;
  Pipe second;
  const int one = first.to.get();
  const int two = second.to.get();
  ASSERT_LT(std::max(one, two), 64);
  ChildProcess child = sh("echo first >/proc/self/fd/$1; echo second >/proc/self/fd/$2",
                          {{one, two}, {two, one}}, {std::to_string(two), std::to_string(one)});
  EXPECT_EQ(first.read_all(), "first\n");
  EXPECT_EQ(second.read_all(), "second\n");
  EXPECT_EQ(child.wait(kNever)->code, 0);
}

TEST_F(ChildProcessTest, GetsOneDescriptorUnderItsOwnNumberAndUnderTwo) {
  Pipe pipe;
  const int own = pipe.to.get();
  ChildProcess child = sh("for n in $*; do echo $n >/proc/self/fd/$n; done",
                          {{own, own}, {own, 40}, {own, 63}}, {std::to_string(own), "40", "63"});
  EXPECT_EQ(pipe.read_all(), std::to_string(own) + "\n40\n63\n");
  EXPECT_EQ(child.wait(kNever)->code, 0);
}

TEST_F(ChildProcessTest, GetsNoOtherDescriptorOfTheHost) {
  Pipe words;
  // As libraries open them that know nothing of children: low ones, and one far up.
  const Descriptor low(::open("/dev/null", O_RDONLY));  // NOLINT: without O_CLOEXEC
  const Descriptor high(::fcntl(low.get(), F_DUPFD, 700));
  const Descriptor above(::fcntl(low.get(), F_DUPFD, words.to.get() + 1));
  ASSERT_TRUE(low.valid() && high.valid() && above.valid());
  ChildProcess child =
      sh("n=3; while [ $n -lt 1100 ]; do [ -e /proc/self/fd/$n ] && echo $n >&8; n=$((n+1)); done",
         {{words.to.get(), 8}, {words.from.get(), 5}});
  EXPECT_EQ(words.read_all(), "5\n8\n");
  EXPECT_EQ(child.wait(kNever)->code, 0);
}

TEST_F(ChildProcessTest, BeginsWithNoSignalBlockedOrIgnored) {
  sigset_t blocked;
  sigset_t before;
  ::sigemptyset(&blocked);
  for (const int one : {SIGTERM, SIGUSR1, SIGCHLD}) ::sigaddset(&blocked, one);
  ASSERT_EQ(::pthread_sigmask(SIG_BLOCK, &blocked, &before), 0);
  const auto usr2 = ::signal(SIGUSR2, SIG_IGN);
  const auto pipe = ::signal(SIGPIPE, SIG_IGN);
  Pipe words;
  ChildProcess child =
      sh("while read name value; do case $name in SigBlk:|SigIgn:) echo $name $value;; esac; done "
         "</proc/self/status >&4",
         {{words.to.get(), 4}});
  std::istringstream said(words.read_all());
  std::string name;
  std::uint64_t signals = 0;
  ASSERT_TRUE(said >> name >> std::hex >> signals);
  EXPECT_EQ(name, "SigBlk:");
  EXPECT_EQ(signals, 0U);
  ASSERT_TRUE(said >> name >> std::hex >> signals);
  EXPECT_EQ(name, "SigIgn:");
  constexpr std::uint64_t kOfTheCLibrary = 0x180000000;  // 32 and 33, which it uses itself
  EXPECT_EQ(signals & ~kOfTheCLibrary, 0U);
  EXPECT_EQ(child.wait(kNever)->code, 0);
  (void)::signal(SIGUSR2, usr2);
  (void)::signal(SIGPIPE, pipe);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

TEST_F(ChildProcessTest, IsKilledAndCollectedByItsDestructor) {
  pid_t running = -1;
  pid_t ended = -1;
  {
    const ChildProcess one = sh("exec sleep 600");
    running = one.id();
    const ChildProcess other = sh("exit 4");
    ended = other.id();
    pollfd end{other.descriptor(), POLLIN, 0};
    ASSERT_EQ(::poll(&end, 1, 60'000), 1);  // and nobody waits for it
    EXPECT_TRUE(has_children());
  }
  EXPECT_FALSE(has_children());
  EXPECT_EQ(::waitpid(running, nullptr, WNOHANG), -1);
  EXPECT_EQ(::waitpid(ended, nullptr, WNOHANG), -1);
}

TEST_F(ChildProcessTest, IsTheFirstOfAGroupOfItsOwnInTheSessionOfTheHost) {
  const ChildProcess child = sh("exec sleep 600");
  EXPECT_EQ(::getpgid(child.id()), child.id());
  EXPECT_EQ(::getsid(child.id()), ::getsid(0));
}

TEST_F(ChildProcessTest, TakesWhatItHasStartedWithItHoweverItEnds) {
  for (const char* end : {"exit 3", "kill -SEGV $$", "kill -KILL $$", "wait"}) {
    SCOPED_TRACE(end);
    Pipe held;  // by the one that it starts, too
    ChildProcess child =
        sh("ulimit -c 0; sleep 600 & echo started >&4; " + std::string(end), {{held.to.get(), 4}});
    held.to = Descriptor();
    ASSERT_TRUE(held.has_line());
    if (end == std::string_view("wait")) child.kill();
    EXPECT_TRUE(child.wait(kNever));
    EXPECT_TRUE(held.is_let_go());
  }
}

TEST_F(ChildProcessTest, TakesWhatItHasStartedWithItWhenItIsForgotten) {
  for (const char* end : {"exit 3", "wait"}) {
    SCOPED_TRACE(end);
    Pipe held;
    {
      const ChildProcess child =
          sh("sleep 600 & echo started >&4; " + std::string(end), {{held.to.get(), 4}});
      held.to = Descriptor();
      ASSERT_TRUE(held.has_line());
    }
    EXPECT_TRUE(held.is_let_go());
  }
}

TEST_F(ChildProcessTest, IsKilledWithWhatItHasStartedWhereTheHostCollectsAllChildren) {
  const auto before = ::signal(SIGCHLD, SIG_IGN);
  Pipe held;
  ChildProcess child = sh("sleep 600 & echo started >&4; wait", {{held.to.get(), 4}});
  held.to = Descriptor();
  EXPECT_TRUE(held.has_line());
  child.kill();
  EXPECT_TRUE(child.wait(kNever));
  EXPECT_TRUE(held.is_let_go());
  (void)::signal(SIGCHLD, before);
}

TEST_F(ChildProcessTest, GoesOnInTheOneThatItIsMovedTo) {
  Pipe hold;
  std::optional<ChildProcess> first(sh("read line <&4; exit 5", {{hold.from.get(), 4}}));
  const pid_t id = first->id();
  ChildProcess second = std::move(*first);
  first.reset();  // kills nobody
  EXPECT_EQ(second.id(), id);
  hold.to = Descriptor();
  EXPECT_EQ(second.wait(kNever)->code, 5);
}

TEST_F(ChildProcessTest, EndsWithNothingKnownWhereTheHostCollectsAllChildren) {
  const auto before = ::signal(SIGCHLD, SIG_IGN);
  ChildProcess child = sh("exit 3");
  const std::optional<ProcessEnd> end = child.wait(kNever);
  ASSERT_TRUE(end);
  EXPECT_EQ(end->code, 0);
  EXPECT_EQ(end->signal, 0);
  (void)::signal(SIGCHLD, before);
}

TEST_F(ChildProcessTest, ManyAreStartedByManyThreadsAtOnce) {
  constexpr int kThreads = 6;
  constexpr int kEach = 15;
  std::array<std::string, kThreads> wrong;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&wrong, thread] {
      for (int i = 0; i < kEach; ++i) {
        Pipe words;
        const int code = (thread * kEach + i) % 200;
        ChildProcess child =
            sh("echo $1 >&4; exit $1", {{words.to.get(), 4}}, {std::to_string(code)});
        // Ends only when no child of another thread has got hold of the pipe.
        if (words.read_all() != std::to_string(code) + "\n" || child.wait(kNever)->code != code)
          wrong[static_cast<std::size_t>(thread)] += std::to_string(code) + " ";
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::string& one : wrong) EXPECT_EQ(one, "");
}

}  // namespace
}  // namespace busway::platform_detail
