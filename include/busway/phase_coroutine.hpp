// busway/phase_coroutine.hpp -- phases that are coroutines: boost::asio::awaitable<PhaseOutput> or
// awaitable<Json>.
// Layer: phase
//
// Model      Where this header is included, make_phase() takes such functions in all shapes. The
//            coroutine runs on the thread that executes the phase, which waits for it: the steps of
//            one run one after the other, and co_await this_coro::executor is an executor for its
//            timers, sockets and channels. Phases that are to wait side by side stand side by side
//            in a graph.
// Threads    One thread a call. What it awaits may come from other contexts.
// Ownership  Input, context and the function live until the coroutine has ended.
// Errors     What it throws fails the attempt. When the phase is to stop, terminal cancellation is
//            emitted: what it waits for throws, and the phase counts as cancelled or timed out. One
//            that is destroyed before it has ended, because what it waited for went away, fails.
// Cost       An io_context a call. Includes Boost.Asio.
// Example    tests/phase/phase_coroutine_test.cpp
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <exception>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <utility>

#include "busway/function_phase.hpp"

namespace busway::phase_detail {

template <class T>
struct PhaseResult<boost::asio::awaitable<T>> {
  static phase::PhaseOutput run(phase::PhaseContext& context, boost::asio::awaitable<T> coroutine) {
    boost::asio::cancellation_signal signal;
    boost::asio::io_context steps(1);
    std::exception_ptr thrown;
    std::optional<T> result;
    boost::asio::co_spawn(steps, std::move(coroutine),
                          boost::asio::bind_cancellation_slot(
                              signal.slot(), [&](const std::exception_ptr& error, T value) {
                                thrown = error;
                                if (!error) result = std::move(value);
                              }));
    {
      const std::stop_callback stopping(context.stop_token(), [&] {
        boost::asio::post(steps, [&] { signal.emit(boost::asio::cancellation_type::terminal); });
      });
      steps.run();
    }
    if (thrown) std::rethrow_exception(thrown);
    if (!result) {
      throw std::runtime_error(
          "the coroutine was destroyed before it had ended: what it waited for went away");
    }
    return output_of(context, std::move(*result));
  }
};

}  // namespace busway::phase_detail
