// busway/testing/store_conformance_gtest.hpp -- the conformance suite of stores as tests of
// GoogleTest.
// Layer: testing
//
// Model      const bool registered = register_store_conformance("MyStore", make_harness); at
//            namespace scope makes one test a case. One that the store's features leave out is
//            printed as skipped.
// Threads    Before main().
// Ownership  Keeps a copy of the maker; each test has a harness of its own.
// Errors     A failure of a case is a failure of its test.
// Cost       Includes gtest, which the program finds and links itself.
// Example    tests/store/memory_store_test.cpp
#pragma once

#include <gtest/gtest.h>

#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "busway/testing/store_conformance.hpp"

namespace busway::testing {

using HarnessMaker = std::function<std::unique_ptr<StoreHarness>()>;

class ConformanceTest : public ::testing::Test {
 public:
  ConformanceTest(const ConformanceCase& one, HarnessMaker make)
      : case_(one), make_(std::move(make)) {}

  void TestBody() override {
    try {
      const std::unique_ptr<StoreHarness> harness = make_();
      const std::string left_out = run_case(case_, *harness);
      if (!left_out.empty()) GTEST_SKIP() << left_out;
    } catch (const std::exception& error) {
      FAIL() << error.what();
    }
  }

 private:
  const ConformanceCase& case_;
  const HarnessMaker make_;
};

inline bool register_store_conformance(const std::string& suite, const HarnessMaker& make) {
  for (const ConformanceCase& one : store_conformance()) {
    ::testing::RegisterTest(
        suite.c_str(), std::string(one.name).c_str(), nullptr, nullptr, __FILE__, __LINE__,
        [&one, make]() -> ConformanceTest* { return new ConformanceTest(one, make); });
  }
  return true;
}

}  // namespace busway::testing
