#include "platform/local_socket.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include <temporary_folder.hpp>

namespace busway::platform_detail {
namespace {

int code_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const std::system_error& error) {
    return error.code().value();
  }
  return 0;
}

TEST(LocalSocket, TwoWhoMeetKnowEachOther) {
  const TemporaryFolder folder;
  const Descriptor listener = listen_locally(folder.file("a"));
  EXPECT_FALSE(accept_locally(listener.get()).valid()) << "nobody waits yet";
  const Descriptor one = connect_locally(folder.file("a"));
  const Descriptor other = accept_locally(listener.get());
  ASSERT_TRUE(other.valid());
  for (const int end : {one.get(), other.get()}) {
    EXPECT_EQ(peer_of(end).user, ::geteuid());
    EXPECT_EQ(peer_of(end).process, ::getpid());
  }
}

TEST(LocalSocket, IsForItsUserAlone) {
  const TemporaryFolder folder;
  const Descriptor listener = listen_locally(folder.file("a"));
  struct stat facts {};
  ASSERT_EQ(::stat(folder.file("a").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777U, 0600U);
}

TEST(LocalSocket, TellsAPlaceThatIsTakenFromOneThatIsLeft) {
  const TemporaryFolder folder;
  {
    const Descriptor listener = listen_locally(folder.file("a"));
    EXPECT_EQ(code_of([&] { (void)listen_locally(folder.file("a")); }), EADDRINUSE);
  }
  EXPECT_EQ(code_of([&] { (void)connect_locally(folder.file("a")); }), ECONNREFUSED);
  EXPECT_EQ(code_of([&] { (void)connect_locally(folder.file("b")); }), ENOENT);
}

TEST(LocalSocket, RefusesAPathThatTheKernelWouldCut) {
  const std::string longest = "/" + std::string(kLocalPathBytesMax - 1, 'x');
  EXPECT_EQ(code_of([&] { (void)connect_locally(longest); }), ENOENT);
  EXPECT_EQ(code_of([&] { (void)connect_locally(longest + 'x'); }), ENAMETOOLONG);
  EXPECT_EQ(code_of([&] { (void)listen_locally(longest + 'x'); }), ENAMETOOLONG);
  EXPECT_EQ(code_of([&] { (void)connect_locally(""); }), ENAMETOOLONG);
}

}  // namespace
}  // namespace busway::platform_detail
