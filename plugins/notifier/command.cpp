#include "command.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>  // NOLINT: pthread_sigmask
#include <spawn.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "shared/quantity.hpp"

namespace notifier {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kPatienceMs = 2'000;  // for what was killed

class File {
 public:
  explicit File(int fd = -1) noexcept : fd_(fd) {}
  File(File&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  File& operator=(File&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() { close(); }

  void close() noexcept {
    if (fd_ >= 0) (void)::close(std::exchange(fd_, -1));
  }
  [[nodiscard]] int fd() const noexcept { return fd_; }
  [[nodiscard]] bool is_open() const noexcept { return fd_ >= 0; }

 private:
  int fd_;
};

std::string error_words(int error) { return std::generic_category().message(error); }

/// The attributes and file actions of posix_spawn.
class SpawnPlan {
 public:
  explicit SpawnPlan(int input) {
    ::posix_spawnattr_init(&attributes_);
    ::posix_spawn_file_actions_init(&actions_);
    sigset_t none;
    sigset_t usual;
    (void)::sigemptyset(&none);
    (void)::sigfillset(&usual);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    ::posix_spawnattr_setsigdefault(&attributes_, &usual);
    ::posix_spawnattr_setpgroup(&attributes_, 0);
    ::posix_spawnattr_setflags(
        &attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    ::posix_spawn_file_actions_adddup2(&actions_, input, STDIN_FILENO);
    ::posix_spawn_file_actions_addopen(&actions_, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    ::posix_spawn_file_actions_addclosefrom_np(&actions_, STDERR_FILENO + 1);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;
  ~SpawnPlan() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
  }

  /// An error of errno, or 0.
  int spawn(const std::vector<std::string>& program, pid_t& process) const {
    std::vector<char*> arguments;
    arguments.reserve(program.size() + 1);
    for (const std::string& one : program) arguments.push_back(const_cast<char*>(one.c_str()));
    arguments.push_back(nullptr);
    return ::posix_spawnp(&process, arguments.front(), &actions_, &attributes_, arguments.data(),
                          ::environ);
  }

 private:
  posix_spawnattr_t attributes_{};
  posix_spawn_file_actions_t actions_{};
};

/// A program that runs; whoever lets go of it ends it.
class Child {
 public:
  explicit Child(pid_t process)
      : process_(process), ended_(static_cast<int>(::syscall(SYS_pidfd_open, process, 0))) {}
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (reaped_) return;
    kill();
    (void)reap();
  }

  /// Readable when it has ended.
  [[nodiscard]] int ended_fd() const noexcept { return ended_.fd(); }
  /// With all that it has started.
  void kill() const noexcept { (void)::kill(-process_, SIGKILL); }

  /// How it ended. Nothing is known when somebody else has asked before, or when not even a kill
  /// has ended it soon: one that waits within the kernel must not hold up the plugin.
  std::optional<int> reap() noexcept {
    reaped_ = true;
    pollfd ended{ended_.fd(), POLLIN, 0};
    (void)::poll(&ended, 1, kPatienceMs);
    int status = 0;
    return ::waitpid(process_, &status, WNOHANG) == process_ ? std::optional(status) : std::nullopt;
  }

 private:
  const pid_t process_;
  const File ended_;
  bool reaped_ = false;
};

enum class Fed { ended, too_slow, stopped };

/// Until the program has ended or must.
Fed feed(const Child& child, File input, std::string_view text, Clock::time_point deadline,
         int stop_fd) {
  for (;;) {
    if (text.empty()) input.close();
    std::array<pollfd, 3> files{pollfd{child.ended_fd(), POLLIN, 0}, pollfd{stop_fd, POLLIN, 0},
                                pollfd{input.fd(), POLLOUT, 0}};  // a closed one is passed over
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return Fed::too_slow;
    const int wait = static_cast<int>(std::min<std::int64_t>(left, 60'000));
    const int ready = ::poll(files.data(), files.size(), wait);
    if (ready < 0 && errno != EINTR) throw std::system_error(errno, std::generic_category());
    if (ready <= 0) continue;
    if (files[0].revents != 0) return Fed::ended;
    if (files[1].revents != 0) return Fed::stopped;
    if (files[2].revents == 0) continue;
    const ssize_t written = ::write(input.fd(), text.data(), text.size());
    if (written >= 0) {
      text.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno != EAGAIN && errno != EINTR) {
      text = {};  // it reads no more; how it ends will tell whether that was right
    }
  }
}

std::optional<std::string> words_of(std::optional<int> status) {
  if (!status || (WIFEXITED(*status) && WEXITSTATUS(*status) == 0)) return std::nullopt;
  if (WIFEXITED(*status)) return "ended with code " + std::to_string(WEXITSTATUS(*status));
  const char* const name = ::sigabbrev_np(WTERMSIG(*status));
  return "was ended by signal " +
         (name == nullptr ? std::to_string(WTERMSIG(*status)) : "SIG" + std::string(name));
}

}  // namespace

void block_sigpipe() {
  sigset_t signals;
  (void)::sigemptyset(&signals);
  (void)::sigaddset(&signals, SIGPIPE);
  (void)::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

std::optional<std::string> run_command(const std::vector<std::string>& program,
                                       std::string_view input, std::chrono::milliseconds timeout,
                                       const std::stop_token& stop) {
  const std::string name = "the command " + program.front();
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return name + ": no pipe: " + error_words(errno);
  File theirs(ends[0]);
  File ours(ends[1]);
  (void)::fcntl(ours.fd(), F_SETFL, O_NONBLOCK);
  const File stopping(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!stopping.is_open()) return name + ": no eventfd: " + error_words(errno);
  const std::stop_callback when_stopped(stop, [&] { (void)::eventfd_write(stopping.fd(), 1); });

  pid_t process = 0;
  if (const int error = SpawnPlan(theirs.fd()).spawn(program, process); error != 0) {
    return name + " cannot be started: " + error_words(error);
  }
  theirs.close();
  Child child(process);
  if (child.ended_fd() < 0) return name + ": its end cannot be seen: " + error_words(errno);
  const Fed fed = feed(child, std::move(ours), input, Clock::now() + timeout, stopping.fd());
  if (fed != Fed::ended) child.kill();
  const std::optional<std::string> ended = words_of(child.reap());
  if (fed == Fed::too_slow) {
    return name + " took longer than " + shared::show_duration(timeout) + " and was killed";
  }
  if (fed == Fed::stopped) return name + " was killed, for the plugin had to stop";
  if (ended) return name + " " + *ended;
  return std::nullopt;
}

}  // namespace notifier
