#include "write_gate.hpp"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): sigset_t
#include <sys/file.h>

#include <cerrno>
#include <system_error>

namespace busway::sqlite {
namespace {

constexpr auto kLookAgainEvery = std::chrono::milliseconds(1);

int flock_whole(int descriptor, int how) noexcept {
  int result = 0;
  do {
    result = flock(descriptor, how);
  } while (result != 0 && errno == EINTR);
  return result;
}

}  // namespace

WriteGate::WriteGate(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (descriptor < 0) throw std::system_error(errno, std::generic_category(), path);
  state_ = std::make_shared<State>(descriptor);
}

WriteGate::~WriteGate() {
  bool in_line = false;
  {
    const std::lock_guard lock(state_->mutex);
    state_->ending = true;
    in_line = state_->wait == Wait::waiting;
  }
  state_->changed.notify_all();
  if (!waiter_.joinable()) return;
  // Whoever holds the gate may do so for ever.
  if (in_line) {
    waiter_.detach();
  } else {
    waiter_.join();
  }
}

bool WriteGate::lock(std::chrono::nanoseconds timeout) {
  State& state = *state_;
  if (!is_ours()) return false;
  std::unique_lock lock(state.mutex);
  // A wait that was given up may have come to its end meanwhile, or still be in line.
  if (state.wait == Wait::none) {
    if (flock_whole(state.descriptor.get(), LOCK_EX | LOCK_NB) == 0) return true;
    if (!waiter_.joinable()) {
      try {
        waiter_ = std::thread([shared = state_] { wait_in_line(*shared); });
      } catch (const std::system_error&) {
        lock.unlock();
        return look_again(timeout);
      }
    }
    state.wait = Wait::asked;
    state.changed.notify_all();
  }
  state.wanted = true;
  const bool got = state.changed.wait_for(lock, timeout, [&] { return state.wait == Wait::got; });
  state.wanted = false;
  if (got) state.wait = Wait::none;
  return got;
}

/// Where there is no thread to be had: out of the line.
bool WriteGate::look_again(std::chrono::nanoseconds timeout) const {
  const auto end = std::chrono::steady_clock::now() + timeout;
  while (flock_whole(state_->descriptor.get(), LOCK_EX | LOCK_NB) != 0) {
    if (std::chrono::steady_clock::now() >= end) return false;
    std::this_thread::sleep_for(kLookAgainEvery);
  }
  return true;
}

void WriteGate::unlock() noexcept { (void)flock_whole(state_->descriptor.get(), LOCK_UN); }

void WriteGate::wait_in_line(State& state) {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
  std::unique_lock lock(state.mutex);
  for (;;) {
    state.changed.wait(lock, [&] { return state.wait == Wait::asked || state.ending; });
    if (state.ending) return;
    state.wait = Wait::waiting;
    lock.unlock();
    const int result = flock_whole(state.descriptor.get(), LOCK_EX);
    lock.lock();
    if (state.wanted && result == 0) {
      state.wait = Wait::got;
    } else {
      // Nobody waits for it any more.
      if (result == 0) (void)flock_whole(state.descriptor.get(), LOCK_UN);
      state.wait = Wait::none;
    }
    state.changed.notify_all();
    if (state.ending) return;
  }
}

}  // namespace busway::sqlite
