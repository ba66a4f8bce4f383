#include "../../../plugins/tail/find_file.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <system_error>
#include <temporary_folder.hpp>

namespace tail {
namespace {

namespace fs = std::filesystem;

class FindFileTest : public ::testing::Test {
 protected:
  FindFileTest() {
    fs::create_directory(folder_.file("zz"));
    std::ofstream(path_ + ".1") << "text";
    identity_ = identity_of(path_ + ".1").value();
  }

  busway::TemporaryFolder folder_;
  const std::string path_ = fs::canonical(folder_.path()).string() + "/zz/app.log";
  FileIdentity identity_;
};

TEST_F(FindFileTest, KnowsItByWhatItIs) {
  std::ofstream(path_) << "text";
  EXPECT_EQ(find_file({.identity = identity_}, path_), path_ + ".1");
  ++identity_.inode;
  EXPECT_NE(find_file({.identity = identity_}, path_), path_ + ".1");
}

TEST_F(FindFileTest, OfAnotherDeviceMayBeItWhenSomethingWasReadOfIt) {
  ++identity_.device;
  EXPECT_EQ(find_file({.identity = identity_}, path_), std::nullopt);
  EXPECT_EQ(find_file({.identity = identity_, .last_sha256 = "..."}, path_), path_ + ".1");
}

TEST_F(FindFileTest, LooksWhereItIsAlsoWhenAnotherFolderCannotBeLookedThrough) {
  std::ofstream(folder_.file("aa")) << "no folder";
  fs::create_symlink("../aa/app.log", path_);
  EXPECT_EQ(find_file({.identity = identity_}, path_), path_ + ".1");
  fs::remove(path_ + ".1");
  try {
    (void)find_file({.identity = {.device = 1, .inode = 1}}, path_);
    FAIL() << "nothing was told";
  } catch (const std::system_error& error) {
    EXPECT_NE(std::string(error.what()).find("/aa\""), std::string::npos) << error.what();
  }
}

TEST_F(FindFileTest, LinksThatLeadToEachOtherLeadNowhere) {
  fs::create_symlink("b.log", path_);
  fs::create_symlink("app.log", folder_.file("zz/b.log"));
  EXPECT_EQ(find_file({.identity = identity_}, path_), path_ + ".1");
}

}  // namespace
}  // namespace tail
