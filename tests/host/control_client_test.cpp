#include "host/control_client.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>

#include <temporary_folder.hpp>

#include "busway/error.hpp"
#include "host/control_server.hpp"
#include "other_user.hpp"
#include "platform/local_socket.hpp"

namespace busway::host_detail {
namespace {

constexpr std::chrono::minutes kClientGuard(1);

ErrorCode refusal_of(const std::function<void()>& call, const std::string& part) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    return error.code();
  }
  return ErrorCode::ok;
}

TEST(ControlClient, AsksAgainAndAgain) {
  const TemporaryFolder folder;
  const ControlServer server(ControlSocket::open(folder.file("a")),
                             [](std::string_view line, ControlReply& reply) {
                               (void)reply.send(R"({"asked":)" + std::string(line) + '}');
                             },
                             {});
  ControlClient client(folder.file("a"));
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(client.ask({{"n", i}}, kClientGuard), (Json{{"asked", {{"n", i}}}}));
  }
}

TEST(ControlClient, SaysWhenNobodyListens) {
  const TemporaryFolder folder;
  const std::string path = folder.file("a");
  EXPECT_EQ(refusal_of([&] { const ControlClient client(path); }, "there is no control socket"),
            ErrorCode::not_found);
  { const platform_detail::Descriptor dead = platform_detail::listen_locally(path); }
  EXPECT_EQ(refusal_of([&] { const ControlClient client(path); }, "has ended"),
            ErrorCode::not_found);
  EXPECT_EQ(refusal_of([&] { const ControlClient client(std::string(200, 'x')); }, "too long"),
            ErrorCode::io_error);
}

TEST(ControlClient, SaysWhenTheHostDoesNotAnswerOrHangsUpOrTalksNonsense) {
  const TemporaryFolder folder;
  const std::string path = folder.file("a");
  const platform_detail::Descriptor listener = platform_detail::listen_locally(path);
  const auto ask = [&](ControlClient& client, std::chrono::nanoseconds patience) {
    return [&client, patience] { (void)client.ask({{"do", "plugins"}}, patience); };
  };
  {
    ControlClient client(path);
    EXPECT_EQ(refusal_of(ask(client, std::chrono::milliseconds(1)), "does not answer"),
              ErrorCode::timed_out);
    (void)platform_detail::accept_locally(listener.get());
    EXPECT_EQ(refusal_of(ask(client, kClientGuard), "has hung up"), ErrorCode::io_error);
  }
  {
    ControlClient client(path);
    const platform_detail::Descriptor host = platform_detail::accept_locally(listener.get());
    const std::string nonsense = "\x01nonsense\n[1]\n";
    ASSERT_EQ(::write(host.get(), nonsense.data(), nonsense.size()),
              static_cast<ssize_t>(nonsense.size()));
    EXPECT_EQ(refusal_of(ask(client, kClientGuard), "the host at \"" + path + "\" has given"),
              ErrorCode::io_error);
    EXPECT_EQ(refusal_of(ask(client, kClientGuard), "it is no object"), ErrorCode::io_error);
  }
}

TEST(ControlClient, OfRootBelievesAHostOnlyOfAFolderOfTheHostsUser) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root meets the hosts of other users";
  constexpr uid_t kOther = 12345;
  const TemporaryFolder folder;
  ASSERT_EQ(::chmod(folder.path().c_str(), 0711), 0);
  const auto make = [&](const std::string& name, uid_t owner) {
    std::filesystem::create_directory(folder.file(name));
    EXPECT_EQ(::chown(folder.file(name).c_str(), owner, owner), 0);
    return folder.file(name + "/a");
  };
  const std::string own = make("own", kOther);
  const OtherUser other(kOther);
  const platform_detail::Descriptor host = other.listen(own);
  EXPECT_NO_THROW(ControlClient{own});

  const std::string link = folder.file("link");
  std::filesystem::create_symlink(own, link);
  EXPECT_NO_THROW(ControlClient{link}) << "the folder is that of the socket itself";
  EXPECT_EQ(::chmod(folder.file("own").c_str(), 0777), 0);
  EXPECT_EQ(refusal_of([&] { const ControlClient client(own); }, "that others may write to"),
            ErrorCode::denied);

  const std::string foreign = make("foreign", kOther + 1);
  EXPECT_EQ(::chmod(folder.file("foreign").c_str(), 0777), 0);
  const platform_detail::Descriptor impostor = other.listen(foreign);
  EXPECT_EQ(::chmod(folder.file("foreign").c_str(), 0755), 0);
  EXPECT_EQ(refusal_of([&] { const ControlClient client(foreign); }, "of user 12346"),
            ErrorCode::denied);
}

}  // namespace
}  // namespace busway::host_detail
