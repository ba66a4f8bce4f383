// process.hpp -- a child process with pipes, which tests kill.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

extern char** environ;

namespace busway {

class Process {
 public:
  Process(std::vector<std::string> words, const std::vector<std::string>& more_environment = {}) {
    int in[2];
    int out[2];
    if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0) {
      throw std::runtime_error("no pipes for a child");
    }
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    std::vector<std::string> variables = more_environment;
    for (char** one = environ; *one != nullptr; ++one) variables.emplace_back(*one);
    std::vector<char*> envp;
    for (std::string& one : variables) envp.push_back(one.data());
    envp.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    const int failed = posix_spawn(&id_, argv[0], &actions, nullptr, argv.data(), envp.data());
    posix_spawn_file_actions_destroy(&actions);
    close(in[0]);
    close(out[1]);
    in_ = in[1];
    out_ = out[0];
    if (failed != 0) throw std::runtime_error("cannot start " + words.front());
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process() {
    kill_now();
    close_input();
    close(out_);
  }

  void kill_now() {
    if (id_ <= 0) return;
    ::kill(id_, SIGKILL);
    (void)wait();
  }
  void signal(int number) const { ::kill(id_, number); }
  void close_input() {
    if (in_ >= 0) close(in_);
    in_ = -1;
  }
  /// A line to its input.
  void tell(const std::string& text) const {
    const std::string line = text + '\n';
    if (write(in_, line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
      throw std::runtime_error("a child does not read");
    }
  }
  /// Its exit code; 128 and the signal that ended it.
  int wait() {
    if (id_ <= 0) return code_;
    int status = 0;
    while (waitpid(id_, &status, 0) < 0 && errno == EINTR) {
    }
    id_ = -1;
    code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return code_;
  }
  /// Until the end of its output.
  std::string read_all() const {
    std::string text;
    char bytes[4096];
    for (;;) {
      const ssize_t size = read(out_, bytes, sizeof bytes);
      if (size <= 0) return text;
      text.append(bytes, static_cast<std::size_t>(size));
    }
  }
  std::string read_line() const {
    std::string text;
    char byte = 0;
    while (read(out_, &byte, 1) == 1 && byte != '\n') text += byte;
    return text;
  }

 private:
  pid_t id_ = -1;
  int code_ = 0;
  int in_ = -1;
  int out_ = -1;
};

}  // namespace busway
