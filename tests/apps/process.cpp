#include "process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>  // NOLINT: kill
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
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
  int read;
  int write;
};

}  // namespace

Process::Process(std::vector<std::string> arguments)
    : deadline_(std::chrono::steady_clock::now() + kGuard) {
  const Pipe out;
  const Pipe err;
  out_ = out.read;
  err_ = err.read;
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, out.write, STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, err.write, STDERR_FILENO);
  std::vector<char*> pointers;
  for (std::string& one : arguments) pointers.push_back(one.data());
  pointers.push_back(nullptr);
  const int error = ::posix_spawn(&pid_, pointers[0], &actions, nullptr, pointers.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(out.write);
  ::close(err.write);
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
  for (const int fd : {out_, err_}) {
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

void Process::reap() {
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
  ended_.code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
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
