#include "host/control_client.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <future>
#include <nlohmann/json.hpp>

#include <temporary_folder.hpp>

#include "busway/error.hpp"
#include "host/control_server.hpp"
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
  EXPECT_EQ(client.process_id(), ::getpid());
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
    EXPECT_EQ(refusal_of(ask(client, kClientGuard), ""), ErrorCode::invalid_json);
    EXPECT_EQ(refusal_of(ask(client, kClientGuard), "it is no object"), ErrorCode::io_error);
  }
}

}  // namespace
}  // namespace busway::host_detail
