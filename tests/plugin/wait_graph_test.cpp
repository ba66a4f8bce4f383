#include "plugin/wait_graph.hpp"

#include <gtest/gtest.h>

#include "plugin/worker.hpp"

namespace busway::plugin_host_detail {
namespace {

struct Workers {
  std::shared_ptr<PluginWorker> a = PluginWorker::start("a", Clock::system());
  std::shared_ptr<PluginWorker> b = PluginWorker::start("b", Clock::system());
  std::shared_ptr<PluginWorker> c = PluginWorker::start("c", Clock::system());
  ~Workers() {
    a->close();
    b->close();
    c->close();
  }
};

TEST(WaitGraph, LetsAChainBe) {
  const Workers w;
  const WaitEdge first(w.a.get(), w.b.get());
  const WaitEdge second(w.b.get(), w.c.get());
  EXPECT_TRUE(first.entered());
  EXPECT_TRUE(second.entered());
}

TEST(WaitGraph, RefusesTheEdgeThatClosesACircle) {
  const Workers w;
  const WaitEdge first(w.a.get(), w.b.get());
  const WaitEdge second(w.b.get(), w.c.get());
  const WaitEdge third(w.c.get(), w.a.get());
  EXPECT_FALSE(third.entered());
  const WaitEdge self(w.a.get(), w.a.get());
  EXPECT_FALSE(self.entered());
}

TEST(WaitGraph, ForgetsAnEdgeThatHasEnded) {
  const Workers w;
  { const WaitEdge first(w.a.get(), w.b.get()); }
  const WaitEdge back(w.b.get(), w.a.get());
  EXPECT_TRUE(back.entered());
}

TEST(WaitGraph, LetsAThreadThatIsNoWorkerWaitForAnyone) {
  const Workers w;
  const WaitEdge first(w.a.get(), w.b.get());
  const WaitEdge outside(nullptr, w.a.get());
  EXPECT_TRUE(outside.entered());
}

}  // namespace
}  // namespace busway::plugin_host_detail
