#include "platform/file_watch.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

namespace busway::platform_detail {
namespace {

int require(int fd, const std::string& what) {
  if (fd < 0) throw std::system_error(errno, std::system_category(), what);
  return fd;
}

}  // namespace

FileWatch::FileWatch(std::function<void(const std::string& path)> changed,
                     std::chrono::milliseconds quiet)
    : changed_(std::move(changed)),
      quiet_(quiet),
      events_(require(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK), "inotify_init1")) {
  try {
    end_ = require(::eventfd(0, EFD_CLOEXEC), "eventfd");
    thread_ = std::thread([this] { watch(); });
  } catch (...) {
    if (end_ >= 0) ::close(end_);
    ::close(events_);
    throw;
  }
}

FileWatch::~FileWatch() {
  const std::uint64_t one = 1;
  while (::write(end_, &one, sizeof one) < 0 && errno == EINTR) {
  }
  thread_.join();
  ::close(end_);
  ::close(events_);
}

void FileWatch::add(const std::string& path) {
  const std::filesystem::path file(path);
  const std::string folder = file.has_parent_path() ? file.parent_path().string() : ".";
  const std::lock_guard lock(mutex_);
  const int watched =
      require(::inotify_add_watch(events_, folder.c_str(), IN_CLOSE_WRITE | IN_MOVED_TO),
              "the folder " + folder + " cannot be watched");
  folders_[watched][file.filename().string()].insert(path);
}

void FileWatch::watch() {
  for (;;) {
    std::array<pollfd, 2> both{pollfd{events_, POLLIN, 0}, pollfd{end_, POLLIN, 0}};
    if (::poll(both.data(), both.size(), wait_ms()) < 0) continue;  // EINTR
    if (both[1].revents != 0) return;
    if (both[0].revents != 0) read_events();
    tell_those_due();
  }
}

/// Until the first is due; -1: none is.
int FileWatch::wait_ms() const {
  if (due_.empty()) return -1;
  const auto first = std::min_element(
      due_.begin(), due_.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(first->second - Clock::now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, INT_MAX));
}

void FileWatch::read_events() {
  alignas(inotify_event) std::array<char, 4096> buffer;
  const auto due = Clock::now() + quiet_;
  for (;;) {
    const ssize_t size = ::read(events_, buffer.data(), buffer.size());
    if (size <= 0) return;
    const std::lock_guard lock(mutex_);
    for (const char* at = buffer.data(); at < buffer.data() + size;) {
      const auto* const event = reinterpret_cast<const inotify_event*>(at);
      at += sizeof(inotify_event) + event->len;
      const bool lost = (event->mask & IN_Q_OVERFLOW) != 0;  // then all may have changed
      for (const auto& [watched, names] : folders_) {
        if (!lost && watched != event->wd) continue;
        for (const auto& [name, paths] : names) {
          if (!lost && (event->len == 0 || name != event->name)) continue;
          for (const std::string& path : paths) due_[path] = due;
        }
      }
    }
  }
}

void FileWatch::tell_those_due() {
  std::vector<std::string> paths;
  const auto now = Clock::now();
  for (auto one = due_.begin(); one != due_.end();) {
    if (one->second > now) {
      ++one;
      continue;
    }
    paths.push_back(one->first);
    one = due_.erase(one);
  }
  for (const std::string& path : paths) changed_(path);
}

}  // namespace busway::platform_detail
