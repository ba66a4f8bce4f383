#include "busway/clock.hpp"

#include "platform/fast_clock.hpp"

namespace busway {
namespace {

class SystemClock final : public Clock {
 public:
  WallTime wall() const noexcept override {
    return WallTime(std::chrono::nanoseconds(platform_detail::thread_clock().wall_ns()));
  }
  SteadyTime steady() const noexcept override {
    return SteadyTime(std::chrono::nanoseconds(platform_detail::thread_clock().steady_ns()));
  }
};

}  // namespace

Clock::Watch Clock::watch(std::function<void()> /*moved*/) { return nullptr; }

const std::shared_ptr<Clock>& Clock::system() {
  // Never destroyed: a bus that is never destroyed either (default_bus()) still reads it at exit.
  static const auto* clock = new std::shared_ptr<Clock>(std::make_shared<SystemClock>());
  return *clock;
}

}  // namespace busway
