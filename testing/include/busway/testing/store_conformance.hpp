// busway/testing/store_conformance.hpp -- what every store must do, as cases that run on any.
// Layer: testing
//
// Model      A StoreHarness opens the store that is tested, at one place, as often as a case asks.
//            store_conformance() are the cases; run_case() runs one and says when the store's
//            features() leave it out. With a test framework:
//            busway/testing/store_conformance_gtest.hpp.
// Threads    One case of a harness at a time; a case makes threads of its own, and may call open()
//            and restart() from them. Several harnesses may run theirs at once.
// Ownership  The caller owns the harness. Each case lets go of what it has opened.
// Errors     A case that does not hold throws ConformanceFailure with file, line and values;
//            whatever else a case throws is a failure as well.
// Cost       Where the harness has a ManualClock: a few seconds on a store in memory. Else those
//            that let time pass sleep for real leases, some thirty in all.
// Example    docs/writing_a_store.md
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

#include "busway/store.hpp"
#include "busway/store_provider.hpp"
#include "busway/testing/manual_clock.hpp"

namespace busway::testing {

class StoreHarness {
 public:
  StoreHarness() = default;
  StoreHarness(const StoreHarness&) = delete;
  StoreHarness& operator=(const StoreHarness&) = delete;
  virtual ~StoreHarness() = default;

  [[nodiscard]] virtual std::string_view name() const = 0;

  /// Begins with an empty place; nothing is open then.
  virtual void fresh() = 0;

  /// A new opening of the place, as another process would have it. Called again while one is open
  /// only where features().shared, after all were closed only where features().persistent. Gives
  /// the store clock(), where there is one.
  [[nodiscard]] virtual std::shared_ptr<Store> open(const StoreOptions& options = {}) = 0;

  /// Stops the server and starts it again, also while openings are open: those find it again by
  /// themselves, and until then their calls fail as unavailable. Nothing to do for a library.
  virtual void restart() {}

  /// The clock that the opened stores have; null: the machine's, and cases wait for real.
  [[nodiscard]] virtual std::shared_ptr<ManualClock> clock() const { return nullptr; }

  /// Whether kill_holder() can be called; else the cases of deaths are left out.
  [[nodiscard]] virtual bool can_kill() const { return false; }
  /// The death of a process: one that has opened the place and this name, has fetched so many
  /// events and said so, is killed before it settles or closes anything. Its time is clock()'s,
  /// where there is one.
  virtual void kill_holder(const DurableSpec& spec, std::size_t count);

  /// Where features().backup: a path that is free, other each time, and an opening of the copy that
  /// backup() has put there.
  [[nodiscard]] virtual std::string free_backup_path() { return {}; }
  [[nodiscard]] virtual std::shared_ptr<Store> open_backup(const std::string& path) {
    return open_store(path);
  }

  /// How many durable names and events the large cases use, in relation to a fast local store.
  [[nodiscard]] virtual double scale() const { return 1.0; }

  /// A lease that this store keeps well without a ManualClock.
  [[nodiscard]] virtual std::chrono::nanoseconds short_lease() const {
    return std::chrono::milliseconds(500);
  }

  /// How long a case waits for what must come before it fails.
  [[nodiscard]] virtual std::chrono::nanoseconds patience() const {
    return std::chrono::seconds(10);
  }
};

struct ConformanceCase {
  std::string_view name;  ///< what it shows, in CamelCase
  void (*run)(StoreHarness& harness) = nullptr;
  bool StoreFeatures::*needs = nullptr;  ///< null: every store must hold it
  std::string_view needs_name{};
  bool needs_manual_clock = false;
  bool needs_kill = false;  ///< StoreHarness::can_kill()
};

/// A promise was not kept: what() is "file:line: what was checked: the values".
class ConformanceFailure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// All cases, in the order in which one would read them.
[[nodiscard]] std::span<const ConformanceCase> store_conformance();

/// Runs a case. Empty: it holds; else why it was left out. Throws what the case throws.
[[nodiscard]] std::string run_case(const ConformanceCase& one, StoreHarness& harness);

}  // namespace busway::testing
