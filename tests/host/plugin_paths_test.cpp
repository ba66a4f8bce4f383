#include "host/plugin_paths.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "busway/error.hpp"
#include "config_folder.hpp"

namespace busway::host_detail {
namespace {

namespace fs = std::filesystem;

class PluginPaths : public testing::Test {
 protected:
  PluginPaths() {
    folder_.write("x", "beside.so");
    more_.write("x", "libmore.so");
    more_.write("x", "beside.so");
    outside_.write("x", "far.so");
  }

  [[nodiscard]] std::string find(const std::string& path) const {
    return find_plugin(path, places_);
  }

  [[nodiscard]] std::string refusal(const std::string& path) const {
    try {
      return "found " + find(path);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::bad_plugin_file);
      return error.what();
    }
  }

  ConfigFolder folder_;
  ConfigFolder more_;
  ConfigFolder outside_;
  PluginPlaces places_{folder_.path().string(), {more_.path().string()}};
};

TEST_F(PluginPaths, ABareNameIsLookedForBesideTheFileFirst) {
  EXPECT_EQ(find("beside"), folder_.file("beside.so"));
  EXPECT_EQ(find("beside.so"), folder_.file("beside.so"));
}

TEST_F(PluginPaths, ABareNameMayBeThatOfAManifest) {
  more_.write("x", "more.plugin.yaml");
  EXPECT_EQ(find("more.plugin.yaml"), more_.file("more.plugin.yaml"));
}

TEST_F(PluginPaths, ABareNameIsLookedForInTheFoldersAlsoWithLibBeforeIt) {
  EXPECT_EQ(find("more"), more_.file("libmore.so"));
}

TEST_F(PluginPaths, ANameThatIsNowhereIsAnErrorThatNamesThePlacesAndTheNearestOne) {
  const std::string text = refusal("besyde");
  EXPECT_NE(text.find("\"besyde\""), std::string::npos) << text;
  EXPECT_NE(text.find(folder_.path().string()), std::string::npos) << text;
  EXPECT_NE(text.find(more_.path().string()), std::string::npos) << text;
  EXPECT_NE(text.find("did you mean \"beside\""), std::string::npos) << text;
}

TEST_F(PluginPaths, ARelativePathStartsAtTheFileAndMayNameWhatDoesNotExist) {
  EXPECT_EQ(find("./beside.so"), folder_.file("beside.so"));
  EXPECT_EQ(find("sub/gone.so"), folder_.file("sub/gone.so"));
}

TEST_F(PluginPaths, ARelativePathThatLeadsOutIsRefused) {
  const std::string path = "../" + outside_.path().filename().string() + "/far.so";
  const std::string text = refusal(path);
  EXPECT_NE(text.find("leads out"), std::string::npos) << text;
  EXPECT_NE(text.find(path), std::string::npos) << text;
  EXPECT_NE(text.find(outside_.file("far.so")), std::string::npos) << text;
}

TEST_F(PluginPaths, ARelativePathMayLeadIntoOneOfTheFolders) {
  EXPECT_EQ(find("../" + more_.path().filename().string() + "/libmore.so"),
            more_.file("libmore.so"));
}

TEST_F(PluginPaths, ALinkThatLeadsOutIsRefusedHoweverItIsNamed) {
  fs::create_symlink(outside_.file("far.so"), folder_.file("link.so"));
  fs::create_symlink(outside_.path(), folder_.file("sub"));
  for (const std::string path : {"link", "link.so", "./link.so", "sub/far.so"}) {
    EXPECT_NE(refusal(path).find("leads out"), std::string::npos) << path;
  }
  EXPECT_NE(refusal(folder_.file("link.so")).find("leads out"), std::string::npos);
}

TEST_F(PluginPaths, AFolderWhoseNameBeginsAlikeIsOutside) {
  const fs::path twin = folder_.path().string() + "_twin";
  fs::create_directory(twin);
  const std::string text = refusal("../" + twin.filename().string() + "/x.so");
  fs::remove_all(twin);
  EXPECT_NE(text.find("leads out"), std::string::npos) << text;
}

TEST_F(PluginPaths, AnAbsolutePathIsTaken) {
  EXPECT_EQ(find(outside_.file("far.so")), outside_.file("far.so"));
}

}  // namespace
}  // namespace busway::host_detail
