#include "../../../plugins/tail/positions.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <system_error>
#include <temporary_folder.hpp>
#include <vector>

namespace {

/// What was brought to the disk, while a test asks: the names then.
std::vector<std::string>* synced = nullptr;

}  // namespace

/// In place of that of the C library.
extern "C" int fsync(int fd) {
  if (synced != nullptr) {
    std::error_code ignored;
    synced->push_back(
        std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(fd), ignored).string());
  }
  return ::fdatasync(fd);
}

namespace tail {
namespace {

using nlohmann::json;

class PositionsTest : public ::testing::Test {
 protected:
  const busway::TemporaryFolder folder_;
  const std::string file_ = folder_.file("positions.json");
  const Positions some_{
      {"a.log",
       {.current = {.identity = {.device = 1, .inode = 2},
                    .offset = 3,
                    .read = 5,
                    .last_bytes = 4,
                    .last_sha256 = "5e"},
        .retired = {{.identity = {.device = 6, .inode = 7}, .offset = 8, .read = 8}}}},
      {"b.log", {}}};
};

TEST_F(PositionsTest, ComeBackAsTheyWereKept) {
  store_positions(file_, write_positions(some_));
  EXPECT_EQ(write_positions(load_positions(file_)), write_positions(some_));
  const Position current = load_positions(file_).at("a.log").current;
  EXPECT_EQ(current.identity, (FileIdentity{.device = 1, .inode = 2}));
  EXPECT_EQ(current.offset, 3);
  EXPECT_EQ(current.read, 5);
  EXPECT_EQ(current.last_bytes, 4U);
  EXPECT_EQ(current.last_sha256, "5e");
  const std::vector<Position> retired = load_positions(file_).at("a.log").retired;
  ASSERT_EQ(retired.size(), 1U);
  EXPECT_EQ(retired[0].identity.inode, 7U);
  EXPECT_EQ(retired[0].offset, 8);
}

TEST_F(PositionsTest, OfAnEarlierBuildAreUnderstood) {
  const Positions read =
      read_positions(json::parse(R"({"a.log": {"device": 1, "inode": 2, "offset": 3}})"));
  EXPECT_EQ(read.at("a.log").current.offset, 3);
  EXPECT_EQ(read.at("a.log").current.read, 3);
  EXPECT_EQ(read.at("a.log").current.last_sha256, "");
}

TEST_F(PositionsTest, AreOnTheDiskBeforeTheyTakeThePlaceOfTheOldOnesAndTheirNameAfter) {
  std::vector<std::string> names;
  synced = &names;
  store_positions(file_, write_positions(some_));
  synced = nullptr;
  const std::string folder = std::filesystem::canonical(folder_.path()).string();
  EXPECT_EQ(names, (std::vector<std::string>{folder + "/positions.json.new", folder}));
}

TEST_F(PositionsTest, ThatCannotBeWrittenAreAnErrorThatNamesTheFile) {
  const std::string file = folder_.file("no/such/folder.json");
  try {
    store_positions(file, write_positions(some_));
    FAIL() << "written";
  } catch (const std::system_error& error) {
    EXPECT_EQ(std::string(error.what()),
              "cannot write \"" + file + "\": No such file or directory");
  }
}

TEST_F(PositionsTest, ThatAreNoneAreAnErrorThatSaysWhatToDo) {
  for (const char* const text : {"", "{", "[1]", R"({"a": {"device": 1}})", R"({"a": 1})"}) {
    std::ofstream(file_) << text;
    try {
      (void)load_positions(file_);
      FAIL() << text;
    } catch (const std::runtime_error& error) {
      EXPECT_NE(std::string(error.what()).find("remove it"), std::string::npos) << error.what();
    }
  }
}

}  // namespace
}  // namespace tail
