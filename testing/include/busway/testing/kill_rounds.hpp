// busway/testing/kill_rounds.hpp -- programs that are killed at random moments, round after round.
// Layer: testing
//
// Model      Groups of programs run. In each round one of each group, at random, is killed with
//            SIGKILL after a random time, and started again. At the end those that run are asked to
//            end, by the end of their input. What then must be true is the caller's to check:
//            busway/testing/delivery_audit.hpp.
// Threads    All functions are [not-concurrent]; run() and end() block.
// Ownership  The destructor kills what still runs.
// Errors     Throws what a Start throws.
// Cost       A round: at most Options::alive_max, and the time of the Starts.
// Example    tests/testing/kill_rounds_test.cpp
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <vector>

#include "busway/testing/process.hpp"

namespace busway::testing {

class KillRounds {
 public:
  struct Options {
    std::chrono::milliseconds alive_max{60};  ///< a kill comes earlier than this, at any moment
    std::uint64_t seed = 0;                   ///< 0: another one each time
  };
  /// Starts the program, which must end by itself with code 0 at the end of its input. `round`: of
  /// the kill that comes next, from 0. May wait for a line of it, so that the kill does not always
  /// come before it has done anything; not in each round, or none comes while it begins.
  using Start = std::function<std::unique_ptr<Process>(int round)>;

  KillRounds() : KillRounds(Options{}) {}
  explicit KillRounds(Options options);
  KillRounds(const KillRounds&) = delete;
  KillRounds& operator=(const KillRounds&) = delete;
  ~KillRounds();

  /// Starts them. Consumers before publishers: they are ended the other way round.
  void add(const std::vector<Start>& group);

  /// So many further rounds.
  void run(int rounds);

  /// Lets all end, the group that was added last first, and waits for them. True: each has returned
  /// 0, and so has each that ended by itself before it was killed. Nothing runs then.
  [[nodiscard]] bool end();

 private:
  struct Victim {
    Start start;
    std::unique_ptr<Process> process;
  };

  const Options options_;
  std::mt19937_64 random_;
  std::vector<std::vector<Victim>> groups_;
  int round_ = 0;
  bool all_well_ = true;
};

}  // namespace busway::testing
