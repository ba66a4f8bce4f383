// busway/asio_executor.hpp -- lets asynchronous handlers run on a Boost.Asio executor.
// Layer: delivery
//
// Model      BusOptions{.executor = asio_executor(context.get_executor())}, or the same in
//            SubscriptionOptions. A mailbox posts one task for a batch of events.
// Threads    [any-thread]
// Ownership  Keeps a copy of the executor; the execution context must outlive the bus.
// Errors     None here. A context that is stopped runs nothing; its mailboxes fill and then do what
//            `overflow` says.
// Cost       One post for a batch. Includes Boost.Asio, which busway.hpp does not.
// Example    tests/delivery/asio_executor_test.cpp
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/post.hpp>
#include <memory>
#include <utility>

#include "busway/executor.hpp"

namespace busway {

namespace detail {

class AsioExecutor final : public Executor {
 public:
  explicit AsioExecutor(boost::asio::any_io_executor executor) : executor_(std::move(executor)) {}

  Posted post(Task task) override {
    boost::asio::post(executor_, std::move(task));
    return Posted::accepted;
  }

  [[nodiscard]] boost::asio::execution_context& context() const {
    return boost::asio::query(executor_, boost::asio::execution::context);
  }

 private:
  boost::asio::any_io_executor executor_;
};

}  // namespace detail

[[nodiscard]] inline std::shared_ptr<Executor> asio_executor(
    boost::asio::any_io_executor executor) {
  return std::make_shared<detail::AsioExecutor>(std::move(executor));
}

}  // namespace busway
