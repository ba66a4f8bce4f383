// With real programs.
#include "notifier/sender.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <eventually.hpp>
#include <fstream>
#include <mutex>
#include <sstream>
#include <string>
#include <temporary_folder.hpp>
#include <vector>

namespace notifier {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::milliseconds kHangGuard = 60s;  // only for tests that would otherwise hang

class NotifierSender : public ::testing::Test {
 protected:
  [[nodiscard]] std::vector<std::string> script(const std::string& text) const {
    return {"/bin/sh", "-c", text, "sh", folder_.file("out"), folder_.file("gate")};
  }
  [[nodiscard]] std::string out() const {
    std::ifstream in(folder_.file("out"), std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
  }
  void open_gate() const { std::ofstream(folder_.file("gate")).flush(); }

  /// What was told; "fault: " or "repair: " before it.
  Sender::Tell note(const std::string& kind) {
    return [this, kind](const std::string& words) {
      const std::lock_guard lock(mutex_);
      told_.push_back(kind + words);
    };
  }
  [[nodiscard]] std::vector<std::string> told() {
    const std::lock_guard lock(mutex_);
    return told_;
  }

  busway::TemporaryFolder folder_;
  std::mutex mutex_;
  std::vector<std::string> told_;
};

/// Takes its text, then holds on until the gate is open.
constexpr const char* kHolds = "cat >> \"$1\"; until test -e \"$2\"; do sleep 0.01; done";

TEST_F(NotifierSender, WhatComesWhileTheCommandRunsGoesToItsNextRunTogether) {
  Sender sender(script(kHolds), kHangGuard, note("fault: "), note("repair: "));
  sender.send("first\n");
  ASSERT_TRUE(busway::eventually([&] { return out() == "first\n"; }));
  for (int i = 0; i < 10; ++i) sender.send(std::to_string(i) + "\n");
  open_gate();
  sender.finish(kHangGuard);
  EXPECT_EQ(out(), "first\n0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n");
  EXPECT_EQ(sender.state().runs, 2U);
  EXPECT_TRUE(told().empty());
}

TEST_F(NotifierSender, WhatDoesNotFitIsDroppedTheOldestFirstAndCounted) {
  Sender sender(script(kHolds), kHangGuard, note("fault: "), note("repair: "));
  sender.send("first\n");
  ASSERT_TRUE(busway::eventually([&] { return out() == "first\n"; }));
  const std::string megabyte((std::size_t{1} << 20U) - 2, 'x');
  for (const char* mark : {"a", "b", "c", "d", "e", "f"}) sender.send(mark + megabyte + "\n");
  EXPECT_EQ(sender.state().dropped, 2U);
  open_gate();
  sender.finish(kHangGuard);
  const std::string all = out();
  EXPECT_EQ(all.size(), 6 + Sender::kBytesMax);
  EXPECT_EQ(all.find('a'), std::string::npos);
  EXPECT_EQ(all.find('c'), 6U) << "the oldest that is left";
}

TEST_F(NotifierSender, AtItsEndACommandThatHangsIsKilled) {
  Sender sender(script("echo begun > \"$1\"; sleep 1000"), kHangGuard, note("fault: "),
                note("repair: "));
  sender.send("text\n");
  ASSERT_TRUE(busway::eventually([&] { return out() == "begun\n"; }));
  sender.send("never told\n");
  sender.finish(0ms);
  EXPECT_EQ(sender.state().faults, 1U);
  EXPECT_EQ(sender.state().dropped, 2U);
  EXPECT_EQ(told(), std::vector<std::string>{
                        "fault: the command /bin/sh was killed, for the plugin had to stop"});
}

TEST_F(NotifierSender, ThatWasGivenNothingEndsAtOnce) {
  Sender sender({"/no/such/program"}, kHangGuard, note("fault: "), note("repair: "));
  sender.finish(kHangGuard);
  EXPECT_EQ(sender.state().runs, 0U);
}

TEST_F(NotifierSender, TellsAFaultOnceAndThatItIsOver) {
  Sender sender(script("cat > /dev/null; test -e \"$2\""), kHangGuard, note("fault: "),
                note("repair: "));
  for (std::uint64_t run = 1; run <= 4; ++run) {
    if (run == 4) open_gate();
    sender.send("text\n");
    ASSERT_TRUE(busway::eventually([&] { return sender.state().runs == run; }));
  }
  sender.finish(kHangGuard);
  EXPECT_EQ(told(), (std::vector<std::string>{"fault: the command /bin/sh ended with code 1",
                                              "repair: the command /bin/sh works again"}));
  EXPECT_EQ(sender.state().fault, "");
  EXPECT_EQ(sender.state().dropped, 3U);
}

}  // namespace
}  // namespace notifier
