// Libraries tried out in a process of their own, by the command and by a host: whatever they do to
// whoever opens them, they do it there.
#include <elf.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <temporary_folder.hpp>

#include "../plugin_fixture.hpp"
#include "busway/version.hpp"
#include "children.hpp"
#include "platform/child_process.hpp"
#include "plugin/isolation/probe.hpp"

namespace busway {
namespace {

namespace fs = std::filesystem;
using platform_detail::ChildProcess;
using platform_detail::Descriptor;
using platform_detail::ProcessEnd;

constexpr std::chrono::steady_clock::time_point kNever =
    std::chrono::steady_clock::time_point::max();

std::string program() { return plugin_host_detail::find_plugin_host({}); }

/// A copy that no manifest vouches for.
std::string bare(std::string_view name) {
  static const TemporaryFolder folder;
  std::string path = folder.file("test_" + std::string(name) + ".so");
  fs::copy_file(library(name), path, fs::copy_options::overwrite_existing);
  return path;
}

struct Ended {
  ProcessEnd end;
  std::string out;
  std::string err;
};

/// What is written is kept in files, so that none waits for another to be read.
Ended command(const std::vector<std::string>& arguments,
              const std::vector<ChildProcess::Handed>& more = {}) {
  const TemporaryFolder folder;
  const auto open_file = [&](const char* name) {
    return Descriptor(::open(folder.file(name).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  };
  const auto text = [&](const char* name) {
    std::ifstream file(folder.file(name), std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  const Descriptor out = open_file("out");
  const Descriptor err = open_file("err");
  std::vector<std::string> all{"-c", "exec \"$@\" >&8 2>&9 8>&- 9>&-", "sh", program()};
  all.insert(all.end(), arguments.begin(), arguments.end());
  std::vector<ChildProcess::Handed> handed{{out.get(), 8}, {err.get(), 9}};
  handed.insert(handed.end(), more.begin(), more.end());
  ChildProcess process = ChildProcess::start("/bin/sh", all, handed);
  Ended ended;
  ended.end = process.wait(kNever).value();
  ended.out = text("out");
  ended.err = text("err");
  return ended;
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// -- The command ----------------------------------------------------------------------------------

TEST(PluginHostProbe, EndsWithZeroAndSaysNothingOfAGoodLibrary) {
  for (const char* name : {"plain_c", "everything", "gamma", "minimal"}) {
    const Ended ended = command({"--probe", library(name)});
    EXPECT_EQ(ended.end.code, 0) << ended.err;
    EXPECT_EQ(ended.end.signal, 0);
    EXPECT_EQ(ended.out + ended.err, "");
  }
}

TEST(PluginHostProbe, EndsWithOneAndSaysWhyOfABadOne) {
  const TemporaryFolder folder;
  std::ofstream(folder.file("text.so")) << "text";
  const std::array bad{std::pair{std::string("/none.so"), "No such file"},
                       std::pair{folder.file("text.so"), "is not a shared library"},
                       std::pair{folder.path().string(), "is a directory"},
                       std::pair{library("no_entry"), "does not export busway_plugin_entry"},
                       std::pair{library("undefined"), "busway_test_nobody_defines_this"}};
  for (const auto& [path, why] : bad) {
    const Ended ended = command({"--probe", path});
    EXPECT_EQ(ended.end.code, 1) << path;
    EXPECT_EQ(ended.out, "");
    EXPECT_TRUE(mentions(ended.err, "busway-plugin-host: the plugin file \"" + path)) << ended.err;
    EXPECT_TRUE(mentions(ended.err, why)) << ended.err;
    EXPECT_EQ(ended.err.back(), '\n');
  }
  EXPECT_EQ(command({"--probe", ""}).end.code, 1);
}

TEST(PluginHostProbe, EndsWithThreeOfOneThatSpeaksAnotherAbi) {
  for (const char* name : {"abi_99", "no_table", "short", "no_create", "bad_id"}) {
    const Ended ended = command({"--probe", library(name)});
    EXPECT_EQ(ended.end.code, 3) << name;
    EXPECT_TRUE(mentions(ended.err, std::string("test_") + name + ".so")) << ended.err;
  }
}

TEST(PluginHostProbe, EndsAsTheLibraryMakesIt) {
  EXPECT_EQ(command({"--probe", library("at_load_crash")}).end.signal, SIGSEGV);
  EXPECT_EQ(command({"--probe", library("at_load_crash_at_end")}).end.signal, SIGSEGV);
  EXPECT_EQ(command({"--probe", library("at_load_exit_7")}).end.code, 7);
}

TEST(PluginHostProbe, EndsWithTwoAndTellsItsUsageWhereTheArgumentsMakeNoSense) {
  const std::vector<std::vector<std::string>> wrong{
      {},
      {"--nonsense"},
      {library("plain_c")},
      {"--probe"},
      {"--probe", library("plain_c"), library("plain_c")},
      {"--probe", "--descriptor", "3"},
      {"--probe", "--descriptor", "x", library("plain_c")},
      {"--probe", "--descriptor", "-1", library("plain_c")},
      {"--probe", "--descriptor", "3x", library("plain_c")},
      {"--probe", "--descriptor", "99999999999", library("plain_c")},
      {"--probe", "--words", "", library("plain_c")},
      {"--probe", "--other", "3", library("plain_c")}};
  for (const std::vector<std::string>& arguments : wrong) {
    const Ended ended = command(arguments);
    EXPECT_EQ(ended.end.code, 2) << ended.err;
    EXPECT_EQ(ended.out, "");
    EXPECT_TRUE(mentions(ended.err, "busway-plugin-host: ")) << ended.err;
    EXPECT_TRUE(mentions(ended.err, "usage: busway-plugin-host --probe")) << ended.err;
  }
  EXPECT_TRUE(mentions(command({"--nonsense"}).err, "\"--nonsense\" is none of its arguments"));
  EXPECT_TRUE(mentions(command({}).err, "it is started by a host"));
}

TEST(PluginHostProbe, TellsItsHelpAndItsVersion) {
  const Ended help = command({"--help"});
  EXPECT_EQ(help.end.code, 0);
  EXPECT_EQ(help.err, "");
  EXPECT_EQ(help.out.rfind("usage: busway-plugin-host --probe", 0), 0U) << help.out;
  const Ended version = command({"--version"});
  EXPECT_EQ(version.end.code, 0);
  EXPECT_EQ(version.out, "busway-plugin-host " + std::string(kVersion) + "\n");
}

TEST(PluginHostProbe, ReadsTheLibraryFromADescriptorAndWritesWhyToAnother) {
  const TemporaryFolder folder;
  const std::string good = library("plain_c");
  const Descriptor file(::open(good.c_str(), O_RDONLY | O_CLOEXEC));
  const Descriptor words(
      ::open(folder.file("words").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  EXPECT_EQ(
      command({"--probe", "--descriptor", "3", "/only/a/name.so"}, {{file.get(), 3}}).end.code, 0);
  const Descriptor bad(::open("/etc/passwd", O_RDONLY | O_CLOEXEC));
  const Ended ended = command({"--probe", "--words", "4", "--descriptor", "3", "/only/a/name.so"},
                              {{bad.get(), 3}, {words.get(), 4}});
  EXPECT_EQ(ended.end.code, 1);
  EXPECT_EQ(ended.err, "");
  const std::string said = read_file(folder.file("words"));
  EXPECT_EQ(said.rfind("the plugin file \"/only/a/name.so\" is ", 0), 0U) << said;
  const Ended closed = command({"--probe", "--descriptor", "33", "/only/a/name.so"});
  EXPECT_EQ(closed.end.code, 1);
  EXPECT_TRUE(mentions(closed.err, "/only/a/name.so")) << closed.err;
}

// -- By a host ------------------------------------------------------------------------------------

class Probe : public PluginTest {
 protected:
  void SetUp() override { run("alpha"); }
  void TearDown() override {
    EXPECT_FALSE(isolated() ? false : has_children()) << "a process was left behind";
    EXPECT_EQ(manager_.find("alpha")->state, PluginState::running);
    EXPECT_EQ(manager_.health("alpha").level, PluginHealthInfo::Level::ok);
  }
  std::string write(const std::string& bytes, const std::string& name = "some.so") {
    const std::string path = folder_.file(name);
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
    fs::permissions(path, fs::perms::owner_all, fs::perm_options::replace);
    return path;
  }
  void refuse(PluginManager& manager, const std::string& name, const std::string& words) {
    const Error error = error_of([&] { manager.load(bare(name)); });
    EXPECT_EQ(error.code(), ErrorCode::bad_plugin_file) << error.what();
    EXPECT_TRUE(mentions(error.what(), "test_" + name + ".so")) << error.what();
    EXPECT_TRUE(mentions(error.what(), words)) << error.what();
  }
  /// It is loaded and unloaded again, or an error names the file. Whether it was.
  static bool goes_either_way(PluginManager& manager, const PluginSpec& spec) {
    std::string id;
    try {
      id = manager.load(spec);
    } catch (const Error& error) {
      EXPECT_TRUE(mentions(error.what(), fs::path(spec.path).filename().string()) ||
                  mentions(error.what(), "the plugin plain_c"))
          << error.what();
      return false;
    }
    try {
      manager.unload(id);
    } catch (const Error& error) {
      ADD_FAILURE() << error.what();
    }
    return true;
  }

  TemporaryFolder folder_;
};

TEST_F(Probe, OfALibraryThatCrashesWhenItIsOpened) {
  refuse(manager_, "at_load_crash",
         "was tried out in a process of its own, which was killed by SIGSEGV");
}
TEST_F(Probe, OfOneThatCrashesWhenItIsClosed) {
  refuse(manager_, "at_load_crash_at_end", "which was killed by SIGSEGV");
}
TEST_F(Probe, OfOneThatEndsTheProgram) {
  refuse(manager_, "at_load_exit_7", "which ended with code 7");
}
TEST_F(Probe, OfOneThatEndsTheProgramAsIfAllWereWell) {
  // A program that a library ends as if all were well would count as a test that passed.
  static bool over = false;
  ASSERT_EQ(std::atexit([] {
              if (!over) ::_exit(99);
            }),
            0);
  refuse(manager_, "at_load_exit_0", "which ended with code 0");
  over = true;
}
TEST_F(Probe, OfOneThatNeverComesBack) {
  PluginManager manager(bus_, {.call_timeout = std::chrono::milliseconds(300)});
  refuse(manager, "at_load_loop", "which did not come back in time and was killed");
}
TEST_F(Probe, WhereTheProgramCollectsAllItsChildren) {
  const auto before = ::signal(SIGCHLD, SIG_IGN);
  refuse(manager_, "at_load_crash", "was tried out in a process of its own");
  EXPECT_EQ(manager_.load(bare("plain_c")), "plain_c") << "and a good one is good";
  (void)::signal(SIGCHLD, before);
}
TEST_F(Probe, WithAProgramThatIsNone) {
  PluginManager manager(bus_, {.plugin_host = "/none/busway-plugin-host"});
  const Error error = error_of([&] { manager.load(bare("plain_c")); });
  EXPECT_EQ(error.code(), ErrorCode::plugin_failed);
  EXPECT_TRUE(mentions(error.what(), "test_plain_c.so")) << error.what();
  EXPECT_TRUE(mentions(error.what(), "/none/busway-plugin-host")) << error.what();
}
TEST_F(Probe, WithAProgramThatIsAnother) {
  // It ends well whatever its arguments are, and has tried nothing.
  PluginManager manager(bus_, {.plugin_host = "/bin/true"});
  refuse(manager, "plain_c", "was tried out in a process of its own, which ended with code 0");
}

TEST_F(Probe, OfTheSameInAProcessForThePlugin) {
  PluginRules rules;
  rules.isolation = PluginIsolation::process;
  PluginManager manager(bus_, {.call_timeout = std::chrono::milliseconds(2000)});
  const std::array bad{std::pair{"at_load_crash", "was killed by SIGSEGV"},
                       std::pair{"at_load_exit_7", "ended with code 7"},
                       std::pair{"at_load_exit_0", "ended with code 0"},
                       std::pair{"at_load_loop", "did not open the library in time"}};
  for (const auto& one : bad) {
    const std::string name = one.first;
    const std::string words = one.second;
    const Error error =
        error_of([&] { manager.load(PluginSpec{.path = library(name), .rules = rules}); });
    EXPECT_EQ(error.code(), ErrorCode::bad_plugin_file) << error.what();
    EXPECT_TRUE(mentions(error.what(), "test_" + name + ".so")) << error.what();
    EXPECT_TRUE(mentions(error.what(), words)) << error.what();
  }
}

TEST_F(Probe, OfALibraryCutAnywhereByTheCommandAndByAProcessForThePlugin) {
  PluginRules rules;
  rules.isolation = PluginIsolation::process;
  const std::string whole = read_file(library("plain_c"));
  for (std::size_t size = 0; size < whole.size(); size += 4096) {
    const std::string path = write(whole.substr(0, size));
    EXPECT_EQ(command({"--probe", path}).end.code, 1) << size;
    const Error error = error_of([&] { manager_.load(PluginSpec{.path = path, .rules = rules}); });
    EXPECT_EQ(error.code(), ErrorCode::bad_plugin_file);
    EXPECT_TRUE(mentions(error.what(), "some.so")) << error.what();
  }
  const std::string path = write(whole);
  EXPECT_EQ(command({"--probe", path}).end.code, 0);
  EXPECT_EQ(manager_.load(PluginSpec{.path = path, .rules = rules}), "plain_c");
  manager_.unload("plain_c");
}

/// What runs is in a process of its own from the first instruction to the last, so that any bit of
/// it may be wrong.
TEST_F(Probe, OfALibraryWithAnyBitTurnedInAProcessForThePlugin) {
  PluginRules rules;
  rules.isolation = PluginIsolation::process;
  PluginManager manager(bus_, {.call_timeout = std::chrono::seconds(2)});
  const std::string whole = read_file(library("plain_c"));
  std::mt19937_64 random(200);  // NOLINT: the same ones each time
  int good = 0;
  constexpr int kRounds = 200;
  for (int round = 0; round < kRounds; ++round) {
    std::string bytes = whole;
    const std::size_t at = random() % bytes.size();
    const auto bit = static_cast<unsigned>(random() % 8);
    bytes[at] = static_cast<char>(static_cast<unsigned char>(bytes[at]) ^ (1U << bit));
    SCOPED_TRACE("bit " + std::to_string(bit) + " of byte " + std::to_string(at));
    good += goes_either_way(manager, {.path = write(bytes), .rules = rules}) ? 1 : 0;
  }
  EXPECT_GT(good, 0) << "most bits are of names, of notes, or of nothing";
  EXPECT_LT(good, kRounds);
}

/// What a host opens itself is tried out as far as its table, which needs all of its headers. (Code
/// that only runs later is the plugin's own; where it is not to be trusted with the host's life it
/// has a process.)
TEST_F(Probe, OfALibraryWithABitTurnedInWhatDescribesIt) {
  const std::string whole = read_file(library("plain_c"));
  Elf64_Ehdr header;
  std::memcpy(&header, whole.data(), sizeof header);
  const std::size_t described = header.e_phoff + std::size_t{header.e_phnum} * sizeof(Elf64_Phdr);
  ASSERT_LT(described, whole.size());
  std::mt19937_64 random(300);  // NOLINT: the same ones each time
  PluginManager manager(bus_, {.call_timeout = std::chrono::seconds(5)});
  int good = 0;
  constexpr int kRounds = 200;
  for (int round = 0; round < kRounds; ++round) {
    std::string bytes = whole;
    const std::size_t at = random() % described;
    const auto bit = static_cast<unsigned>(random() % 8);
    bytes[at] = static_cast<char>(static_cast<unsigned char>(bytes[at]) ^ (1U << bit));
    SCOPED_TRACE("bit " + std::to_string(bit) + " of byte " + std::to_string(at));
    good += goes_either_way(manager, {.path = write(bytes)}) ? 1 : 0;
  }
  EXPECT_GT(good, 0);
  EXPECT_LT(good, kRounds);
}

}  // namespace
}  // namespace busway
