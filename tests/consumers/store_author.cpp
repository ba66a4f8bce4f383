// An author of a store, who has what is installed and no test framework: runs the suite, here on
// memory.

#include <busway/memory_store.hpp>
#include <busway/testing/manual_clock.hpp>
#include <busway/testing/store_conformance.hpp>
#include <cstdio>
#include <exception>
#include <memory>
#include <string>

namespace {

using namespace busway;

class Harness final : public testing::StoreHarness {
 public:
  std::string_view name() const override { return "memory"; }
  void fresh() override {}
  std::shared_ptr<Store> open(const StoreOptions& options) override {
    StoreOptions with_clock = options;
    with_clock.clock = clock_;
    return make_memory_store(with_clock);
  }
  std::shared_ptr<testing::ManualClock> clock() const override { return clock_; }
  double scale() const override { return 0.05; }

 private:
  const std::shared_ptr<testing::ManualClock> clock_ = std::make_shared<testing::ManualClock>();
};

}  // namespace

int main() {
  Harness harness;
  int failed = 0;
  for (const testing::ConformanceCase& one : testing::store_conformance()) {
    try {
      static_cast<void>(testing::run_case(one, harness));
    } catch (const std::exception& error) {
      std::printf("%s: %s\n", std::string(one.name).c_str(), error.what());
      ++failed;
    }
  }
  return failed == 0 ? 0 : 1;
}
