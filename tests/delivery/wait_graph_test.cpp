#include "delivery/wait_graph.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <memory>
#include <thread>
#include <vector>

#include "mailbox_fixture.hpp"

namespace busway::delivery_detail {
namespace {

/// A thread that waits, as far as the graph knows, until the test lets it go.
class Waiting {
 public:
  explicit Waiting(std::vector<WaitFor> what, Needs needs = Needs::all) {
    std::atomic<bool> ready{false};
    thread_ = std::thread([this, &ready, what = std::move(what), needs] {
      const WaitEdge edge(what, needs);
      entered_ = edge.entered();
      ready = true;
      while (!over_) std::this_thread::yield();
    });
    while (!ready) std::this_thread::yield();
  }
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;
  ~Waiting() {
    over_ = true;
    thread_.join();
  }
  [[nodiscard]] std::thread::id id() const { return thread_.get_id(); }
  [[nodiscard]] bool entered() const { return entered_; }

 private:
  std::atomic<bool> over_{false};
  std::atomic<bool> entered_{false};
  std::thread thread_;
};

std::vector<WaitFor> here() { return {WaitFor::thread(std::this_thread::get_id())}; }
std::vector<WaitFor> on(const Waiting& other) { return {WaitFor::thread(other.id())}; }

TEST(WaitEdge, AChainIsEnteredAndItsClosingEdgeIsNot) {
  const Waiting first(here());
  const Waiting second(on(first));
  EXPECT_TRUE(first.entered());
  EXPECT_TRUE(second.entered());
  EXPECT_FALSE(WaitEdge(on(second)).entered());
  EXPECT_FALSE(WaitEdge(here()).entered()) << "for itself";
}

TEST(WaitEdge, EndsWithItsScope) {
  std::thread::id gone;
  {
    const Waiting first(here());
    gone = first.id();
    EXPECT_FALSE(WaitEdge(on(first)).entered());
  }
  EXPECT_TRUE(WaitEdge({WaitFor::thread(gone)}).entered());
}

TEST(WaitEdge, OfAnyIsACircleOnlyWhenAllLeadBack) {
  const Waiting leads(here());
  const Waiting free(std::vector<WaitFor>{});
  const std::vector<WaitFor> both{WaitFor::thread(leads.id()), WaitFor::thread(free.id())};
  EXPECT_TRUE(WaitEdge(both, Needs::any).entered());
  EXPECT_FALSE(WaitEdge(both, Needs::all).entered());
  EXPECT_FALSE(WaitEdge(on(leads), Needs::any).entered());
}

TEST(WaitEdge, ACallThatHasNoThreadYetLeadsNowhere) {
  std::atomic<std::thread::id> by{};
  EXPECT_TRUE(WaitEdge({WaitFor::call(by)}).entered());
  by = std::this_thread::get_id();
  EXPECT_FALSE(WaitEdge({WaitFor::call(by)}).entered());
}

/// Two calls of one mailbox; each looks at the graph when the test says.
TEST(WaitEdge, AMailboxLeadsToItsCallsOnceAllItsPumpsAreInOne) {
  WorkerPool pool(2);
  RecordingSink sink;
  std::atomic<int> inside{0};
  std::atomic<bool> look{false};
  std::atomic<bool> over{false};
  std::atomic<int> entered{0};
  std::atomic<int> refused{0};
  Mailbox mailbox(sink, {.concurrency = 2}, &pool, nullptr);
  sink.on_deliver = [&](Delivery&) {};
  sink.on_call = [&](Delivery&, CallSlot&) {
    ++inside;
    while (!look) std::this_thread::yield();
    const WaitEdge edge({WaitFor::mailbox(mailbox)});
    ++(edge.entered() ? entered : refused);
    while (!over) std::this_thread::yield();
  };
  ASSERT_EQ(mailbox.push(named("a"), nullptr, MayWait::no), Pushed::accepted);
  ASSERT_TRUE(eventually([&] { return inside == 1; }));
  EXPECT_TRUE(WaitEdge({WaitFor::mailbox(mailbox)}).entered());
  ASSERT_EQ(mailbox.push(named("b"), nullptr, MayWait::no), Pushed::accepted);
  ASSERT_TRUE(eventually([&] { return inside == 2; }));
  EXPECT_TRUE(WaitEdge({WaitFor::mailbox(mailbox)}).entered()) << "this thread is in no call";
  look = true;
  ASSERT_TRUE(eventually([&] { return entered + refused == 2; }));
  EXPECT_EQ(entered, 1) << "the first waits for the second, which must not wait";
  over = true;
  mailbox.close();
  pool.shut_down();
}

}  // namespace
}  // namespace busway::delivery_detail
