// Libraries that look for others beside themselves: each host opens its own copy in their folder.
#include <fcntl.h>
#include <sys/file.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include <temporary_folder.hpp>

#include "platform/child_process.hpp"
#include "plugin/isolation/probe.hpp"
#include "plugin_fixture.hpp"

namespace busway {
namespace {

namespace fs = std::filesystem;
using platform_detail::ChildProcess;
using platform_detail::Descriptor;

class CopyBeside : public PluginTest {
 protected:
  CopyBeside() {
    fs::copy_file(library("beside"), path_);
    fs::permissions(path_, fs::perms::owner_all, fs::perm_options::replace);
  }
  void load() {
    const std::string id = manager_.load(path_);
    manager_.start(id);
    manager_.unload(id);
    EXPECT_FALSE(manager_.find(id)->still_mapped);
  }
  [[nodiscard]] std::set<std::string> files() const {
    std::set<std::string> names;
    for (const auto& one : fs::directory_iterator(folder_.path()))
      names.insert(one.path().filename());
    return names;
  }

  TemporaryFolder folder_;
  const std::string path_ = folder_.file("beside.so");
};

TEST_F(CopyBeside, IsThereOnlyWhileTheLibraryIsOpened) {
  load();
  EXPECT_EQ(files(), std::set<std::string>{"beside.so"});
}

TEST_F(CopyBeside, OfAnotherHostThatIsAtWorkIsLeftAlone) {
  constexpr int kMany = 100;
  std::vector<Descriptor> theirs;
  for (int i = 1; i <= kMany; ++i) {
    const std::string name = folder_.file(".busway-beside-" + std::to_string(i) + ".so");
    theirs.emplace_back(::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700));
    ASSERT_EQ(::write(theirs.back().get(), "theirs", 6), 6);
    ASSERT_EQ(::flock(theirs.back().get(), LOCK_EX), 0);
  }
  const std::set<std::string> before = files();
  load();
  EXPECT_EQ(files(), before);
  for (const std::string& name : before) {
    if (name == "beside.so") continue;
    std::ifstream file(folder_.file(name));
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), "theirs") << name;
  }
}

TEST_F(CopyBeside, OfAHostThatWasKilledIsRemovedAndNothingElse) {
  for (const char* name :
       {".busway-beside-1.so", ".busway-other-7-Ab3dE9.so", ".busway-notes", "busway-beside-1.so"})
    std::ofstream(folder_.file(name)) << "left";
  fs::create_symlink("beside.so", folder_.file(".busway-link.so"));
  load();
  EXPECT_EQ(files(), (std::set<std::string>{".busway-link.so", ".busway-notes", "beside.so",
                                            "busway-beside-1.so"}));
}

TEST_F(CopyBeside, SeveralHostsOpenItAtOnce) {
  const std::string program = plugin_host_detail::find_plugin_host({});
  constexpr int kRounds = 10;
  constexpr int kHosts = 6;
  for (int round = 0; round < kRounds; ++round) {
    std::vector<ChildProcess> hosts;
    hosts.reserve(kHosts);
    for (int i = 0; i < kHosts; ++i)
      hosts.push_back(ChildProcess::start(program, {"--probe", path_}, {}));
    for (ChildProcess& host : hosts) {
      const auto end = host.wait(std::chrono::steady_clock::time_point::max());
      EXPECT_EQ(to_words(*end), "ended with code 0");
    }
  }
  EXPECT_EQ(files(), std::set<std::string>{"beside.so"});
}

}  // namespace
}  // namespace busway
