#include "process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>  // NOLINT: kill
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <utility>

extern char** environ;  // NOLINT: POSIX wants it declared by its user

namespace busway::app {
namespace {

constexpr std::chrono::seconds kGuard(60);

struct Pipe {
  Pipe() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0)
      throw std::system_error(errno, std::system_category());
    read = ends[0];
    write = ends[1];
  }
  Pipe(int reading, int writing) : read(reading), write(writing) {}
  int read;
  int write;
};

Pipe terminal() {
  const int ours = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (ours < 0 || ::grantpt(ours) != 0 || ::unlockpt(ours) != 0)
    throw std::system_error(errno, std::system_category(), "posix_openpt");
  std::array<char, 64> name{};
  if (::ptsname_r(ours, name.data(), name.size()) != 0)
    throw std::system_error(errno, std::system_category(), "ptsname_r");
  const int theirs = ::open(name.data(), O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (theirs < 0) throw std::system_error(errno, std::system_category(), name.data());
  return {ours, theirs};
}

}  // namespace

Process::Process(std::vector<std::string> arguments, Streams streams)
    : deadline_(std::chrono::steady_clock::now() + kGuard) {
  const Pipe out;
  const Pipe err = streams.terminal ? terminal() : Pipe();
  out_ = out.read;
  err_ = err.read;
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  std::optional<Pipe> in;
  if (streams.input) {
    ::signal(SIGPIPE, SIG_IGN);
    in.emplace();
    in_ = in->write;
    ::posix_spawn_file_actions_adddup2(&actions, in->read, STDIN_FILENO);
  } else {
    ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  }
  ::posix_spawn_file_actions_adddup2(&actions, out.write, STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, err.write, STDERR_FILENO);
  std::vector<char*> pointers;
  for (std::string& one : arguments) pointers.push_back(one.data());
  pointers.push_back(nullptr);
  const int error = ::posix_spawn(&pid_, pointers[0], &actions, nullptr, pointers.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(out.write);
  ::close(err.write);
  if (in) ::close(in->read);
  if (error != 0) {
    pid_ = -1;
    throw std::system_error(error, std::system_category(), arguments[0]);
  }
}

Process::~Process() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    reap();
  }
  for (const int fd : {in_, out_, err_}) {
    if (fd >= 0) ::close(fd);
  }
}

/// False once both ends are closed, or the guard is over.
bool Process::read_some() {
  std::array<pollfd, 2> both{pollfd{out_, POLLIN, 0}, pollfd{err_, POLLIN, 0}};
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
      deadline_ - std::chrono::steady_clock::now());
  if (left.count() <= 0 || (out_ < 0 && err_ < 0)) return false;
  if (::poll(both.data(), both.size(), static_cast<int>(left.count())) <= 0) return false;
  const auto take = [](const pollfd& ready, int& fd, std::string& text) {
    if (ready.revents == 0) return;
    std::array<char, 65536> buffer{};
    const ssize_t size = ::read(fd, buffer.data(), buffer.size());
    if (size > 0) {
      text.append(buffer.data(), static_cast<std::size_t>(size));
      return;
    }
    ::close(fd);
    fd = -1;
  };
  take(both[0], out_, ended_.out);
  take(both[1], err_, ended_.err);
  return true;
}

bool Process::wait_for(std::string_view text) {
  const auto seen = [&] {
    return ended_.out.find(text) != std::string::npos || ended_.err.find(text) != std::string::npos;
  };
  while (!seen()) {
    if (!read_some()) return seen();
  }
  return true;
}

void Process::signal(int number) const { ::kill(pid_, number); }

bool Process::feed(std::string_view text) const {
  while (!text.empty()) {
    const ssize_t size = ::write(in_, text.data(), text.size());
    if (size <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(size));
  }
  return true;
}

void Process::end_input() {
  ::close(in_);
  in_ = -1;
}

void Process::reap() {
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
  ended_.code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

bool Process::has_ended() const {
  siginfo_t info{};
  const int options = WEXITED | WNOHANG | WNOWAIT;
  return ::waitid(P_PID, static_cast<id_t>(pid_), &info, options) == 0 && info.si_pid == pid_;
}

Ended Process::wait() {
  while (read_some()) {
  }
  if (out_ >= 0 || err_ >= 0) ::kill(pid_, SIGKILL);
  reap();
  return ended_;
}

std::vector<std::string> tool(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), BUSWAY_TOOL);
  return arguments;
}

Ended busway(std::vector<std::string> arguments) {
  return Process(tool(std::move(arguments))).wait();
}

}  // namespace busway::app
