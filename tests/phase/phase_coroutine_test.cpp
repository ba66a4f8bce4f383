#include "busway/phase_coroutine.hpp"

#include <boost/asio/async_result.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "busway/event_aware_phase.hpp"
#include "phase_fixture.hpp"

namespace busway::phase {
namespace {

using namespace std::chrono_literals;
using boost::asio::awaitable;
using boost::asio::use_awaitable;

awaitable<void> wait(std::chrono::nanoseconds span) {
  boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor, span);
  co_await timer.async_wait(use_awaitable);
}

TEST(PhaseCoroutine, ComesInEachShape) {
  Bus bus(quiet());
  const Heard heard(bus);
  const std::vector<Shared> phases{
      make_phase("a",
                 [](const PhaseInput& input) -> awaitable<Json> {
                   co_await wait(1us);
                   co_return Json{input.request};
                 }),
      make_phase("b",
                 [](const Json& data, PhaseContext& context) -> awaitable<PhaseOutput> {
                   co_await wait(1us);
                   Json more = data;
                   more.push_back(context.attempt());
                   co_return PhaseOutput{.data = std::move(more), .metadata = {{"by", "b"}}};
                 }),
      make_phase("c", [](const Json& data) -> awaitable<Json> { co_return data; })};
  const ChainResult result = PhaseOrchestrator(bus).execute_chain(phases, {.request = "r"});
  ASSERT_TRUE(result.ok()) << result.error->message;
  EXPECT_EQ(result.output.data, (Json{"r", 1}));
  EXPECT_EQ(result.output_of("b")->metadata, (Json{{"by", "b"}}));
  EXPECT_EQ(heard.lines(), (Lines{"chain.started", "phase.started a", "phase.completed a",
                                  "phase.started b", "phase.completed b", "phase.started c",
                                  "phase.completed c", "chain.completed"}));
}

TEST(PhaseCoroutine, FailsWithWhatItThrows) {
  Bus bus(quiet());
  EventAwarePhase phase(make_phase("a",
                                   [](const Json&) -> awaitable<Json> {
                                     co_await wait(1us);
                                     throw std::out_of_range("page 7");
                                   }),
                        bus);
  const PhaseError error = failure_of(phase);
  EXPECT_EQ(error.message, "phase \"a\" failed: page 7");
  EXPECT_THROW(std::rethrow_exception(error.cause), std::out_of_range);
}

/// Waits for ever, and tells what it sees when it is cancelled.
struct Patient {
  std::atomic<bool> begun{false};
  std::atomic<bool> cancelled{false};
  std::atomic<bool> asked{false};

  Shared phase(PhaseOptions options = {}) {
    return make_phase(
        "patient",
        [this](const Json&, PhaseContext& context) -> awaitable<Json> {
          begun = true;
          try {
            co_await wait(1h);
          } catch (const boost::system::system_error&) {
            asked = context.stop_requested();
            cancelled = true;
            throw;
          }
          co_return Json();
        },
        std::move(options));
  }
};

TEST(PhaseCoroutine, IsCancelledWithItsChain) {
  Bus bus(quiet());
  Patient patient;
  Stopper stop;
  std::thread other([&] {
    EXPECT_TRUE(eventually([&] { return patient.begun.load(); }));
    stop.request_stop();
  });
  const ChainResult result =
      PhaseOrchestrator(bus).execute_chain({patient.phase()}, {}, {.stop = stop.get_token()});
  other.join();
  EXPECT_EQ(result.error->fault, PhaseFault::cancelled);
  EXPECT_TRUE(patient.cancelled);
  EXPECT_TRUE(patient.asked);
}

TEST(PhaseCoroutine, IsCancelledAtItsDeadline) {
  const auto clock = std::make_shared<ManualClock>();
  Bus bus(quiet({.clock = clock}));
  Patient patient;
  EventAwarePhase phase(patient.phase({.timeout = 1s}), bus);
  std::thread other([&] {
    EXPECT_TRUE(eventually([&] { return patient.begun.load(); }));
    clock->advance(1s);
  });
  const PhaseError error = failure_of(phase);
  other.join();
  EXPECT_EQ(error.message, "phase \"patient\" did not end within 1s");
  EXPECT_TRUE(eventually([&] { return patient.cancelled.load(); }));
}

TEST(PhaseCoroutine, ThatIsDestroyedBeforeItEndedFails) {
  Bus bus(quiet());
  EventAwarePhase phase(
      make_phase(
          "lost",
          [](const Json&) -> awaitable<Json> {
            // An operation that drops its handler without calling it.
            co_await boost::asio::async_initiate<const boost::asio::use_awaitable_t<>, void()>(
                [](auto) {}, use_awaitable);
            co_return Json();
          }),
      bus);
  EXPECT_EQ(
      failure_of(phase).message,
      "phase \"lost\" failed: the coroutine was destroyed before it had ended: what it waited "
      "for went away");
}

TEST(PhaseCoroutine, WaitsBesideAnotherInAGraph) {
  Bus bus(quiet());
  std::atomic<int> inside{0};
  const auto meeting = [&](const std::string& name) {
    return make_phase(name, [&](const Json&) -> awaitable<Json> {
      ++inside;
      while (inside != 2) co_await wait(10us);
      co_return Json(true);
    });
  };
  const ChainResult result =
      PhaseOrchestrator(bus).execute_graph({{.phase = meeting("a")}, {.phase = meeting("b")}});
  EXPECT_EQ(result.output.data, (Json{{"a", true}, {"b", true}}));
}

}  // namespace
}  // namespace busway::phase
