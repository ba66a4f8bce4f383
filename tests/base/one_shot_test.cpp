#include "base/one_shot.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <thread>

namespace busway::detail {
namespace {

TEST(OneShot, DoesNotWaitForWhatHasComeAlready) {
  OneShot one;
  one.set();
  one.wait();
}

TEST(OneShot, StressIsDestroyedByTheOneThatHasWaited) {
  for (int i = 0; i < 2'000; ++i) {
    int answer = 0;
    auto one = std::make_unique<OneShot>();
    std::thread other([&answer, mine = one.get()] {
      answer = 42;
      mine->set();
    });
    one->wait();
    one.reset();
    EXPECT_EQ(answer, 42);
    other.join();
  }
}

}  // namespace
}  // namespace busway::detail
