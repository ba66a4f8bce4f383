// script/run --example NAME, as far as it builds nothing.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <string>

#include <test_paths.hpp>

namespace busway {
namespace {

struct Said {
  int code = -1;
  std::string text;
};

Said script_run(const std::string& arguments) {
  Said said;
  std::FILE* const pipe =
      ::popen((BUSWAY_SOURCE_DIR "/script/run " + arguments + " 2>&1 </dev/null").c_str(), "re");
  if (pipe == nullptr) return said;
  std::array<char, 4096> buffer{};
  while (const std::size_t got = std::fread(buffer.data(), 1, buffer.size(), pipe)) {
    said.text.append(buffer.data(), got);
  }
  const int status = ::pclose(pipe);
  if (WIFEXITED(status)) said.code = WEXITSTATUS(status);
  return said;
}

TEST(ScriptRun, AWrongNameListsTheRightOnes) {
  const Said said = script_run("--example shh-guard");
  EXPECT_EQ(said.code, 2);
  EXPECT_NE(said.text.find("there is no example \"shh-guard\""), std::string::npos) << said.text;
  for (const auto& entry : std::filesystem::directory_iterator(BUSWAY_SOURCE_DIR "/examples")) {
    if (!entry.is_directory()) continue;
    std::string name = entry.path().filename().string();
    if (name[0] >= '0' && name[0] <= '9') name.erase(0, 3);
    for (char& c : name) c = c == '_' ? '-' : c;
    EXPECT_NE((said.text + " ").find(" " + name), std::string::npos) << name << ": " << said.text;
  }
}

TEST(ScriptRun, AMissingNameListsTheRightOnesToo) {
  const Said said = script_run("--example");
  EXPECT_EQ(said.code, 2);
  EXPECT_NE(said.text.find("ssh-guard"), std::string::npos) << said.text;
}

}  // namespace
}  // namespace busway
