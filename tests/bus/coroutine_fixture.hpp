// bus/coroutine_fixture.hpp -- what coroutines of the tests wait at, and where they run.
#pragma once

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/system/system_error.hpp>
#include <chrono>
#include <deque>
#include <memory>
#include <mutex>
#include <string_view>
#include <utility>

#include "bus_fixture.hpp"
#include "busway/coroutine.hpp"
#include "still_bus.hpp"

namespace busway {

using boost::asio::awaitable;
using boost::asio::use_awaitable;
using std::chrono::milliseconds;
using std::chrono::seconds;
namespace this_coro = boost::asio::this_coro;

/// Where coroutines wait until the test lets one, or all, go on. They share it, and may outlive it.
class Door {
 public:
  /// Throws operation_aborted when the wait is cancelled.
  [[nodiscard]] awaitable<void> pass() const { return pass(state_); }
  void open() const {
    {
      const std::lock_guard lock(state_->mutex);
      state_->open = true;
    }
    while (let_one()) {
    }
  }
  bool let_one() const {
    std::shared_ptr<Waiter> first;
    {
      const std::lock_guard lock(state_->mutex);
      if (state_->waiting.empty()) return false;
      first = state_->waiting.front();
      state_->waiting.pop_front();
    }
    // A timer belongs to the thread of its coroutine.
    const boost::asio::any_io_executor where = first->timer.get_executor();
    boost::asio::post(where, [first = std::move(first)] {
      first->let = true;
      first->timer.cancel();
    });
    return true;
  }
  [[nodiscard]] bool holds(std::size_t count) const {
    return eventually([&] {
      const std::lock_guard lock(state_->mutex);
      return state_->waiting.size() == count;
    });
  }

 private:
  struct Waiter {
    explicit Waiter(const boost::asio::any_io_executor& where)
        : timer(where, std::chrono::steady_clock::time_point::max()) {}
    boost::asio::steady_timer timer;
    bool let = false;
  };
  struct State {
    std::mutex mutex;
    bool open = false;
    std::deque<std::shared_ptr<Waiter>> waiting;
  };
  /// However the wait ends, its place is free.
  struct Place {
    std::shared_ptr<State> state;
    std::shared_ptr<Waiter> waiter;
    ~Place() {
      const std::lock_guard lock(state->mutex);
      std::erase(state->waiting, waiter);
    }
  };

  static awaitable<void> pass(std::shared_ptr<State> state) {
    auto waiter = std::make_shared<Waiter>(co_await this_coro::executor);
    {
      const std::lock_guard lock(state->mutex);
      if (state->open) co_return;
      state->waiting.push_back(waiter);
    }
    const Place place{state, waiter};
    boost::system::error_code error;
    co_await waiter->timer.async_wait(boost::asio::redirect_error(use_awaitable, error));
    if (!waiter->let) throw boost::system::system_error(error);
  }

  std::shared_ptr<State> state_ = std::make_shared<State>();
};

/// Waits a moment without a thread.
inline awaitable<void> pause() {
  boost::asio::steady_timer timer(co_await this_coro::executor, milliseconds(0));
  co_await timer.async_wait(use_awaitable);
}

/// Names, from whichever thread.
class Notes {
 public:
  void add(std::string_view name) {
    const std::lock_guard lock(mutex_);
    names_.emplace_back(name);
  }
  [[nodiscard]] Names all() const {
    const std::lock_guard lock(mutex_);
    return names_;
  }

 private:
  mutable std::mutex mutex_;
  Names names_;
};

/// A bus with its own pool of one thread.
struct Alone {
  explicit Alone(BusOptions options = {}) : bus(with_one_worker(std::move(options))) {}
  static BusOptions with_one_worker(BusOptions options) {
    options.worker_count = 1;
    return quiet(std::move(options));
  }
  Notes notes;
  Door door;
  Bus bus;
};

struct AloneInTime : OwnClock, Alone {
  explicit AloneInTime(BusOptions options = {}) : Alone(with_clock(std::move(options))) {}
  BusOptions with_clock(BusOptions options) {
    options.clock = clock;
    return options;
  }
};

inline SubscriptionOptions tried_once(SubscriptionOptions options = {}) {
  options.retry = RetryPolicy{.max_retries = 0};
  return options;
}

}  // namespace busway
