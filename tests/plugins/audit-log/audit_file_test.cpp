#include "../../../plugins/audit-log/audit_file.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <temporary_folder.hpp>
#include "file_faults.hpp"
#include "shared/audit_line.hpp"

namespace audit_log {
namespace {

namespace fs = std::filesystem;

class AuditFileTest : public ::testing::Test {
 protected:
  [[nodiscard]] AuditFile::Options options(std::int64_t rotate_size = 1 << 20,
                                           std::int64_t keep = 0) const {
    return {.path = path_, .rotate_size = rotate_size, .keep = keep, .fsync = Fsync::never};
  }

  static std::string fields(int number) {
    return "{\"topic\":\"t\",\"data\":" + std::to_string(number) + "}";
  }

  static std::string read(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  /// The lines of all files in their order; each must be good and follow the one before.
  std::vector<std::string> chain() const {
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(folder_.path())) {
      if (entry.path() != path_) files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    files.emplace_back(path_);
    std::vector<std::string> lines;
    std::optional<shared::AuditLink> last;
    for (const fs::path& file : files) {
      std::istringstream in(read(file));
      for (std::string line; std::getline(in, line);) {
        const shared::AuditLine one = shared::read_audit_line(line);
        EXPECT_EQ(one.problem, "") << line;
        if (last) {
          EXPECT_EQ(one.seq, last->seq + 1);
          EXPECT_EQ(one.prev, last->hash);
        }
        last = {.seq = one.seq, .hash = one.hash};
        lines.push_back(line);
      }
    }
    return lines;
  }

  busway::TemporaryFolder folder_;
  const std::string path_ = folder_.file("audit.jsonl");
};

TEST_F(AuditFileTest, BeginsAChainAndGoesOnAfterARestart) {
  {
    AuditFile file(options());
    EXPECT_EQ(file.open(), 0U);
    EXPECT_EQ(file.append(fields(1)), "");
    EXPECT_EQ(file.append(fields(2)), "");
  }
  AuditFile file(options());
  EXPECT_EQ(file.open(), 0U);
  EXPECT_EQ(file.last().seq, 2U);
  (void)file.append("{}");
  const std::vector<std::string> lines = chain();
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_TRUE(lines[0].starts_with(R"({"seq":1,"topic":"t","data":1,"prev":")" +
                                   std::string(shared::kFirstPrev)))
      << lines[0];
  EXPECT_TRUE(lines[2].starts_with(R"({"seq":3,"prev":")")) << lines[2];
}

TEST_F(AuditFileTest, IsReadableByItsOwnerAlone) {
  AuditFile file(options());
  (void)file.open();
  struct stat status {};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST_F(AuditFileTest, GoesOnOverRotation) {
  {
    AuditFile file(options(1024));
    (void)file.open();
    std::vector<std::string> rotated;
    for (int i = 0; i < 20; ++i) {
      if (std::string to = file.append(fields(i)); !to.empty()) rotated.push_back(to);
    }
    ASSERT_GE(rotated.size(), 3U);
    EXPECT_EQ(rotated[0], path_ + ".000001");
    EXPECT_EQ(rotated[1], path_ + ".000002");
  }
  EXPECT_EQ(chain().size(), 20U);
  for (const auto& entry : fs::directory_iterator(folder_.path())) {
    EXPECT_LE(fs::file_size(entry), 1024U);
  }
  // A crash between the rename and the first line of the new file.
  fs::rename(path_, path_ + ".000099");
  AuditFile file(options(1024));
  (void)file.open();
  EXPECT_EQ(file.last().seq, 20U);
  (void)file.append(fields(20));
  EXPECT_EQ(chain().size(), 21U);
}

TEST_F(AuditFileTest, KeepsAsManyRotatedFilesAsItIsTold) {
  AuditFile file(options(1024, 2));
  (void)file.open();
  for (int i = 0; i < 40; ++i) (void)file.append(fields(i));
  std::size_t files = 0;
  for (const auto& entry : fs::directory_iterator(folder_.path())) {
    (void)entry;
    ++files;
  }
  EXPECT_EQ(files, 3U);
  const std::vector<std::string> lines = chain();
  ASSERT_FALSE(lines.empty());
  EXPECT_EQ(shared::read_audit_line(lines.back()).seq, 40U);
}

TEST_F(AuditFileTest, CutsOffALineThatACrashLeftUnfinished) {
  for (const std::string torn : {"{", "{\"seq\":2,\"to", "\0\0\0\0"}) {
    fs::remove(path_);
    {
      AuditFile file(options());
      (void)file.open();
      (void)file.append(fields(1));
    }
    const std::string unfinished = torn.empty() ? std::string(4, '\0') : torn;
    std::ofstream(path_, std::ios::binary | std::ios::app) << unfinished;
    AuditFile file(options());
    EXPECT_EQ(file.open(), unfinished.size());
    (void)file.append(fields(2));
    EXPECT_EQ(chain().size(), 2U);
  }
}

TEST_F(AuditFileTest, TouchesNoFileThatIsNoAuditLog) {
  for (const std::string text : {"my diary", "my diary\n", "my diary\n\n", "a\n{\"seq\":"}) {
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << text;
    AuditFile file(options());
    EXPECT_THROW((void)file.open(), std::runtime_error) << text;
    EXPECT_EQ(read(path_), text);
  }
  fs::remove(path_);
  fs::create_directory(path_);
  AuditFile file(options());
  EXPECT_THROW((void)file.open(), std::runtime_error);
}

TEST_F(AuditFileTest, DoesNotGoOnFromALineThatWasChanged) {
  {
    AuditFile file(options());
    (void)file.open();
    (void)file.append(fields(1));
  }
  std::string text = read(path_);
  text.replace(text.find("data\":1"), 7, "data\":7");
  std::ofstream(path_, std::ios::binary | std::ios::trunc) << text;
  AuditFile file(options());
  try {
    (void)file.open();
    FAIL() << "accepted";
  } catch (const std::runtime_error& error) {
    EXPECT_NE(std::string(error.what()).find("was changed"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find(path_), std::string::npos) << error.what();
  }
}

TEST_F(AuditFileTest, RefusesASecondWriter) {
  AuditFile file(options());
  (void)file.open();
  AuditFile second(options());
  try {
    (void)second.open();
    FAIL() << "accepted";
  } catch (const std::runtime_error& error) {
    EXPECT_NE(std::string(error.what()).find("another process or plugin"), std::string::npos);
  }
}

TEST_F(AuditFileTest, GoesOnFromMemoryWhenItsFileIsTakenAwaySoThatTheGapShows) {
  AuditFile file(options());
  (void)file.open();
  (void)file.append(fields(1));
  (void)file.append(fields(2));
  fs::remove(path_);
  (void)file.append(fields(3));
  const std::vector<std::string> lines = chain();
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(shared::read_audit_line(lines[0]).seq, 3U);
}

TEST_F(AuditFileTest, TouchesNoFileThatIsPutInItsPlaceAndIsNoAuditLog) {
  for (const std::string text :
       {"my diary", "my diary\n", "my diary\n\n", "\n", "a\n{\"seq\":", "{\"seq\":1\nb\n"}) {
    fs::remove(path_);
    AuditFile file(options());
    (void)file.open();
    (void)file.append(fields(1));
    fs::remove(path_);
    std::ofstream(path_, std::ios::binary) << text;
    for (int i = 0; i < 2; ++i) {
      try {
        (void)file.append(fields(2));
        FAIL() << "accepted: " << text;
      } catch (const std::runtime_error& error) {
        EXPECT_NE(std::string(error.what()).find("move the file away"), std::string::npos)
            << error.what();
      }
    }
    EXPECT_EQ(read(path_), text);
    fs::remove(path_);
    (void)file.append(fields(2));
    const std::vector<std::string> lines = chain();
    ASSERT_EQ(lines.size(), 1U);
    EXPECT_EQ(shared::read_audit_line(lines[0]).seq, 2U);
  }
}

/// As on a full disk: what would make a file larger than this fails.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : before_(std::signal(SIGXFSZ, SIG_IGN)) {
    (void)::getrlimit(RLIMIT_FSIZE, &limit_);
    const rlimit lower{.rlim_cur = bytes, .rlim_max = limit_.rlim_max};
    (void)::setrlimit(RLIMIT_FSIZE, &lower);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;
  ~FileSizeLimit() {
    (void)::setrlimit(RLIMIT_FSIZE, &limit_);
    (void)std::signal(SIGXFSZ, before_);
  }

 private:
  rlimit limit_{};
  void (*before_)(int);
};

TEST_F(AuditFileTest, LeavesNoHalfLineWhenThereIsNoMoreRoom) {
  AuditFile file(options());
  (void)file.open();
  (void)file.append(fields(1));
  const std::string before = read(path_);
  {
    const FileSizeLimit limit(before.size() + 50);  // a part of the next line fits
    for (int i = 0; i < 3; ++i) {
      try {
        (void)file.append(fields(2));
        ADD_FAILURE() << "written";
      } catch (const std::system_error& error) {
        EXPECT_NE(std::string(error.what()).find(path_), std::string::npos) << error.what();
      }
      EXPECT_EQ(read(path_), before);
    }
  }
  (void)file.append(fields(2));
  (void)file.append(fields(3));
  EXPECT_EQ(chain().size(), 3U);
}

/// Writes until it is killed, and tells after each line that it is kept.
[[noreturn]] void write_until_killed(const AuditFile::Options& options, int tell) {
  try {
    AuditFile file(options);
    (void)file.open();
    for (;;) {
      (void)file.append(R"({"topic":"t","data":")" + std::string(file.last().seq % 900, 'x') +
                        "\"}");
      const std::uint64_t kept = file.last().seq;
      if (::write(tell, &kept, sizeof kept) != sizeof kept) ::_exit(1);
    }
  } catch (const std::exception&) {
    ::_exit(2);
  }
}

TEST_F(AuditFileTest, HasAllThatWasToldToBeKeptHoweverOftenItsWriterIsKilled) {
  std::uint64_t kept = 0;
  for (std::uint64_t round = 1; round <= 20; ++round) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    const pid_t writer = ::fork();
    ASSERT_GE(writer, 0);
    if (writer == 0) write_until_killed(options(4096), ends[1]);
    ::close(ends[1]);
    for (std::uint64_t told = 0; ::read(ends[0], &told, sizeof told) == sizeof told;) {
      EXPECT_EQ(told, kept + 1);
      kept = told;
      if (kept >= round * 37) (void)::kill(writer, SIGKILL);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(writer, &status, 0), writer);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the writer ended with " << WEXITSTATUS(status);
    ::close(ends[0]);
    // A line may have been written whose writer was killed before it could tell.
    AuditFile file(options(4096));
    (void)file.open();
    EXPECT_GE(file.last().seq, kept);
    EXPECT_LE(file.last().seq, kept + 1);
    kept = file.last().seq;
  }
  EXPECT_EQ(chain().size(), kept);
}

TEST_F(AuditFileTest, RefusesALineThatIsTooLongAndGoesOn) {
  AuditFile file(options());
  (void)file.open();
  EXPECT_THROW(
      (void)file.append("{\"data\":\"" + std::string(shared::kAuditLineBytesMax, 'x') + "\"}"),
      std::length_error);
  (void)file.append(fields(1));
  EXPECT_EQ(chain().size(), 1U);
}

TEST_F(AuditFileTest, IsOnTheDiskWhenItSaysSo) {
  AuditFile::Options told = options();
  told.fsync = Fsync::interval;
  AuditFile file(told);
  (void)file.open();
  (void)file.append(fields(1));
  EXPECT_TRUE(file.dirty());
  file.sync();
  EXPECT_FALSE(file.dirty());
  told.fsync = Fsync::always;
  told.path = folder_.file("always.jsonl");
  AuditFile always(told);
  (void)always.open();
  (void)always.append(fields(1));
  EXPECT_FALSE(always.dirty());
}

TEST_F(AuditFileTest, GoesOnWithAWholeChainWhenALineThatFailedCouldNotBeCutOff) {
  AuditFile::Options told = options();
  told.fsync = Fsync::always;
  for (const bool cut_in_the_end : {true, false}) {
    fs::remove(path_);
    AuditFile file(told);
    (void)file.open();
    (void)file.append(fields(1));
    const FileFaults faults;
    FileFaults::fail_syncs(1);
    FileFaults::fail_cuts(cut_in_the_end ? 1 : FileFaults::kAll);
    EXPECT_THROW((void)file.append(fields(2)), std::system_error);
    EXPECT_EQ(chain().size(), 2U) << "nothing was left to be found";
    (void)file.append(fields(2));
    (void)file.append(fields(3));
    EXPECT_EQ(chain().size(), cut_in_the_end ? 3U : 4U);
    EXPECT_EQ(file.last().seq, chain().size());
  }
}

TEST_F(AuditFileTest, GoesOnWithAWholeChainWhenItIsRestartedBehindALineThatFailed) {
  AuditFile::Options told = options();
  told.fsync = Fsync::always;
  {
    AuditFile file(told);
    (void)file.open();
    const FileFaults faults;
    FileFaults::fail_syncs(1);
    FileFaults::fail_cuts(FileFaults::kAll);
    EXPECT_THROW((void)file.append(fields(1)), std::system_error);
  }
  AuditFile file(told);
  (void)file.open();
  (void)file.append(fields(1));
  EXPECT_EQ(chain().size(), 2U);
}

TEST_F(AuditFileTest, CutsOffNoLineThatSomebodyElseHasPutThere) {
  AuditFile::Options told = options();
  told.fsync = Fsync::always;
  AuditFile file(told);
  (void)file.open();
  (void)file.append(fields(1));
  const FileFaults faults;
  FileFaults::fail_syncs(1);
  EXPECT_THROW((void)file.append(fields(2)), std::system_error);
  std::string hash;
  const std::string other =
      shared::make_audit_line({.seq = 1, .hash = std::string(64, '0')}, "{}", hash) + '\n';
  std::ofstream(path_, std::ios::binary | std::ios::app) << other;
  (void)file.append(fields(2));
  EXPECT_NE(read(path_).find(other), std::string::npos);
}

TEST_F(AuditFileTest, BringsAFileToTheDiskBeforeItLetsGoOfIt) {
  AuditFile::Options told = options();
  told.fsync = Fsync::interval;
  const std::string moved = folder_.file("audit.jsonl.000001");
  const FileFaults faults;
  {
    AuditFile file(told);
    (void)file.open();
    (void)file.append(fields(1));
    EXPECT_EQ(FileFaults::syncs(), 0U);
    fs::rename(path_, moved);
    (void)file.append(fields(2));
    EXPECT_EQ(FileFaults::syncs(), 1U);
    EXPECT_EQ(file.take_sync_fault(), "");
    fs::remove(path_);
    FileFaults::fail_syncs(1);
    (void)file.append(fields(3));
    EXPECT_NE(file.take_sync_fault().find(path_), std::string::npos);
    EXPECT_EQ(file.take_sync_fault(), "");
    EXPECT_TRUE(file.dirty());
  }
  EXPECT_EQ(FileFaults::syncs(), 3U);
}

TEST_F(AuditFileTest, RotatesNoFileThatIsNotOnTheDisk) {
  AuditFile::Options told = options(1024);
  told.fsync = Fsync::interval;
  AuditFile file(told);
  (void)file.open();
  const FileFaults faults;
  int lines = 0;
  while (fs::file_size(path_) < 800) (void)file.append(fields(++lines));
  FileFaults::fail_syncs(2);
  for (int i = 0; i < 2; ++i) {
    EXPECT_THROW((void)file.append("{\"data\":\"" + std::string(300, 'x') + "\"}"),
                 std::system_error);
    EXPECT_TRUE(file.dirty());
    EXPECT_FALSE(fs::exists(path_ + ".000001"));
  }
  EXPECT_EQ(file.append("{\"data\":\"" + std::string(300, 'x') + "\"}"), path_ + ".000001");
  EXPECT_EQ(chain().size(), static_cast<std::size_t>(lines) + 1);
}

TEST_F(AuditFileTest, AsksForNoSyncWhenItIsToldNeverTo) {
  AuditFile file(options(1024));
  (void)file.open();
  const FileFaults faults;
  FileFaults::fail_syncs(FileFaults::kAll);
  for (int i = 0; i < 20; ++i) (void)file.append(fields(i));
  EXPECT_EQ(FileFaults::syncs(), 0U);
  EXPECT_EQ(chain().size(), 20U);
}

TEST_F(AuditFileTest, TakesNoNeighbourForARotatedFile) {
  const std::vector<std::string> others{
      "audit.jsonl.0000001", "audit.jsonl.1",      "audit.jsonl.000000",   "audit.jsonl.000001.gz",
      "audit.jsonl-000001",  "audit.jsonl.+00001", "audit.jsonl.20260301", "audit.jsonl.000003"};
  for (const std::string& name : others) std::ofstream(folder_.file(name)) << "not a log\n";
  fs::create_directory(folder_.file("audit.jsonl.000002"));
  {
    AuditFile file(options(1024, 1));
    (void)file.open();
    EXPECT_EQ(file.last().seq, 0U) << "a chain of its own";
    std::ofstream(folder_.file("audit.jsonl.30000000")) << "";
    std::vector<std::string> rotated;
    for (int i = 0; i < 40; ++i) {
      if (std::string to = file.append(fields(i)); !to.empty()) rotated.push_back(to);
    }
    ASSERT_GE(rotated.size(), 2U);
  }
  for (const std::string& name : others) EXPECT_EQ(read(folder_.file(name)), "not a log\n");
  EXPECT_TRUE(fs::exists(folder_.file("audit.jsonl.30000000")));
  EXPECT_TRUE(fs::is_directory(folder_.file("audit.jsonl.000002")));
}

TEST_F(AuditFileTest, SpoilsNoLineWhenItsFileWasCutAndThenTheDiskIsFull) {
  {
    const FileFaults faults;
    AuditFile file(options());
    (void)file.open();
    for (int i = 0; i < 5; ++i) (void)file.append(fields(i));
    fs::resize_file(path_, 0);  // somebody made room
    FileFaults::fail_writes(1);
    EXPECT_THROW((void)file.append(fields(5)), std::system_error);
    (void)file.append(fields(6));
    (void)file.append(fields(7));
    std::istringstream in(read(path_));
    int good = 0;
    for (std::string line; std::getline(in, line); ++good) {
      EXPECT_EQ(shared::read_audit_line(line).problem, "") << line;
    }
    EXPECT_EQ(good, 2);
  }
  AuditFile file(options());
  EXPECT_EQ(file.open(), 0U);
}

TEST_F(AuditFileTest, SpoilsNoLineWhenItsFileWasCutWithinOne) {
  AuditFile file(options());
  (void)file.open();
  (void)file.append(fields(0));
  const auto size = fs::file_size(path_);
  (void)file.append(fields(1));
  fs::resize_file(path_, size + 20);
  (void)file.append(fields(2));
  std::istringstream in(read(path_));
  std::vector<std::uint64_t> found;
  for (std::string line; std::getline(in, line);) {
    const shared::AuditLine one = shared::read_audit_line(line);
    EXPECT_EQ(one.problem, "") << line;
    found.push_back(one.seq);
  }
  EXPECT_EQ(found, (std::vector<std::uint64_t>{1, 3}));  // the gap shows
}

}  // namespace
}  // namespace audit_log
