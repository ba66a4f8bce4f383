// simulation/coroutines.hpp -- what coroutine handlers of a simulation wait for: that the world
// lets them go on. Some it never does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "records.hpp"

namespace busway::simulation {

/// How a wait ended.
enum class Waited : unsigned char { well, cancelled };

/// A coroutine that is suspended. Destroyed without go() it is never resumed, and Asio unwinds it.
struct Waiter {
  Waiter() = default;
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;
  virtual ~Waiter() = default;
  virtual void go(Waited how) = 0;

  Call* call = nullptr;
  std::uint64_t number = 0;
  bool for_ever = false;  // the world does not let it go
};

/// Oldest first.
class Waiters {
 public:
  std::uint64_t next_number() noexcept { return ++last_number_; }
  void add(std::unique_ptr<Waiter> one) { list_.push_back(std::move(one)); }
  /// Null: it waits no more.
  [[nodiscard]] std::unique_ptr<Waiter> take(std::uint64_t number);
  [[nodiscard]] std::vector<const Waiter*> all() const;
  void clear();

 private:
  std::vector<std::unique_ptr<Waiter>> list_;
  std::uint64_t last_number_ = 0;
};

}  // namespace busway::simulation
