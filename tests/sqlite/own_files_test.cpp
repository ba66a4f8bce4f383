#include <chrono>
#include <filesystem>
#include <fstream>
#include <own_files.hpp>
#include <string>

#include "busway/clock.hpp"
#include "sqlite_fixture.hpp"

namespace busway::sqlite {
namespace {

namespace fs = std::filesystem;
using std::chrono::hours;

constexpr const char* kSides[] = {"-wal", "-shm", "-gate"};

struct SqliteOwnFiles : SqliteFolder {
  SqliteOwnFiles() {
    make(path);
    for (const char* side : kSides) make(path + side);
  }
  static void make(const std::string& file) { std::ofstream(file) << "x"; }
  [[nodiscard]] OwnFiles files() const { return {path, FileIdentity::of(path)}; }
  /// What happened in the folder until now is long ago then; and what happens next has another
  /// stamp.
  WallTime later() {
    const TemporaryFolder elsewhere;
    const std::string file = elsewhere.file("now");
    do {
      make(file);
    } while (fs::last_write_time(file) <= fs::last_write_time(folder.path()));
    return Clock::system()->wall() + hours(1);
  }
};

TEST_F(SqliteOwnFiles, AreThereAsLongAsNothingHappensToThem) {
  OwnFiles found = files();
  EXPECT_EQ(found.missing(), "");
  EXPECT_EQ(found.missing(later()), "");
  make(path + ".other");
  fs::rename(path + ".other", path + ".another");
  fs::remove(path + ".another");
  EXPECT_EQ(found.missing(later()), "");
  EXPECT_EQ(found.missing(later()), "");
}

TEST_F(SqliteOwnFiles, AreMissedAtOnceWhenOneIsRemoved) {
  for (const std::string& file : {path, path + "-wal", path + "-shm", path + "-gate"}) {
    OwnFiles found = files();
    EXPECT_EQ(found.missing(later()), "");
    fs::rename(file, file + ".away");
    EXPECT_NE(found.missing(later()), "") << file;
    fs::rename(file + ".away", file);
    EXPECT_EQ(found.missing(later()), "") << file;
  }
}

TEST_F(SqliteOwnFiles, AreMissedAtOnceWhenOneIsReplaced) {
  for (const std::string& file : {path, path + "-wal", path + "-shm", path + "-gate"}) {
    OwnFiles found = files();
    EXPECT_EQ(found.missing(later()), "");
    make(file + ".new");
    fs::rename(file + ".new", file);
    EXPECT_NE(found.missing(later()), "") << file;
    EXPECT_NE(found.missing(later()), "") << file;
  }
}

TEST_F(SqliteOwnFiles, AreMissedWithinTheTimeThatAStampTells) {
  OwnFiles found = files();
  EXPECT_EQ(found.missing(), "");
  fs::rename(path, path + ".away");
  EXPECT_NE(found.missing(), "");
}

TEST_F(SqliteOwnFiles, AreMissedWhenTheirFolderIsAnotherOne) {
  const fs::path place = fs::path(folder.path()) / "inner";
  fs::create_directory(place);
  const std::string inner = (place / "events.db").string();
  make(inner);
  for (const char* side : kSides) make(inner + side);
  OwnFiles found(inner, FileIdentity::of(inner));
  EXPECT_EQ(found.missing(later()), "");
  fs::rename(place, place.string() + ".away");
  EXPECT_NE(found.missing(later()), "");
  fs::create_directory(place);
  EXPECT_NE(found.missing(later()), "");
}

TEST_F(SqliteOwnFiles, MayBeCheckpointedWithoutTheOthersButNotWithAnother) {
  const OwnFiles found = files();
  make(path + "-wal.new");  // before the other goes, which then cannot be the same
  fs::remove(path + "-wal");
  EXPECT_TRUE(found.may_checkpoint());
  fs::rename(path + "-wal.new", path + "-wal");
  EXPECT_FALSE(found.may_checkpoint());
}

}  // namespace
}  // namespace busway::sqlite
