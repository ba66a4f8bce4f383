#include "../../../plugins/console/input.hpp"
#include <test_paths.hpp>

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <system_error>

namespace console {
namespace {

std::string refusal(const std::string& path) {
  try {
    const Input input(path);
  } catch (const std::system_error& error) {
    return error.what();
  }
  return "opened";
}

TEST(Input, AFileIsNotATerminalAndNotAStream) {
  EXPECT_EQ(Input(BUSWAY_SOURCE_DIR "/examples/bot/sample.txt").kind(), Input::Kind::file);
}

TEST(Input, OfADeviceOnlyReadingTells) {
  EXPECT_EQ(Input("/dev/null").kind(), Input::Kind::stream);
}

TEST(Input, RefusalsNameThePath) {
  EXPECT_EQ(refusal("/no/such/log"),
            "cannot open the input \"/no/such/log\": No such file or directory");
  EXPECT_EQ(refusal("/usr"), "cannot read the input \"/usr\": Is a directory");
}

}  // namespace
}  // namespace console
