#include "busway/testing/process.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <string_view>
#include <system_error>

namespace busway::testing {
namespace {

[[noreturn]] void fail_to(const std::string& what, int error) {
  throw std::system_error(error, std::generic_category(), what);
}

std::vector<char*> pointers_to(std::vector<std::string>& words) {
  std::vector<char*> out;
  out.reserve(words.size() + 1);
  for (std::string& word : words) out.push_back(word.data());
  out.push_back(nullptr);
  return out;
}

/// Which of two variables of a name counts is another thing in each program.
bool has_name_of(std::string_view variable, const std::vector<std::string>& others) {
  const std::string_view name = variable.substr(0, variable.find('=') + 1);
  return std::any_of(others.begin(), others.end(),
                     [&](const std::string& one) { return one.starts_with(name); });
}

}  // namespace

Process::Process(const std::vector<std::string>& words,
                 const std::vector<std::string>& environment) {
  std::vector<std::string> arguments = words;
  std::vector<std::string> variables = environment;
  for (char** one = environ; *one != nullptr; ++one) {
    if (!has_name_of(*one, environment)) variables.emplace_back(*one);
  }
  const std::vector<char*> argv = pointers_to(arguments);
  const std::vector<char*> envp = pointers_to(variables);
  int in[2];
  int out[2];
  // A socket: to write to one that nobody reads is an error, and no signal.
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, in) != 0)
    fail_to("a child's input", errno);
  if (pipe2(out, O_CLOEXEC) != 0) {
    const int error = errno;
    close(in[0]);
    close(in[1]);
    fail_to("a child's output", error);
  }
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
  const int failed = posix_spawn(&id_, argv[0], &actions, nullptr, argv.data(), envp.data());
  posix_spawn_file_actions_destroy(&actions);
  close(in[0]);
  close(out[1]);
  if (failed != 0) {
    close(in[1]);
    close(out[0]);
    fail_to("cannot start " + words.front(), failed);
  }
  input_ = in[1];
  output_ = out[0];
}

Process::~Process() {
  kill_now();
  close_input();
  close(output_);
}

void Process::kill_now() {
  if (id_ <= 0) return;
  ::kill(id_, SIGKILL);
  (void)wait();
}

void Process::signal(int number) const {
  if (id_ > 0) ::kill(id_, number);
}

void Process::tell(const std::string& line) const {
  const std::string text = line + '\n';
  std::string_view left = text;
  while (!left.empty()) {
    const ssize_t sent = send(input_, left.data(), left.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) fail_to("a child does not read", errno);
    left.remove_prefix(static_cast<std::size_t>(sent));
  }
}

void Process::close_input() {
  if (input_ >= 0) close(input_);
  input_ = -1;
}

std::string Process::read_line() const {
  std::string text;
  char byte = 0;
  while (read(output_, &byte, 1) == 1 && byte != '\n') text += byte;
  return text;
}

std::string Process::read_all() const {
  std::string text;
  char bytes[4096];
  for (;;) {
    const ssize_t size = read(output_, bytes, sizeof bytes);
    if (size <= 0) return text;
    text.append(bytes, static_cast<std::size_t>(size));
  }
}

int Process::wait() {
  int status = 0;
  if (id_ <= 0) return code_;
  while (waitpid(id_, &status, 0) < 0 && errno == EINTR) {
  }
  ended_with(status);
  return code_;
}

bool Process::has_ended() {
  int status = 0;
  if (id_ > 0 && waitpid(id_, &status, WNOHANG) == id_) ended_with(status);
  return id_ <= 0;
}

void Process::ended_with(int status) noexcept {
  id_ = -1;
  code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace busway::testing
