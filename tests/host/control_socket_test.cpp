#include "host/control_socket.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <future>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <environment.hpp>
#include <temporary_folder.hpp>

#include "busway/error.hpp"
#include "other_user.hpp"
#include "platform/local_socket.hpp"

namespace busway::host_detail {
namespace {

namespace fs = std::filesystem;

std::optional<Error> error_of_opening(
    const std::string& path, std::chrono::milliseconds lock_patience = kControlLockPatience) {
  try {
    (void)ControlSocket::open(path, lock_patience);
  } catch (const Error& error) {
    return error;
  }
  return std::nullopt;
}

void expect_refused(const std::string& path, ErrorCode code, const std::string& why) {
  const std::optional<Error> error = error_of_opening(path);
  ASSERT_TRUE(error.has_value()) << path;
  EXPECT_EQ(error->code(), code) << error->what();
  EXPECT_NE(std::string(error->what()).find(why), std::string::npos) << error->what();
}

std::uint32_t mode_of(const std::string& path) {
  struct stat facts {};
  return ::stat(path.c_str(), &facts) == 0 ? facts.st_mode & 0777U : 0;
}

TEST(ControlSocket, MakesItsFolderForThisUserAloneAndGoesWithItsFile) {
  const TemporaryFolder folder;
  const std::string path = folder.file("run/a.sock");
  {
    const ControlSocket socket = ControlSocket::open(path);
    EXPECT_EQ(socket.path(), path);
    EXPECT_EQ(mode_of(folder.file("run")), 0700U);
    EXPECT_EQ(mode_of(path), 0600U);
    EXPECT_TRUE(platform_detail::connect_locally(path).valid());
  }
  EXPECT_FALSE(fs::exists(path));
}

TEST(ControlSocket, RefusesAFolderWhereOthersCouldPutOneInItsPlace) {
  const TemporaryFolder folder;
  fs::create_directory(folder.file("open"));
  for (const mode_t mode : {mode_t{0770}, mode_t{0707}, mode_t{01777}}) {
    ASSERT_EQ(::chmod(folder.file("open").c_str(), mode), 0);
    expect_refused(folder.file("open/a.sock"), ErrorCode::invalid_option, "others may write");
  }
  ASSERT_EQ(::chmod(folder.file("open").c_str(), 0755), 0);
  EXPECT_FALSE(error_of_opening(folder.file("open/a.sock")).has_value()) << "others only look";
  fs::create_directory_symlink(folder.file("open"), folder.file("link"));
  expect_refused(folder.file("link/a.sock"), ErrorCode::invalid_option, "symbolic link");
  if (::geteuid() == 0) {
    ASSERT_EQ(::chown(folder.file("open").c_str(), 12345, 12345), 0);
    expect_refused(folder.file("open/a.sock"), ErrorCode::invalid_option, "belongs to user 12345");
  }
}

TEST(ControlSocket, RefusesAFolderThatOthersCouldPutAnotherInThePlaceOf) {
  const TemporaryFolder folder;
  fs::create_directories(folder.file("open/between"));
  fs::create_directory_symlink(folder.file("open/between"), folder.file("link"));
  const std::vector<std::string> paths{"open/mine/a.sock", "open/between/mine/a.sock",
                                       "link/mine/a.sock"};
  for (const mode_t mode : {mode_t{0775}, mode_t{0757}}) {
    ASSERT_EQ(::chmod(folder.file("open").c_str(), mode), 0);
    for (const std::string& path : paths) {
      expect_refused(folder.file(path), ErrorCode::invalid_option,
                     "others may write to \"" + folder.file("open") + '"');
      EXPECT_FALSE(fs::exists(fs::path(folder.file(path)).parent_path())) << "nothing is made";
    }
  }
  for (const mode_t mode : {mode_t{0755}, mode_t{01777}}) {
    ASSERT_EQ(::chmod(folder.file("open").c_str(), mode), 0);
    for (const std::string& path : paths)
      EXPECT_FALSE(error_of_opening(folder.file(path)).has_value()) << path;
  }
}

TEST(ControlSocket, WaitsForTheLockOfItsFolderAndNotForEver) {
  const TemporaryFolder folder;
  platform_detail::Descriptor held(::open(folder.path().c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_EQ(::flock(held.get(), LOCK_EX), 0);
  const std::optional<Error> error =
      error_of_opening(folder.file("a.sock"), std::chrono::milliseconds(20));
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->code(), ErrorCode::timed_out);
  EXPECT_EQ(std::string_view(error->what()),
            "the control socket \"" + folder.file("a.sock") +
                "\" cannot be opened: another program has kept its folder \"" +
                folder.path().native() +
                "\" locked for 20ms, which a host does only while it opens a socket; end that "
                "program (lslocks shows it), or name another folder");
  auto opened = std::async(std::launch::async, [&] {
    return error_of_opening(folder.file("a.sock"), std::chrono::minutes(1)).has_value();
  });
  held = platform_detail::Descriptor();
  EXPECT_FALSE(opened.get());
}

TEST(ControlSocket, RefusesAPathThatCannotBeOneAndSaysWhy) {
  const TemporaryFolder folder;
  expect_refused(folder.file(std::string(120, 'x')), ErrorCode::invalid_option, "at most 107");
  expect_refused(folder.file("a/"), ErrorCode::invalid_option, "name a file in it");
  expect_refused(folder.file("no/such/a.sock"), ErrorCode::io_error, "cannot be made");
  std::ofstream(folder.file("file")) << "text";
  expect_refused(folder.file("file"), ErrorCode::already_exists, "no socket");
  EXPECT_TRUE(fs::exists(folder.file("file"))) << "nothing of others is removed";
  expect_refused(folder.file("file/a.sock"), ErrorCode::invalid_option, "is no folder");
}

TEST(ControlSocket, ReplacesWhatADeadHostHasLeftAndRefusesThatOfALiveOne) {
  const TemporaryFolder folder;
  const std::string path = folder.file("a.sock");
  { const platform_detail::Descriptor dead = platform_detail::listen_locally(path); }
  ASSERT_TRUE(fs::exists(path));
  const ControlSocket socket = ControlSocket::open(path);
  EXPECT_TRUE(platform_detail::connect_locally(path).valid());
  expect_refused(path, ErrorCode::already_exists,
                 "the process " + std::to_string(::getpid()) + " listens there already");
  EXPECT_TRUE(platform_detail::connect_locally(path).valid()) << "the live one is left alone";
}

TEST(ControlSocket, TakesAwayWhatKilledHostsHaveLeftBesideIt) {
  const TemporaryFolder folder;
  const ControlSocket alive = ControlSocket::open(folder.file("11.sock"));
  const platform_detail::Descriptor also = platform_detail::listen_locally(folder.file("12.sock"));
  for (const std::string name : {"13.sock", "14.sock", "my.sock"}) {
    const platform_detail::Descriptor dead = platform_detail::listen_locally(folder.file(name));
  }
  std::ofstream(folder.file("15.sock")) << "no socket";
  const auto there = [&] {
    std::string names;
    for (const std::string name : {"11", "12", "13", "14", "15", "16", "my"})
      if (fs::exists(folder.file(name + ".sock"))) names += name + ' ';
    return names;
  };
  { const ControlSocket other = ControlSocket::open(folder.file("your.sock")); }
  EXPECT_EQ(there(), "11 12 13 14 15 my ") << "it has not the form of a default name";
  const ControlSocket next = ControlSocket::open(folder.file("16.sock"));
  EXPECT_EQ(there(), "11 12 15 16 my ");
}

TEST(ControlSocket, LeavesAFileThatHasTakenItsPlace) {
  const TemporaryFolder folder;
  const std::string path = folder.file("a.sock");
  {
    const ControlSocket socket = ControlSocket::open(path);
    fs::rename(path, folder.file("elsewhere"));
    std::ofstream(path) << "of someone else";
  }
  EXPECT_TRUE(fs::exists(path));
}

TEST(DefaultControlPath, IsInTheFolderOfTheSessionIfItHasOne) {
  const TemporaryFolder folder;
  const std::string name = std::to_string(::getpid()) + ".sock";
  const std::string without = "/tmp/busway-" + std::to_string(::geteuid()) + '/' + name;
  const EnvironmentVariable nowhere("BUSWAY_CONTROL_DIR", std::nullopt);
  {
    const EnvironmentVariable session("XDG_RUNTIME_DIR", folder.path().native());
    EXPECT_EQ(default_control_path(), folder.file("busway/" + name));
    const EnvironmentVariable told("BUSWAY_CONTROL_DIR", folder.file("told"));
    EXPECT_EQ(default_control_path(), folder.file("told/" + name));
  }
  for (const std::optional<std::string>& bad :
       {std::optional<std::string>(), std::optional<std::string>("relative"),
        std::optional<std::string>(folder.file("gone")), std::optional<std::string>("")}) {
    const EnvironmentVariable session("XDG_RUNTIME_DIR", bad);
    EXPECT_EQ(default_control_path(), without);
  }
}

TEST(RunningHosts, AreThoseThatAnswer) {
  const TemporaryFolder folder;
  const EnvironmentVariable told("BUSWAY_CONTROL_DIR", folder.path().native());
  EXPECT_TRUE(running_hosts().empty());
  {
    const platform_detail::Descriptor dead = platform_detail::listen_locally(folder.file("1.sock"));
  }
  std::ofstream(folder.file("2.sock")) << "no socket";
  const ControlSocket named = ControlSocket::open(folder.file("bot.sock"));
  fs::create_symlink(named.path(), folder.file("3.sock"));
  const ControlSocket mine = ControlSocket::open(default_control_path());
  const std::vector<ControlHost> hosts = running_hosts();
  ASSERT_EQ(hosts.size(), 1U);
  EXPECT_EQ(hosts[0].process_id, ::getpid());
  EXPECT_EQ(hosts[0].path, mine.path());
}

TEST(RunningHosts, AreThoseOfThisUserAlone) {
  const TemporaryFolder folder;
  const EnvironmentVariable told("BUSWAY_CONTROL_DIR", folder.path().native());
  const ControlSocket mine = ControlSocket::open(default_control_path());
  ASSERT_EQ(::chmod(folder.path().c_str(), 0777), 0);
  EXPECT_TRUE(running_hosts().empty()) << "anyone may have put it there";
  platform_detail::Descriptor impostor;
  if (::geteuid() == 0) impostor = OtherUser(12345).listen(folder.file("7.sock"));
  ASSERT_EQ(::chmod(folder.path().c_str(), 0700), 0);
  const std::vector<ControlHost> hosts = running_hosts();
  ASSERT_EQ(hosts.size(), 1U);
  EXPECT_EQ(hosts[0].path, mine.path());
  // The socket's file tells as little as the one who serves it, when only one of them is trusted.
  if (::geteuid() == 0) {
    ASSERT_EQ(::chown(folder.file("7.sock").c_str(), 0, 0), 0);
    EXPECT_EQ(running_hosts().size(), 1U);
  }
  fs::create_directory(folder.file("real"));
  const ControlSocket other = ControlSocket::open(folder.file("real/9.sock"));
  fs::create_directory_symlink(folder.file("real"), folder.file("link"));
  const EnvironmentVariable linked("BUSWAY_CONTROL_DIR", folder.file("link"));
  EXPECT_TRUE(running_hosts().empty());
}

}  // namespace
}  // namespace busway::host_detail
