#include "signal_watch.hpp"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <system_error>
#include <utility>

#include "exit_code.hpp"

namespace busway::app {
namespace {

sigset_t watched() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&set, signal);
  return set;
}

int require(int fd, const char* what) {
  if (fd < 0) throw std::system_error(errno, std::system_category(), what);
  return fd;
}

}  // namespace

SignalWatch::SignalWatch() {
  const sigset_t set = watched();
  if (const int error = ::pthread_sigmask(SIG_BLOCK, &set, nullptr); error != 0) {
    throw std::system_error(error, std::system_category(), "pthread_sigmask");
  }
  signals_ = require(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), "signalfd");
  end_ = require(::eventfd(0, EFD_CLOEXEC), "eventfd");
  stop_ = require(::eventfd(0, EFD_CLOEXEC), "eventfd");
  thread_ = std::thread([this] { watch(); });
}

SignalWatch::~SignalWatch() {
  const std::uint64_t one = 1;
  if (::write(end_, &one, sizeof one) == static_cast<ssize_t>(sizeof one)) thread_.join();
  ::close(stop_);
  ::close(end_);
  ::close(signals_);
}

void SignalWatch::watch() {
  for (;;) {
    std::array<pollfd, 2> both{pollfd{signals_, POLLIN, 0}, pollfd{end_, POLLIN, 0}};
    if (::poll(both.data(), both.size(), -1) < 0) continue;  // EINTR
    if (both[1].revents != 0) return;
    signalfd_siginfo info{};
    while (::read(signals_, &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
      note(static_cast<int>(info.ssi_signo));
    }
  }
}

void SignalWatch::note(int signal) {
  const std::lock_guard lock(mutex_);
  if (signal == SIGHUP) {
    reload_ = true;
  } else if (stop_signal_ != 0) {
    ::_exit(kSignalBase + signal);
  } else {
    stop_signal_ = signal;
    const std::uint64_t one = 1;
    if (::write(stop_, &one, sizeof one) < 0) ::_exit(kSignalBase + signal);
  }
  changed_.notify_all();
}

int SignalWatch::stop_signal() const {
  const std::lock_guard lock(mutex_);
  return stop_signal_;
}

bool SignalWatch::take_reload() {
  const std::lock_guard lock(mutex_);
  return std::exchange(reload_, false);
}

void SignalWatch::wait(std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, deadline, [&] { return stop_signal_ != 0 || reload_; });
}

}  // namespace busway::app
