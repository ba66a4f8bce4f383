#include "platform/child_process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <mutex>
#include <system_error>
#include <utility>

namespace busway::platform_detail {
namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void fail(int error, const std::string& what) {
  throw std::system_error(error, std::system_category(), what);
}

struct SpawnActions {
  SpawnActions() { ::posix_spawn_file_actions_init(&actions); }
  SpawnActions(const SpawnActions&) = delete;
  SpawnActions& operator=(const SpawnActions&) = delete;
  ~SpawnActions() { ::posix_spawn_file_actions_destroy(&actions); }
  posix_spawn_file_actions_t actions{};
};

/// A child begins with no signal blocked and none ignored, whatever the host does with its own, and
/// in a group of its own. Not in a session: the scheduler shares a busy machine among sessions, and
/// calls between host and child then take several times as long.
struct SpawnAttributes {
  SpawnAttributes() {
    ::posix_spawnattr_init(&attributes);
    sigset_t none;
    sigset_t all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    ::posix_spawnattr_setsigdefault(&attributes, &all);
    ::posix_spawnattr_setflags(
        &attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  }
  SpawnAttributes(const SpawnAttributes&) = delete;
  SpawnAttributes& operator=(const SpawnAttributes&) = delete;
  ~SpawnAttributes() { ::posix_spawnattr_destroy(&attributes); }
  posix_spawnattr_t attributes{};
};

[[nodiscard]] int milliseconds_until(Clock::time_point deadline) {
  using std::chrono::milliseconds;
  constexpr milliseconds kLongest = std::chrono::hours(1);
  const Clock::time_point now = Clock::now();
  if (deadline <= now) return 0;
  const auto left = deadline - now;
  if (left >= kLongest) return static_cast<int>(kLongest.count());
  return static_cast<int>(std::chrono::ceil<milliseconds>(left).count());
}

}  // namespace

std::string to_words(const ProcessEnd& end) {
  if (end.signal == 0) return "ended with code " + std::to_string(end.code);
  const char* const name = ::sigabbrev_np(end.signal);
  return "was killed by " +
         (name != nullptr ? "SIG" + std::string(name) : "signal " + std::to_string(end.signal));
}

ChildProcess ChildProcess::start(const std::string& program,
                                 const std::vector<std::string>& arguments,
                                 const std::vector<Handed>& handed) {
  SpawnActions actions;
  // Copies above those that the child gets: none is overwritten while they are put in place.
  int first_free = 3;
  for (const Handed& one : handed) first_free = std::max(first_free, one.as + 1);
  std::vector<Descriptor> copies;
  for (const Handed& one : handed) {
    copies.emplace_back(::fcntl(one.descriptor, F_DUPFD_CLOEXEC, first_free));
    if (!copies.back().valid()) fail(errno, "cannot hand a descriptor to " + program);
    ::posix_spawn_file_actions_adddup2(&actions.actions, copies.back().get(), one.as);
  }
  for (int number = STDERR_FILENO + 1; number < first_free; ++number) {
    if (std::none_of(handed.begin(), handed.end(),
                     [&](const Handed& one) { return one.as == number; })) {
      ::posix_spawn_file_actions_addclose(&actions.actions, number);
    }
  }
  // Also what some library of the host has opened without O_CLOEXEC.
  ::posix_spawn_file_actions_addclosefrom_np(&actions.actions, first_free);
  std::vector<std::string> words{program};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);

  const SpawnAttributes attributes;
  pid_t pid = -1;
  const int error = ::posix_spawn(&pid, program.c_str(), &actions.actions, &attributes.attributes,
                                  argv.data(), environ);
  if (error != 0) fail(error, "cannot start " + program);
  // Not collected yet, so the number is still its own.
  Descriptor pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!pidfd.valid()) {
    const int why = errno;
    if (why == ESRCH) {
      // It has ended, and somebody collects all children: what is readable from the first.
      ChildProcess gone(pid, Descriptor(::eventfd(1, EFD_CLOEXEC)));
      gone.end_ = ProcessEnd{};
      gone.collected_ = true;
      return gone;
    }
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    fail(why, "cannot watch " + program);
  }
  return {pid, std::move(pidfd)};
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      pidfd_(std::move(other.pidfd_)),
      end_(std::exchange(other.end_, std::nullopt)),
      collected_(other.collected_) {}

ChildProcess::~ChildProcess() {
  if (pid_ < 0 || end_) return;
  kill();
  (void)wait(Clock::time_point::max());
}

void ChildProcess::kill() const noexcept {
  const std::lock_guard lock(collecting_);
  if (collected_) return;
  kill_group();
  (void)::syscall(SYS_pidfd_send_signal, pidfd_.get(), SIGKILL, nullptr, 0);
}

/// With collecting_ held. The group has the child's number, which is its own as long as nobody has
/// collected the child: once another has, it may be anybody's.
void ChildProcess::kill_group() const noexcept {
  siginfo_t info{};
  const auto pidfd = static_cast<id_t>(pidfd_.get());
  if (::waitid(P_PIDFD, pidfd, &info, WEXITED | WNOHANG | WNOWAIT) == 0)
    (void)::kill(-pid_, SIGKILL);
}

std::optional<ProcessEnd> ChildProcess::wait(Clock::time_point deadline) {
  while (!end_) {
    pollfd ended{pidfd_.get(), POLLIN, 0};
    const int ready = ::poll(&ended, 1, milliseconds_until(deadline));
    if (ready == 0 && Clock::now() >= deadline) return std::nullopt;
    if (ready <= 0) continue;
    const std::lock_guard lock(collecting_);
    kill_group();
    siginfo_t info{};
    if (::waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &info, WEXITED) != 0) {
      if (errno == EINTR) continue;
      end_ = ProcessEnd{};
    } else if (info.si_code == CLD_EXITED) {
      end_ = ProcessEnd{.signal = 0, .code = info.si_status};
    } else {
      end_ = ProcessEnd{.signal = info.si_status, .code = 0};
    }
    collected_ = true;
  }
  return end_;
}

}  // namespace busway::platform_detail
