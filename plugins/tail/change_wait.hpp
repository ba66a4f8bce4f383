// change_wait.hpp -- waits until something may have changed in some files.
//
// Model      inotify on the folders of the files wakes it when a file of one of their names
//            changes; a time-out does it anyway. So what inotify does not tell (network file
//            systems, links to other folders, folders made later, a limit that is reached) is
//            noticed as well, only later.
// Threads    [not-concurrent]; the stop token is signalled from any.
// Ownership  Owns its descriptors.
// Errors     The constructor throws std::system_error where no eventfd can be had. Without inotify
//            it goes on; is_watching() tells.
// Cost       One poll().
#pragma once

#include <chrono>
#include <map>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "settings.hpp"

namespace tail {

class ChangeWait {
 public:
  ChangeWait(const std::vector<std::string>& paths, Watch watch, std::stop_token stop);
  ChangeWait(const ChangeWait&) = delete;
  ChangeWait& operator=(const ChangeWait&) = delete;
  ~ChangeWait();

  /// Returns at a change, after the time, or when a stop is requested. What changed before the call
  /// and after the call before it counts.
  void wait(std::chrono::milliseconds at_most);

  /// Whether all folders are watched.
  [[nodiscard]] bool is_watching() const noexcept { return watched_.size() == folders_.size(); }

 private:
  void watch_folders();
  /// Whether one of our names was among what has changed.
  [[nodiscard]] bool drain();

  const std::stop_token stop_;
  std::map<std::string, std::set<std::string>> folders_;  // the names in each
  std::map<int, std::string> watched_;                    // folders by watch
  int wake_ = -1;  // an eventfd that a requested stop makes readable
  int inotify_ = -1;
};

}  // namespace tail
