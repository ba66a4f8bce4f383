#include "host/control_server.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include <eventually.hpp>
#include <temporary_folder.hpp>

#include "control_fixture.hpp"

namespace busway::host_detail {
namespace {

constexpr std::chrono::hours kPatient(1);

/// Answers each line with itself, "wait" only when it is let go, and "big" with very much.
class ControlServerTest : public ::testing::Test {
 protected:
  static constexpr std::size_t kBig = std::size_t{16} << 20U;

  ~ControlServerTest() override { let_go(); }

  void serve(std::chrono::milliseconds patience = kPatient, std::size_t clients_max = 32) {
    server_.emplace(
        ControlSocket::open(path()),
        [this](std::string_view line, ControlReply& reply) {
          if (line == "wait") {
            ++waiting_;
            free_.wait();
          }
          (void)reply.send(line == "big" ? std::string(kBig, 'x') : std::string(line));
        },
        ControlServer::Options{patience, clients_max});
  }
  void let_go() {
    if (!std::exchange(let_go_, true)) let_.set_value();
  }
  [[nodiscard]] std::string path() const { return folder_.file("host.sock"); }
  void expect_served() const { EXPECT_EQ(RawClient(path()).ask("hello"), "hello"); }

  TemporaryFolder folder_;
  std::promise<void> let_;
  std::shared_future<void> free_{let_.get_future()};
  bool let_go_ = false;
  std::atomic<int> waiting_{0};
  std::optional<ControlServer> server_;
};

TEST_F(ControlServerTest, AnswersEachClientInTheOrderOfItsLines) {
  serve();
  RawClient one(path());
  RawClient other(path());
  EXPECT_TRUE(one.send("a\nb\n\nc"));
  EXPECT_TRUE(other.send("1\n"));
  EXPECT_TRUE(one.send("\n"));
  for (const std::string line : {"a", "b", "", "c"}) EXPECT_EQ(one.line(), line);
  EXPECT_EQ(other.line(), "1");
}

TEST_F(ControlServerTest, OneThatAsksAndSendsNoMoreIsAnswered) {
  serve();
  RawClient client(path());
  EXPECT_TRUE(client.send("a\nb\n"));
  client.send_no_more();
  EXPECT_EQ(client.rest(), "a\nb\n");
}

TEST_F(ControlServerTest, ARequestThatTakesLongKeepsNoOtherClientBack) {
  serve();
  RawClient slow(path());
  EXPECT_TRUE(slow.send("wait\nnext\n"));
  ASSERT_TRUE(eventually([&] { return waiting_ == 1; }));
  expect_served();
  let_go();
  EXPECT_EQ(slow.line(), "wait");
  EXPECT_EQ(slow.line(), "next");
}

TEST_F(ControlServerTest, ClientsThatDoTheirPartHalfKeepNoOtherBack) {
  serve();
  const RawClient half(path());
  EXPECT_TRUE(half.send("half a li"));
  const RawClient deaf(path());
  EXPECT_TRUE(deaf.send("big\n"));
  const RawClient silent(path());
  for (int i = 0; i < 3; ++i) expect_served();
}

TEST_F(ControlServerTest, ClientsThatDoTheirPartHalfAreDropped) {
  serve(std::chrono::milliseconds(20));
  // A slow machine may drop any of them before it has said a word.
  const RawClient half(path());
  (void)half.send("half a li");
  const RawClient silent(path());
  RawClient deaf(path());
  (void)deaf.send("big\n");
  EXPECT_TRUE(half.is_dropped());
  EXPECT_TRUE(silent.is_dropped());
  EXPECT_TRUE(deaf.is_dropped());
  EXPECT_LT(deaf.rest().size(), kBig);
  EXPECT_TRUE(eventually([&] {
    RawClient next(path());
    return next.send("hello\n") && next.line() == "hello";
  }));
}

TEST_F(ControlServerTest, OneThatWaitsForItsReplyIsNotDropped) {
  serve(std::chrono::milliseconds(5));
  std::optional<RawClient> patient;
  ASSERT_TRUE(eventually([&] {
    if (waiting_ > 0) return true;
    if (!patient || patient->has_been_dropped()) {  // before it had asked
      patient.emplace(path());
      (void)patient->send("wait\n");
    }
    return false;
  }));
  EXPECT_TRUE(RawClient(path()).is_dropped()) << "so much time has passed";
  EXPECT_FALSE(patient->has_been_dropped());
  let_go();
  EXPECT_EQ(patient->line(), "wait");
}

TEST_F(ControlServerTest, ALineThatIsTooLongIsRefusedAndTheNextOneRead) {
  serve();
  RawClient client(path());
  const std::string refusal = client.ask(std::string(std::size_t{1} << 20U, 'x'));
  EXPECT_NE(refusal.find("more than 65536 bytes"), std::string::npos) << refusal;
  EXPECT_EQ(client.ask("next"), "next");
  const std::string longest(kControlLineBytesMax, 'y');
  EXPECT_EQ(client.ask(longest), longest);
  EXPECT_EQ(client.ask(longest + 'y'), refusal);
  EXPECT_EQ(client.ask(longest), longest);
}

TEST_F(ControlServerTest, ALineThatIsNeverFinishedIsNotLookedAt) {
  serve();
  RawClient told(path());
  EXPECT_TRUE(told.send("whole\nha"));
  told.send_no_more();
  const std::string all = told.rest();
  EXPECT_TRUE(all.starts_with("whole\n")) << all;
  EXPECT_NE(all.find("was not finished"), std::string::npos) << all;
  EXPECT_TRUE(RawClient(path()).send("ha")) << "and it goes away";
  expect_served();
}

TEST_F(ControlServerTest, AClientThatGoesAwayHarmsNobody) {
  serve();
  {
    const RawClient big(path());
    EXPECT_TRUE(big.send("big\n"));
    const RawClient waits(path());
    EXPECT_TRUE(waits.send("wait\n"));
    ASSERT_TRUE(eventually([&] { return waiting_ == 1; }));
  }
  expect_served();
  let_go();
  expect_served();
}

TEST_F(ControlServerTest, NoMoreClientsThanMayBe) {
  serve(kPatient, 2);
  RawClient one(path());
  EXPECT_EQ(one.ask("1"), "1");
  {
    RawClient other(path());
    EXPECT_EQ(other.ask("2"), "2");
    const std::string refusal = RawClient(path()).rest();
    EXPECT_NE(refusal.find("\"too_many\""), std::string::npos) << refusal;
    EXPECT_EQ(one.ask("3"), "3");
  }
  EXPECT_TRUE(eventually([&] {
    RawClient next(path());
    return next.send("4\n") && next.line() == "4";
  })) << "there is room again";
}

TEST_F(ControlServerTest, AtItsEndWhatWasAskedIsAnsweredAndNobodyComesIn) {
  serve();
  RawClient asks(path());
  RawClient idle(path());
  EXPECT_EQ(idle.ask("hello"), "hello");
  EXPECT_TRUE(asks.send("wait\n"));
  ASSERT_TRUE(eventually([&] { return waiting_ == 1; }));
  std::thread end([&] { server_.reset(); });
  EXPECT_TRUE(eventually([&] { return !std::filesystem::exists(path()); }));
  let_go();
  end.join();
  EXPECT_EQ(asks.rest(), "wait\n");
  EXPECT_EQ(idle.rest(), "");
}

}  // namespace
}  // namespace busway::host_detail
