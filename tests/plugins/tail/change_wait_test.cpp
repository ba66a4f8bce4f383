#include "../../../plugins/tail/change_wait.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <stop_token>
#include <string>
#include <temporary_folder.hpp>
#include <thread>

namespace tail {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

/// Longer than a test may run: what returns has been woken.
constexpr auto kLong = std::chrono::milliseconds(24h);

TEST(ChangeWait, EndsWhenAFileIsMadeWrittenOrRenamed) {
  const busway::TemporaryFolder folder;
  const std::string path = folder.file("a.log");
  ChangeWait changes({path}, Watch::inotify, {});
  ASSERT_TRUE(changes.is_watching());
  std::ofstream(path) << "made";
  changes.wait(kLong);
  std::ofstream(path, std::ios::app) << "written";
  changes.wait(kLong);
  fs::rename(path, path + ".1");
  changes.wait(kLong);
}

TEST(ChangeWait, KnowsAFolderThatIsWrittenInSeveralWays) {
  const busway::TemporaryFolder folder;
  const std::string same = folder.path().string() + "/../" + folder.path().filename().string();
  ChangeWait changes({folder.file("a.log"), same + "/b.log", folder.path().string() + "/./c.log"},
                     Watch::inotify, {});
  EXPECT_TRUE(changes.is_watching());
  for (const char* name : {"a.log", "b.log", "c.log"}) {
    std::ofstream(folder.file(name)) << "made";
    changes.wait(kLong);
  }
}

TEST(ChangeWait, WatchesAFolderThatIsMadeLater) {
  const busway::TemporaryFolder folder;
  const std::string later = folder.file("later");
  ChangeWait changes({later + "/a.log"}, Watch::inotify, {});
  EXPECT_FALSE(changes.is_watching());
  changes.wait(1ms);
  fs::create_directory(later);
  changes.wait(1ms);
  EXPECT_TRUE(changes.is_watching());
  std::ofstream(later + "/a.log") << "made";
  changes.wait(kLong);
}

TEST(ChangeWait, LeavesOtherFilesOfTheFolderAlone) {
  const busway::TemporaryFolder folder;
  std::stop_source stop;
  ChangeWait changes({folder.file("a.log")}, Watch::inotify, stop.get_token());
  std::ofstream(folder.file("b.log")) << "made";
  bool was_stopped = false;
  std::jthread waiter([&] {
    changes.wait(kLong);
    was_stopped = stop.stop_requested();
  });
  stop.request_stop();
  waiter.join();
  EXPECT_TRUE(was_stopped);
}

TEST(ChangeWait, WithoutInotifyEndsAfterItsTimeOrAtAStop) {
  const busway::TemporaryFolder folder;
  std::stop_source stop;
  ChangeWait changes({folder.file("a.log")}, Watch::poll, stop.get_token());
  EXPECT_FALSE(changes.is_watching());
  changes.wait(1ms);
  std::jthread waiter([&] { changes.wait(kLong); });
  stop.request_stop();
  waiter.join();
  changes.wait(kLong);
}

}  // namespace
}  // namespace tail
