#include "busway/asio_executor.hpp"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <thread>

namespace busway {
namespace {

TEST(AsioExecutor, RunsTasksOnTheContextItWasMadeFrom) {
  boost::asio::io_context context;
  const std::shared_ptr<Executor> executor = asio_executor(context.get_executor());
  std::thread::id ran_on;
  EXPECT_EQ(executor->post([&] { ran_on = std::this_thread::get_id(); }),
            Executor::Posted::accepted);
  EXPECT_EQ(ran_on, std::thread::id());
  context.run();
  EXPECT_EQ(ran_on, std::this_thread::get_id());
}

}  // namespace
}  // namespace busway
