#include "change_wait.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

namespace tail {
namespace {

using Clock = std::chrono::steady_clock;
namespace fs = std::filesystem;

constexpr std::uint32_t kChanges =
    IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ATTRIB | IN_ONLYDIR;

}  // namespace

ChangeWait::ChangeWait(const std::vector<std::string>& paths, Watch watch, std::stop_token stop)
    : stop_(std::move(stop)), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (wake_ < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
  for (const std::string& one : paths) {
    const fs::path path(one);
    // One folder that is written in two ways has one watch.
    const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
    std::error_code error;
    const fs::path canonical = fs::weakly_canonical(folder, error);
    folders_[(error ? folder : canonical).string()].insert(path.filename().string());
  }
  if (watch == Watch::inotify) inotify_ = ::inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  watch_folders();
}

ChangeWait::~ChangeWait() {
  if (inotify_ >= 0) ::close(inotify_);
  ::close(wake_);
}

void ChangeWait::watch_folders() {
  if (inotify_ < 0 || is_watching()) return;
  for (const auto& [folder, names] : folders_) {
    const int watch = ::inotify_add_watch(inotify_, folder.c_str(), kChanges);
    if (watch >= 0) watched_[watch] = folder;
  }
}

void ChangeWait::wait(std::chrono::milliseconds at_most) {
  watch_folders();
  const std::stop_callback wake(stop_, [this] {
    const std::uint64_t one = 1;
    (void)!::write(wake_, &one, sizeof one);
  });
  const Clock::time_point deadline = Clock::now() + at_most;
  while (!stop_.stop_requested()) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    if (left.count() <= 0) return;
    // A negative descriptor is left out.
    std::array<pollfd, 2> wanted{pollfd{wake_, POLLIN, 0}, pollfd{inotify_, POLLIN, 0}};
    const int timeout = static_cast<int>(std::min<std::int64_t>(left.count(), 3'600'000));
    if (::poll(wanted.data(), wanted.size(), timeout) < 0 && errno != EINTR) {
      throw std::system_error(errno, std::generic_category(), "cannot wait for changes of files");
    }
    if (wanted[1].revents != 0 && drain()) return;
  }
}

bool ChangeWait::drain() {
  alignas(inotify_event) std::array<char, 16'384> buffer{};
  bool ours = false;
  for (;;) {
    const ssize_t got = ::read(inotify_, buffer.data(), buffer.size());
    if (got <= 0) return ours;
    for (std::size_t at = 0; at + sizeof(inotify_event) <= static_cast<std::size_t>(got);) {
      inotify_event event{};
      std::memcpy(&event, buffer.data() + at, sizeof event);
      const char* const name = buffer.data() + at + sizeof event;
      at += sizeof event + event.len;
      const auto watched = watched_.find(event.wd);
      if ((event.mask & IN_Q_OVERFLOW) != 0) ours = true;
      if (watched == watched_.end()) continue;
      if ((event.mask & IN_IGNORED) != 0) {  // the folder is gone; it may come again
        watched_.erase(watched);
        ours = true;
      } else if (event.len > 0 && folders_[watched->second].contains(name)) {
        ours = true;
      }
    }
  }
}

}  // namespace tail
