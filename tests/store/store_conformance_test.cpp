// The suite itself: what it runs, what it leaves out, that it notices a broken promise.
#include "busway/testing/store_conformance.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <regex>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>

#include <test_paths.hpp>

#include "broken_store.hpp"
#include "busway/memory_store.hpp"
#include "busway/testing/store_conformance_gtest.hpp"
#include "shared_store.hpp"

namespace busway::testing {
namespace {

// Its cases of several openings and of restarts, which memory: leaves out.
const bool kRegistered = register_store_conformance(
    "SharedStoreConformance", [] { return std::make_unique<SharedHarness>(); });

const ConformanceCase& case_of(std::string_view name) {
  for (const ConformanceCase& one : store_conformance()) {
    if (one.name == name) return one;
  }
  throw std::runtime_error("no case " + std::string(name));
}

/// What a case says of a store with this defect; empty: it has not noticed.
std::string verdict(std::string_view name, Defect defect) {
  BrokenHarness harness(defect);
  try {
    static_cast<void>(run_case(case_of(name), harness));
    return {};
  } catch (const std::exception& error) {
    return error.what();
  }
}

TEST(StoreConformance, NamesEachCaseOnceAndAsAnIdentifier) {
  std::set<std::string_view> names;
  for (const ConformanceCase& one : store_conformance()) {
    EXPECT_TRUE(names.insert(one.name).second) << one.name;
    EXPECT_TRUE(std::all_of(one.name.begin(), one.name.end(), [](unsigned char c) {
      return std::isalnum(c) != 0;
    })) << one.name;
    EXPECT_NE(one.run, nullptr);
    EXPECT_EQ(one.needs == nullptr, one.needs_name.empty()) << one.name;
  }
  EXPECT_GE(names.size(), 90U);
}

TEST(StoreConformance, RunsWithoutATestFramework) {
  SharedHarness harness;
  std::ostringstream said;
  // begin: by_hand
  int failed = 0;
  for (const ConformanceCase& one : store_conformance()) {
    try {
      const std::string left_out = run_case(one, harness);
      said << one.name << ": " << (left_out.empty() ? "holds" : left_out) << "\n";
    } catch (const std::exception& error) {
      said << one.name << ": " << error.what() << "\n";
      ++failed;
    }
  }
  // end: by_hand
  EXPECT_EQ(failed, 0) << said.str();
  EXPECT_NE(said.str().find("TwoNamesEachGetEverything: holds\n"), std::string::npos);
}

/// What a page calls a case, in the last cells of its rows.
std::set<std::string> named_in(const std::string& page) {
  std::set<std::string> names;
  std::istringstream lines(page);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("| ")) continue;
    static const std::regex kCase("`([A-Z][A-Za-z]+)`");
    const std::string cells = line.substr(line.find('|', 2));
    for (std::sregex_iterator at(cells.begin(), cells.end(), kCase), end; at != end; ++at) {
      names.insert((*at)[1]);
    }
  }
  return names;
}

TEST(StoreConformance, HasEachCaseThatThePageNames) {
  std::ifstream file(std::filesystem::path(BUSWAY_SOURCE_DIR) / "docs/writing_a_store.md");
  const std::set<std::string> named = named_in({std::istreambuf_iterator<char>(file), {}});
  EXPECT_GE(named.size(), 40U);
  for (const std::string& name : named) EXPECT_NO_THROW(static_cast<void>(case_of(name))) << name;
}

TEST(StoreConformance, SaysWhyACaseIsLeftOut) {
  BrokenHarness harness(Defect::none);
  EXPECT_EQ(run_case(case_of("ANoteIsKeptAcrossARestart"), harness),
            "left out: broken does not offer persistent");
  harness.use_system_clock();
  EXPECT_EQ(run_case(case_of("AFetchTellsTheEarliestDue"), harness),
            "left out: it moves the clock, and broken has its own");
}

TEST(StoreConformance, NamesFileLineAndValuesOfAFailure) {
  const std::string said = verdict("ARepeatedIdIsADuplicateAndDeliversNothing", Defect::no_dedupe);
  EXPECT_NE(said.find("publishing.cpp:"), std::string::npos) << said;
  EXPECT_NE(said.find("got stored, expected duplicate"), std::string::npos) << said;
}

TEST(StoreConformance, NoticesAStoreThatBreaksAPromise) {
  EXPECT_NE(verdict("AHundredEventsArriveWithPayloadAndMetadata", Defect::forgets_metadata), "");
  EXPECT_NE(verdict("TwoOpeningsOfANameShareWithoutOverlap", Defect::gives_twice), "");
  EXPECT_NE(verdict("WhatFailedTwiceArrivesTheThirdTime", Defect::counts_no_attempts), "");
  EXPECT_NE(verdict("ALapsedLeaseIsTakenOverAndALateSettlementIsStale", Defect::takes_the_stale),
            "");
  EXPECT_NE(verdict("ANameRemovedWhileOpenIsNotFound", Defect::forgets_to_remove), "");
  EXPECT_NE(verdict("PagesFollowEachOtherWithoutGapOrOverlap", Defect::pages_overlap), "");
  EXPECT_NE(verdict("AClosedStoreAnswersAndRefuses", Defect::stays_open), "");
}

TEST(StoreConformance, FindsNothingWrongWithTheSameStoreWithoutADefect) {
  for (const ConformanceCase& one : store_conformance()) {
    if (one.name.find("TenThousand") != std::string_view::npos) continue;  // with the real one
    EXPECT_EQ(verdict(one.name, Defect::none), "") << one.name;
  }
}

}  // namespace
}  // namespace busway::testing
