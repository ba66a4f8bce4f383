// The suite itself: what it runs, what it leaves out, that it notices a broken promise.
#include "busway/testing/store_conformance.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <exception>
#include <filesystem>
#include <fstream>
#include <future>
#include <iterator>
#include <memory>
#include <regex>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

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
std::string verdict(std::string_view name, Defect defect,
                    BrokenHarness::Kind kind = BrokenHarness::Kind::alone) {
  BrokenHarness harness(defect, kind);
  try {
    const std::string left_out = run_case(case_of(name), harness);
    EXPECT_TRUE(defect == Defect::none || left_out.empty()) << name << ": " << left_out;
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
  EXPECT_GE(names.size(), 130U);
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

struct Mutation {
  Defect defect;
  std::string_view noticed_by;
  BrokenHarness::Kind kind = BrokenHarness::Kind::alone;
};

void PrintTo(const Mutation& one, std::ostream* out) { *out << one.noticed_by; }

/// Each promise once broken, and a case that must fail then.
constexpr BrokenHarness::Kind kShared = BrokenHarness::Kind::shared;
constexpr Mutation kMutations[] = {
    {Defect::no_dedupe, "ARepeatedIdIsADuplicateAndDeliversNothing"},
    {Defect::wrong_sequence_of_a_duplicate, "EachEventOfABatchHasItsOwnAnswer"},
    {Defect::loses_an_event, "AHundredEventsArriveWithPayloadAndMetadata"},
    {Defect::loses_an_event, "BesideTrafficEachEventIsGivenOnceAndInOrder"},
    {Defect::stores_half_a_batch, "ABatchIsStoredWholeOrNotAtAll"},
    {Defect::forgets_metadata, "AHundredEventsArriveWithPayloadAndMetadata"},
    {Defect::gives_twice, "TwoOpeningsOfANameShareWithoutOverlap"},
    {Defect::gives_twice, "BesideTrafficEachEventIsGivenOnceAndInOrder"},
    {Defect::wrong_order, "AnOpeningGetsItsEventsInOrder"},
    {Defect::wrong_order, "ManyLettersAreSentAgainInOrder"},
    {Defect::more_than_asked_for, "AFetchGivesAtMostWhatItWasAskedFor"},
    {Defect::ignores_leases, "NothingIsGivenTwiceBeforeTheLeaseEnds"},
    {Defect::ignores_leases, "BesideTrafficTwoOpeningsShareWithoutOverlap"},
    {Defect::never_takes_over, "AllThatADeadOneHadIsTakenOver"},
    {Defect::never_takes_over, "BesideTrafficALapsedLeaseIsTakenOver"},
    {Defect::counts_no_attempts, "WhatFailedTwiceArrivesTheThirdTime"},
    {Defect::counts_on_after_a_redrive, "ALetterStaysUntilItsDeliveryHasEndedWell"},
    {Defect::forgets_what_is_due, "AFetchTellsTheEarliestDue"},
    {Defect::ignores_patterns, "TopicsAreIsolated"},
    {Defect::ignores_patterns, "TwoThousandLivingNamesEachGetTheirOwnAndCostAPublishNothing"},
    {Defect::ignores_the_start, "ANameBeginsWhereItsStartSays"},
    {Defect::lets_two_be_active, "WithKeyOrderOneIsActiveAndAStandbyTakesOver"},
    {Defect::lets_strict_be_passed, "StrictOrderHoldsLaterEventsBack"},
    {Defect::lets_strict_be_passed, "BesideTrafficStrictOrderIsKept"},
    {Defect::takes_the_stale, "ALapsedLeaseIsTakenOverAndALateSettlementIsStale"},
    {Defect::forgets_each_tenth_settlement, "NothingIsLostBehindATrim"},
    {Defect::forgets_each_tenth_settlement, "BesideTrafficEachEventIsGivenOnceAndInOrder"},
    {Defect::forgets_settlements_beside_an_append, "BesideTrafficEachEventIsGivenOnceAndInOrder"},
    {Defect::forgets_settlements_beside_an_append, "BesideTrafficDeadLettersAreKeptAndSentAgain"},
    {Defect::takes_a_retry_as_done, "WhatFailedTwiceArrivesTheThirdTime"},
    {Defect::takes_a_retry_as_done, "BesideTrafficRetriesComeOnceAndWhenTheyAreDue"},
    {Defect::retries_at_once, "ARetryIsNotGivenBeforeItIsDue"},
    {Defect::counts_a_release, "AReleaseDoesNotCount"},
    {Defect::forgets_dead_letters, "ADeadLetterKeepsEventReasonAndAttempts"},
    {Defect::ignores_renew, "RenewKeepsALeaseAndTellsOfALapse"},
    {Defect::keeps_what_a_closed_one_had, "ClosingGivesBackUncounted"},
    {Defect::keeps_what_a_closed_one_had, "AStandingConsumerGetsWhatAClosedOneHad"},
    {Defect::forgets_to_remove, "ANameRemovedWhileOpenIsNotFound"},
    {Defect::forgets_notes, "ANoteIsKeptBesideTheCursor"},
    {Defect::lists_a_thousand_names, "TwoThousandLivingNamesEachGetTheirOwnAndCostAPublishNothing"},
    {Defect::commits_for_each_name, "TwoThousandLivingNamesEachGetTheirOwnAndCostAPublishNothing"},
    {Defect::redrives_nothing, "ALetterStaysUntilItsDeliveryHasEndedWell"},
    {Defect::purges_nothing, "PurgedLettersAreForgottenButNotThoseUnderWay"},
    {Defect::replays_to_everybody, "AReplayGivesThePastToOneNameAloneAsAFirstAttempt"},
    {Defect::pages_overlap, "PagesFollowEachOtherWithoutGapOrOverlap"},
    {Defect::says_completed, "TheStatusFollowsADelivery"},
    {Defect::miscounts_topics, "ACensusCountsByTopicAndByName"},
    {Defect::trims_nothing, "TrimBySizeKeepsTheNewest"},
    {Defect::trims_nothing, "TrimBySizeNeverTakesTheUnsettled"},
    {Defect::trims_the_unsettled, "TrimNeverTakesTheUnsettledNorWhatADeadLetterIsOf"},
    {Defect::trims_the_unsettled, "TrimBySizeNeverTakesTheUnsettled"},
    {Defect::trims_the_unsettled, "BesideTrafficATrimTakesNothingUnsettled"},
    {Defect::deaf_watch, "AWatchHearsOfAppendsSettlementsAndReleases"},
    {Defect::deaf_watch, "AStandingWatchHearsOfAnothersRedriveAndReplay"},
    {Defect::ends_a_watch_without_waiting, "AWatchThatEndsBesideNewsIsNotCalled"},
    {Defect::stays_open, "AClosedStoreAnswersAndRefuses"},
    {Defect::remembers_names, "AStandingOpeningServesANameThatAnotherMakesOrRemoves", kShared},
    {Defect::remembers_notes, "AStandingConsumerReadsTheNoteOfAnother", kShared},
    {Defect::remembers_what_is_trimmed, "AStandingConsumerGoesOnBehindATrimOfAnother", kShared},
    {Defect::keeps_what_a_closed_store_had, "AStandingConsumerGetsWhatAClosedStoreHad", kShared},
    {Defect::loses_all_at_a_restart, "ANameGoesOnAfterARestart", kShared},
    {Defect::loses_all_at_a_restart, "NothingIsLostWhenTheServerRestartsAgainAndAgain", kShared},
    {Defect::stays_unavailable, "AStandingOpeningFindsItsRestartedServerAgain", kShared},
    {Defect::stays_unavailable, "NothingIsLostWhenTheServerRestartsDuringUse", kShared},
    {Defect::keeps_what_a_closed_one_had, "AConsumerThatManyThreadsCloseGivesBackOnce"},
    {Defect::counts_no_deaths, "EachDeathIsCountedAsAnAttempt", kShared},
};

class EachDefect : public ::testing::TestWithParam<Mutation> {};

TEST_P(EachDefect, IsNoticed) {
  const Mutation& one = GetParam();
  EXPECT_EQ(verdict(one.noticed_by, Defect::none, one.kind), "");
  EXPECT_NE(verdict(one.noticed_by, one.defect, one.kind), "");
}

INSTANTIATE_TEST_SUITE_P(StoreConformance, EachDefect, ::testing::ValuesIn(kMutations),
                         [](const auto& one) {
                           return std::to_string(static_cast<int>(one.param.defect)) + "By" +
                                  std::string(one.param.noticed_by);
                         });

TEST(StoreConformance, IsTestedWithEachDefectThereIs) {
  std::set<Defect> tested;
  for (const Mutation& one : kMutations) tested.insert(one.defect);
  EXPECT_EQ(tested.size(), static_cast<std::size_t>(Defect::counts_no_deaths));
}

TEST(StoreConformance, RunsOnManyPlacesAtOnce) {
  std::vector<std::future<std::string>> runs;
  for (int i = 0; i < 3; ++i) {
    runs.push_back(std::async(std::launch::async, [] {
      std::string failures;
      for (const ConformanceCase& one : store_conformance()) {
        const std::string failure = verdict(one.name, Defect::none, kShared);
        if (!failure.empty()) failures += std::string(one.name) + ": " + failure + "\n";
      }
      return failures;
    }));
  }
  for (std::future<std::string>& one : runs) EXPECT_EQ(one.get(), "");
}

TEST(StoreConformance, FindsNothingWrongWithTheSameStoreWithoutADefect) {
  for (const ConformanceCase& one : store_conformance()) {
    if (one.name.find("TenThousand") != std::string_view::npos) continue;  // with the real one
    EXPECT_EQ(verdict(one.name, Defect::none), "") << one.name;
  }
}

}  // namespace
}  // namespace busway::testing
