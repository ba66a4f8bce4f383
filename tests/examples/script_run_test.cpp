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

constexpr const char* kProgramsFolder = BUSWAY_SOURCE_DIR "/build/release/";

/// What script/run --dry-run says for the example.
std::string plan_of(const std::string& arguments) {
  const Said said = script_run("--dry-run --example " + arguments);
  EXPECT_EQ(said.code, 0) << said.text;
  return said.text;
}

/// A file of the build that script/run makes is one of this build too, under the same name.
bool is_built(const std::string& file) {
  return std::filesystem::exists(std::string(BUSWAY_BINARY_DIR) + '/' + file);
}

TEST(ScriptRun, AConfigurationIsRunByTheTool) {
  EXPECT_EQ(plan_of("ssh-guard"), std::string("build busway_tool busway_ssh_guard\nin .\nstart '") +
                                      kProgramsFolder +
                                      "bin/busway' 'run' '--until-idle' "
                                      "'examples/ssh_guard/ssh_guard.yaml'\n");
  EXPECT_TRUE(is_built("bin/busway"));
  EXPECT_TRUE(std::filesystem::exists(BUSWAY_SOURCE_DIR "/examples/ssh_guard/ssh_guard.yaml"));
}

TEST(ScriptRun, AProgramIsRunInItsFolder) {
  for (const std::string name : {"orchestrator", "tasks"}) {
    const std::string program = "examples/bin/example_" + name;
    EXPECT_EQ(plan_of(name), "build example_" + name + "\nin examples/" + name + "\nstart '" +
                                 kProgramsFolder + program + "'\n");
    EXPECT_TRUE(is_built(program)) << program;
    EXPECT_TRUE(std::filesystem::exists(BUSWAY_SOURCE_DIR "/examples/" + name));
  }
}

TEST(ScriptRun, ANumberMayBeLeftOutAndArgumentsGoToTheExample) {
  const std::string plan = plan_of("hello 'two words'");
  EXPECT_EQ(plan, plan_of("01_hello 'two words'"));
  EXPECT_NE(plan.find("bin/example_01_hello' 'two words'\n"), std::string::npos) << plan;
}

TEST(ScriptRun, WithoutANameItIsTheBot) {
  const Said said = script_run("--dry-run");
  EXPECT_EQ(said.code, 0);
  EXPECT_EQ(said.text, plan_of("bot"));
  EXPECT_NE(said.text.find("'--watch' 'examples/bot/bot.yaml'"), std::string::npos) << said.text;
}

}  // namespace
}  // namespace busway
