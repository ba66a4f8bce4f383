// The author of a store runs the suite over it, with nothing but what is installed.
#include <busway/memory_store.hpp>
#include <busway/testing/manual_clock.hpp>
#include <busway/testing/store_conformance.hpp>

#include <exception>
#include <iostream>
#include <memory>
#include <string>
#include <string_view>

namespace {

using busway::Store;
using busway::StoreOptions;
using busway::testing::ManualClock;

class Harness final : public busway::testing::StoreHarness {
 public:
  std::string_view name() const override { return "mine"; }
  void fresh() override {}
  std::shared_ptr<Store> open(const StoreOptions& options) override {
    StoreOptions with_clock = options;
    with_clock.clock = clock_;
    return busway::make_memory_store(with_clock);
  }
  std::shared_ptr<ManualClock> clock() const override { return clock_; }

 private:
  const std::shared_ptr<ManualClock> clock_ = std::make_shared<ManualClock>();
};

}  // namespace

int main() {
  Harness harness;
  int held = 0;
  int left_out = 0;
  int failed = 0;
  for (const busway::testing::ConformanceCase& one : busway::testing::store_conformance()) {
    try {
      ++(busway::testing::run_case(one, harness).empty() ? held : left_out);
    } catch (const std::exception& error) {
      std::cerr << one.name << ": " << error.what() << "\n";
      ++failed;
    }
  }
  std::cout << (held > 100 ? "more than 100" : std::to_string(held)) << " cases hold, " << failed
            << " fail\n";
  return failed == 0 && held > 100 && left_out < held ? 0 : 1;
}
