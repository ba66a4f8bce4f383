#include "host/control_server.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

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

  using Lines = std::vector<std::string>;

  void serve(const ControlServer::Options& options = {.patience = kPatient}) {
    server_.emplace(
        ControlSocket::open(path()),
        [this](std::string_view line, ControlReply& reply) {
          {
            const std::lock_guard lock(mutex_);
            begun_.emplace_back(line);
          }
          if (line == "wait") {
            ++waiting_;
            free_.wait();
          }
          (void)reply.send(line == "big" ? std::string(kBig, 'x') : std::string(line));
        },
        options);
  }
  /// The lines of which a request was made, in that order.
  [[nodiscard]] Lines begun() {
    const std::lock_guard lock(mutex_);
    return begun_;
  }
  /// One that asks for what takes long, and is gone when that has begun.
  void ask_and_leave() {
    const int before = waiting_;
    const RawClient leaves(path());
    EXPECT_TRUE(leaves.send("wait\n"));
    EXPECT_TRUE(eventually([&] { return waiting_ > before; }));
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
  std::mutex mutex_;
  Lines begun_;  // guarded by mutex_
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
  serve({.patience = std::chrono::milliseconds(20)});
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

TEST_F(ControlServerTest, OneThatReadsSlowlyIsNotDroppedAsLongAsItReads) {
  // A machine may be so slow that nothing is read within the patience: then with more of it.
  for (std::chrono::milliseconds patience(200); patience < std::chrono::seconds(10);
       patience *= 2) {
    serve({.patience = patience});
    RawClient slow(path());
    EXPECT_TRUE(slow.send("big\n"));
    std::size_t got = 0;
    for (int i = 0; i < 2; ++i) {  // the first one may have come before the reply was there
      const RawClient silent(path());
      while (!silent.has_been_dropped(patience / 20)) got += slow.some().size();
    }
    EXPECT_LT(got, kBig) << "all came before the patience was over";
    while (got <= kBig) {
      const std::size_t more = slow.some().size();
      if (more == 0) break;
      got += more;
    }
    server_.reset();
    if (got == kBig + 1) return;
  }
  ADD_FAILURE() << "it is dropped";
}

TEST_F(ControlServerTest, OneThatWaitsForItsReplyIsNotDropped) {
  serve({.patience = std::chrono::milliseconds(5)});
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

TEST_F(ControlServerTest, WhatAClientHasAskedBeforeItWentAwayIsDone) {
  serve();
  const std::string long_line(kControlLineBytesMax + 1, 'x');
  EXPECT_TRUE(RawClient(path()).send("a\nb\n" + long_line + "\nc\nno"));
  EXPECT_TRUE(eventually([&] { return begun().size() == 3; }));
  {
    const RawClient leaves(path());
    EXPECT_TRUE(leaves.send("wait\n"));
    ASSERT_TRUE(eventually([&] { return waiting_ == 1; }));
    EXPECT_TRUE(leaves.send("d\ne\n"));
  }
  expect_served();
  let_go();
  EXPECT_TRUE(eventually([&] { return begun().size() == 7; }));
  EXPECT_EQ(begun(), (Lines{"a", "b", "c", "wait", "hello", "d", "e"}));
}

TEST_F(ControlServerTest, OneThatReadsNoAnswersIsHeardAllTheSame) {
  serve();
  const RawClient client(path());
  client.read_no_more();
  for (const std::string line : {"a\n", "b\n", "c\n"}) {
    if (!client.send(line)) break;  // the server has learnt that it is deaf, and hung up
  }
  EXPECT_TRUE(client.is_dropped());
  EXPECT_GE(begun().size(), 1U);
  expect_served();
}

TEST_F(ControlServerTest, OneThatHasGoneGivesUpItsPlaceWhileItsRequestRuns) {
  serve({.patience = kPatient, .clients_max = 1});
  for (int i = 0; i < 3; ++i) ask_and_leave();
  expect_served();
}

TEST_F(ControlServerTest, NoMoreThanSoManyMayLeaveTheirRequestsRunning) {
  serve({.patience = kPatient, .clients_max = 1, .left_max = 2});
  for (int i = 0; i < 3; ++i) ask_and_leave();
  const std::string refusal = RawClient(path()).rest();
  EXPECT_NE(refusal.find("3 requests run whose clients have gone"), std::string::npos) << refusal;
  EXPECT_NE(refusal.find("\"too_many\""), std::string::npos) << refusal;
  let_go();
  EXPECT_TRUE(eventually([&] {
    RawClient next(path());
    return next.send("hello\n") && next.line() == "hello";
  })) << "there is room again";
}

TEST_F(ControlServerTest, NoMoreClientsThanMayBe) {
  serve({.patience = kPatient, .clients_max = 2});
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

TEST_F(ControlServerTest, AtItsEndAReplyThatIsBeingReadIsFinished) {
  serve({.patience = kPatient, .patience_at_end = kPatient});
  RawClient reads(path());
  EXPECT_TRUE(reads.send("big\n"));
  std::size_t got = reads.some().size();
  EXPECT_GT(got, 0U);
  RawClient also(path());
  EXPECT_TRUE(also.send("wait\n"));
  ASSERT_TRUE(eventually([&] { return waiting_ == 1; }));
  std::thread end([&] { server_.reset(); });
  EXPECT_TRUE(eventually([&] { return !std::filesystem::exists(path()); }));
  got += reads.rest_until(kBig + 1 - got).size();
  EXPECT_EQ(got, kBig + 1) << "also while another request keeps the end back";
  let_go();
  end.join();
  EXPECT_EQ(also.rest(), "wait\n");
}

TEST_F(ControlServerTest, AtItsEndOneThatDoesNotReadIsNotWaitedForForEver) {
  serve({.patience = kPatient, .patience_at_end = std::chrono::milliseconds(1)});
  RawClient deaf(path());
  EXPECT_TRUE(deaf.send("big\n"));
  EXPECT_TRUE(eventually([&] { return deaf.has_something(); }));
  server_.reset();
  EXPECT_LT(deaf.rest().size(), kBig);
}

}  // namespace
}  // namespace busway::host_detail
