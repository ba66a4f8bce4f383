// phase/chain_run.hpp -- one run of a chain.
// Layer: phase
//
// Model      The calling thread decides what begins. A phase beside which nothing could run it runs
//            itself; others get a thread each, and it waits for one of them to end. Invariants:
//              1. A phase begins once, when all that it comes after have completed.
//              2. Once one has failed none begins; those that run are asked to stop and waited for.
//              3. The first event is chain.started, the last chain.completed or chain.failed.
// Threads    run() once. The phases' threads only add to ended_.
// Ownership  Owns the plan and the data that are handed on.
// Errors     run(): none but those of memory.
// Cost       As PhaseOrchestrator.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

#include "bus/bus_core.hpp"
#include "busway/events/chain_event_data.hpp"
#include "delivery/wait_graph.hpp"
#include "phase/attempt.hpp"
#include "phase/chain_past.hpp"
#include "phase/chain_plan.hpp"

namespace busway::phase_detail {

class ChainRun {
 public:
  ChainRun(detail::BusCore& core, std::vector<PlannedPhase> plan, phase::PhaseInput input,
           const phase::ChainOptions& options, const ChainPast& past);
  ChainRun(const ChainRun&) = delete;
  ChainRun& operator=(const ChainRun&) = delete;
  ~ChainRun();

  phase::ChainResult run();

 private:
  struct Ended {
    std::size_t phase;
    AttemptResult result;
  };

  /// What has completed before counts, as far as all that it waits for has.
  void take_up(const ChainPast& past);
  [[nodiscard]] ChainEventData event() const;
  [[nodiscard]] phase::PhaseInput input_of(const PlannedPhase& one) const;
  [[nodiscard]] AttemptResult execute(std::size_t phase, const phase::PhaseInput& input);
  void begin_ready();
  bool begin_beside(std::size_t phase);
  [[nodiscard]] bool enter_wait();
  void take_one_that_ended();
  void settle(std::size_t phase, AttemptResult result);
  void fail(std::size_t phase, phase::PhaseError error);
  /// Ends the chain before the phase when it was cancelled or is too late.
  [[nodiscard]] bool is_over_before(std::size_t phase);
  [[nodiscard]] phase::PhaseOutput output_of_ends() const;

  detail::BusCore& core_;
  const std::vector<PlannedPhase> plan_;
  const phase::PhaseInput input_;
  const std::size_t parallel_;
  const SteadyTime began_;
  const std::optional<std::chrono::nanoseconds> timeout_;
  std::optional<SteadyTime> deadline_;
  const std::stop_token asked_;  // whoever began the chain wants it to end
  std::stop_source stop_;        // of the phases
  std::shared_ptr<const Event> cause_;
  bool says_nothing_ = false;  // all was over before

  std::set<std::size_t> ready_;
  std::vector<std::size_t> open_;     // by phase: predecessors that have not completed
  std::vector<std::size_t> outputs_;  // by phase: its place in result_.outputs
  std::map<std::size_t, std::thread> running_;
  std::vector<std::atomic<std::thread::id>> threads_;  // by phase, while it runs beside others
  /// For as long as any does: this thread waits for all of them.
  std::optional<delivery_detail::WaitEdge> waits_;
  phase::ChainResult result_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Ended> ended_;  // guarded by mutex_
};

}  // namespace busway::phase_detail
