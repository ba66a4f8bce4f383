#include "platform/file_watch.hpp"

#include <gtest/gtest.h>

#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <system_error>
#include <vector>

#include <temporary_folder.hpp>

namespace busway::platform_detail {
namespace {

namespace fs = std::filesystem;

class FileWatchTest : public ::testing::Test {
 protected:
  [[nodiscard]] std::string file(const char* name) const { return folder_.file(name); }
  static void write(const std::string& path) { std::ofstream(path) << "something"; }

  /// What has been told, when it is so many.
  std::vector<std::string> wait(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(60), [&] { return told_.size() >= count; });
    return told_;
  }

  void tell(const std::string& path) {
    const std::lock_guard lock(mutex_);
    told_.push_back(path);
    changed_.notify_all();
  }

  TemporaryFolder folder_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> told_;
};

TEST_F(FileWatchTest, TellsOfAFileThatIsWrittenOrPutInPlaceAndOfNoOther) {
  FileWatch watch([this](const std::string& path) { tell(path); }, std::chrono::milliseconds(1));
  write(file("a"));
  watch.add(file("a"));
  watch.add(file("b"));
  write(file("a"));
  EXPECT_EQ(wait(1), std::vector<std::string>{file("a")});
  write(file("other"));
  fs::rename(file("other"), file("b"));
  EXPECT_EQ(wait(2), (std::vector<std::string>{file("a"), file("b")}));
  fs::remove(file("a"));
  write(file("a"));
  EXPECT_EQ(wait(3).back(), file("a"));
}

TEST_F(FileWatchTest, TellsOnceOfWhatIsDoneInSeveralStrokes) {
  FileWatch watch([this](const std::string& path) { tell(path); }, std::chrono::milliseconds(500));
  watch.add(file("a"));
  watch.add(file("last"));
  for (int i = 0; i < 20; ++i) write(file("a"));
  write(file("last"));
  EXPECT_EQ(wait(2), (std::vector<std::string>{file("a"), file("last")}));
}

TEST_F(FileWatchTest, GivesEachPathAsItWasNamed) {
  FileWatch watch([this](const std::string& path) { tell(path); }, std::chrono::milliseconds(1));
  const std::string other = (folder_.path() / "." / "a").string();
  watch.add(file("a"));
  watch.add(other);
  write(file("a"));
  const std::vector<std::string> told = wait(2);
  EXPECT_EQ(std::set<std::string>(told.begin(), told.end()),
            (std::set<std::string>{file("a"), other}));
}

TEST_F(FileWatchTest, NamesAFolderThatIsNotThere) {
  FileWatch watch([this](const std::string& path) { tell(path); });
  try {
    watch.add(file("none/a"));
    FAIL();
  } catch (const std::system_error& error) {
    EXPECT_NE(std::string(error.what()).find("none cannot be watched"), std::string::npos);
  }
}

}  // namespace
}  // namespace busway::platform_detail
