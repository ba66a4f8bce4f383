// busway/coroutine.hpp -- handlers that are coroutines: boost::asio::awaitable<void> or
// awaitable<Outcome>.
// Layer: bus
//
// Model      Where this header is included, subscribe() takes such handlers in all shapes: const
//            Event&, const T& or const Json&, with or without Context&. They are asynchronous,
//            whatever BusOptions::mode says; Mode::sync is refused. While a coroutine is suspended
//            it holds no thread, and counts as a running call for `concurrency` and for order: at
//            concurrency 1 the next event waits until it has ended. Retries, breakers, time-outs,
//            receipts and dead letters are those of any handler. co_await this_coro::executor is
//            an executor for the handler's timers, sockets and channels; what it runs is caused by
//            the event. On an asio_executor() it uses that context, else one of the process, for
//            which Asio starts one thread with the first timer or socket.
// Threads    A coroutine runs on the subscription's executor, one step after the other, maybe each
//            on another thread. It is inside a handler in each step: what it unsubscribes it does
//            not wait for.
// Ownership  The event, its payload, the Context and the handler itself live until the coroutine
//            has ended; dropping the Subscription does not wait for one that is suspended. So it
//            must own, or be outlived by, all else that it touches.
// Errors     What it throws, or an Outcome other than done, fails the delivery. At its deadline the
//            delivery is settled as timed_out, the stop token is signalled, and terminal
//            cancellation is emitted on its executor; a result that comes later is discarded. A Bus
//            that is destroyed cancels what is suspended and drops its deliveries; what still
//            cannot end is destroyed with what it waits for, or when it would be resumed.
// Cost       Some ten allocations a call, most of them Asio's, which keeps memory for the next
//            call only on threads of its own contexts. Includes Boost.Asio, which busway.hpp does
//            not.
// Example    examples/10_coroutines
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/execution.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <memory>
#include <type_traits>
#include <utility>

#include "busway/asio_executor.hpp"
#include "busway/bus.hpp"
#include "busway/detail/coroutine_call.hpp"

namespace busway::detail {

/// For timers and sockets of coroutines that run on no Asio context. Never destroyed: its thread
/// may be inside it until the process ends.
inline boost::asio::execution_context& coroutine_context() {
  static auto* const context = new boost::asio::execution_context;
  return *context;
}

/// Runs the steps of one call; what boost::asio::this_coro::executor is underneath.
class CoroutineExecutor {
 public:
  CoroutineExecutor(CoroutineCall& call, boost::asio::execution_context& context) noexcept
      : call_(&call), context_(&context) {
    retain(*call_);
  }
  CoroutineExecutor(const CoroutineExecutor& other) noexcept
      : call_(other.call_), context_(other.context_) {
    retain(*call_);
  }
  CoroutineExecutor& operator=(const CoroutineExecutor&) = delete;
  ~CoroutineExecutor() { release(*call_); }

  bool operator==(const CoroutineExecutor& other) const noexcept { return call_ == other.call_; }
  bool operator!=(const CoroutineExecutor& other) const noexcept { return call_ != other.call_; }

  template <class F>
  void execute(F&& function) const {
    add_step(*call_, std::make_unique<Step<std::decay_t<F>>>(std::forward<F>(function)));
  }

  [[nodiscard]] boost::asio::execution_context& query(
      boost::asio::execution::context_t) const noexcept {
    return *context_;
  }
  [[nodiscard]] static constexpr boost::asio::execution::blocking_t query(
      boost::asio::execution::blocking_t) noexcept {
    return boost::asio::execution::blocking.never;
  }
  [[nodiscard]] CoroutineExecutor require(
      boost::asio::execution::blocking_t::never_t) const noexcept {
    return *this;
  }

 private:
  template <class F>
  struct Step final : CoroutineStep {
    template <class G>
    explicit Step(G&& from) : function(std::forward<G>(from)) {}
    void run() override { std::move(function)(); }
    F function;
  };

  CoroutineCall* call_;
  boost::asio::execution_context* context_;
};

struct CoroutineSignal final : CoroutineCancel {
  void cancel() override { signal.emit(boost::asio::cancellation_type::terminal); }
  boost::asio::cancellation_signal signal;
};

/// Asio's completion handler: called when the coroutine has ended, destroyed when it never will.
class CoroutineEnd {
 public:
  using cancellation_slot_type = boost::asio::cancellation_slot;

  CoroutineEnd(CoroutineCall& call, cancellation_slot_type slot) noexcept
      : call_(&call), slot_(slot) {}
  CoroutineEnd(CoroutineEnd&& other) noexcept
      : call_(std::exchange(other.call_, nullptr)), slot_(other.slot_) {}
  CoroutineEnd& operator=(CoroutineEnd&&) = delete;
  ~CoroutineEnd() {
    if (call_ != nullptr) coroutine_destroyed(*call_);
  }

  void operator()(const std::exception_ptr& thrown) noexcept {
    coroutine_ended(*std::exchange(call_, nullptr), thrown);
  }
  [[nodiscard]] cancellation_slot_type get_cancellation_slot() const noexcept { return slot_; }

 private:
  CoroutineCall* call_;
  cancellation_slot_type slot_;
};

template <>
struct CoroutineResult<boost::asio::awaitable<void>> {
  static void begin(Context& context, boost::asio::awaitable<void> coroutine) {
    begin(coroutine_call(context), std::move(coroutine));
  }
  static void begin(CoroutineCall& call, boost::asio::awaitable<void> coroutine) {
    auto signal = std::make_unique<CoroutineSignal>();
    const boost::asio::cancellation_slot slot = signal->signal.slot();
    set_cancel(call, std::move(signal));
    const auto* const asio = dynamic_cast<const AsioExecutor*>(executor_of(call));
    const boost::asio::any_io_executor executor =
        CoroutineExecutor(call, asio != nullptr ? asio->context() : coroutine_context());
    boost::asio::co_spawn(executor, std::move(coroutine), CoroutineEnd(call, slot));
  }
};

template <>
struct CoroutineResult<boost::asio::awaitable<Outcome>> {
  static void begin(Context& context, boost::asio::awaitable<Outcome> coroutine) {
    CoroutineCall& call = coroutine_call(context);
    CoroutineResult<boost::asio::awaitable<void>>::begin(call,
                                                         pass_on(&call, std::move(coroutine)));
  }
  static boost::asio::awaitable<void> pass_on(CoroutineCall* call,
                                              boost::asio::awaitable<Outcome> coroutine) {
    coroutine_returned(*call, co_await std::move(coroutine));
  }
};

}  // namespace busway::detail
