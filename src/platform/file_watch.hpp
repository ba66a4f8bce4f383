// platform/file_watch.hpp -- tells when files have been written or put in place.
//
// Model      Looks at the folders of the files (inotify), so it sees a file that is replaced, that
//            is not there yet, and one that comes back. A file is told of when it was closed after
//            writing or renamed into place, and has then been left alone for the quiet time: what
//            a build does in several strokes is told once.
// Threads    [any-thread]; `changed` is called on the watch's own thread.
// Ownership  The destructor waits for a call of `changed` that runs. Not on the watch's thread.
// Errors     Throws std::system_error: the machine allows no more watches, or the folder is not
//            there.
// Cost       A thread and two descriptors; nothing while nothing changes.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>

namespace busway::platform_detail {

class FileWatch {
 public:
  /// `changed` gets the path as it was given to add().
  explicit FileWatch(std::function<void(const std::string& path)> changed,
                     std::chrono::milliseconds quiet = std::chrono::milliseconds(100));
  FileWatch(const FileWatch&) = delete;
  FileWatch& operator=(const FileWatch&) = delete;
  ~FileWatch();

  void add(const std::string& path);

 private:
  using Clock = std::chrono::steady_clock;

  void watch();
  void read_events();
  void tell_those_due();
  [[nodiscard]] int wait_ms() const;

  const std::function<void(const std::string& path)> changed_;
  const std::chrono::milliseconds quiet_;
  int events_ = -1;
  int end_ = -1;
  std::map<std::string, Clock::time_point> due_;  // of the thread
  std::mutex mutex_;
  std::map<int, std::map<std::string, std::set<std::string>>> folders_;  // guarded: name -> paths
  std::thread thread_;
};

}  // namespace busway::platform_detail
