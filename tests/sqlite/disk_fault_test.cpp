// The n-th write or sync fails, for each n until a run passes clean: each answer is true.
#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <set>
#include <sstream>

#include "busway/testing/failing_disk.hpp"
#include "busway/testing/process.hpp"
#include "sqlite_fixture.hpp"

namespace busway {
namespace {

using testing::Process;

namespace fs = std::filesystem;

using Calls = testing::FailingDisk::Calls;

struct Fault {
  const char* name;
  Calls calls;
  int error;
  const char* durability;
};

std::string name_of(const ::testing::TestParamInfo<Fault>& one) {
  const std::string name = one.param.name;
  return one.param.durability == std::string("full") ? name : name + "Normal";
}

using Faulted = testing::FailingDisk::Run;

class FailingDisk : public SqliteFolder, public ::testing::WithParamInterface<Fault> {
 protected:
  static Faulted run(const std::vector<std::string>& words, const TemporaryFolder& place, long n) {
    const testing::FailingDisk disk{
        .library = BUSWAY_FAILING_DISK, .calls = GetParam().calls, .error = GetParam().error};
    Faulted out = disk.run(words, place.path(), n);
    EXPECT_EQ(out.exit_code, 0) << "call " << n;
    return out;
  }
};

TEST_P(FailingDisk, AnEventThatIsAcknowledgedIsThereAndOneThatIsRefusedIsNot) {
  const Fault fault = GetParam();
  constexpr std::uint64_t kNumbers = 12;
  constexpr int kRunsMax = 400;
  bool clean = false;
  std::map<std::string, int> answered;
  bool folder_refused = false;
  for (int n = 1; n <= kRunsMax && !clean; ++n) {
    SCOPED_TRACE("call " + std::to_string(n) + " failed");
    const TemporaryFolder place;
    const std::string file = place.file("events.db");
    const Faulted ran = run({BUSWAY_SQLITE_WORKER, "answers", "sqlite:" + file, fault.durability,
                             "1", std::to_string(kNumbers)},
                            place, n);
    clean = ran.clean();
    std::map<std::uint64_t, std::string> answers;
    long synced = 0;
    long synced_first = 0;
    bool refused = false;
    for (const std::string& line : ran.lines) {
      if (line.starts_with("refused")) {
        refused = true;
        folder_refused = folder_refused || mentions(line, "folder that cannot be synced");
        EXPECT_TRUE(mentions(line, "events.db")) << line;
        continue;
      }
      std::istringstream words(line);
      std::uint64_t number = 0;
      std::string answer;
      long syncs = 0;
      bool failed = false;
      words >> number >> answer >> syncs >> failed;
      answers[number] = answer;
      ++answered[answer];
      // The page cache has what was not synced: that it is found again proves nothing.
      if (failed) {
        EXPECT_NE(answer, "stored") << number << ": a call of its commit failed";
        if (fault.error != ENOSPC) {
          EXPECT_EQ(answer, "unknown") << number;
        }
      }
      if (answer == "stored" && number > 1 && fault.durability == std::string("full")) {
        EXPECT_GT(syncs, synced) << number << " was answered before it was synced";
      }
      if (number == 1) synced_first = syncs;
      synced = syncs;
    }
    if (clean) {
      EXPECT_FALSE(refused);
      for (const auto& [number, answer] : answers) EXPECT_EQ(answer, "stored") << number;
      EXPECT_EQ(answers.size(), kNumbers);
      if (fault.durability == std::string("normal")) {
        EXPECT_LT(synced - synced_first, static_cast<long>(kNumbers) - 1)
            << "NORMAL is not to sync each commit";
      }
    }
    const std::shared_ptr<Store> store = open_sqlite_store(file, options());
    for (const auto& [number, answer] : answers) {
      const bool there = store->find(EventId{1, number}).has_value();
      if (answer == "stored") {
        EXPECT_TRUE(there) << number << " was acknowledged";
      }
      if (answer == "not_stored") {
        EXPECT_FALSE(there) << number << " was refused and is there";
      }
    }
    // What was refused or is not known can be repeated.
    for (std::uint64_t number = 1; number <= kNumbers; ++number) {
      EXPECT_TRUE(store->append(numbered(number)).ok()) << number;
    }
    EXPECT_EQ(store->stats().events, kNumbers);
    EXPECT_TRUE(store->check().empty());
  }
  EXPECT_TRUE(clean) << "no run passed without a fault";
  EXPECT_GT(answered["stored"], 0);
  // A full disk refuses; whether what failed otherwise is there nobody knows.
  if (fault.error == ENOSPC) {
    EXPECT_GT(answered["not_stored"], 0);
  }
  if (fault.error == EIO && fault.durability == std::string("full")) {
    EXPECT_GT(answered["unknown"], 0);
  }
  EXPECT_EQ(folder_refused, fault.calls == Calls::sync && fault.durability == std::string("full"))
      << "the new file could be gone after a power failure";
}

INSTANTIATE_TEST_SUITE_P(Faults, FailingDisk,
                         ::testing::Values(Fault{"AWriteFails", Calls::write, EIO, "full"},
                                           Fault{"TheDiskIsFull", Calls::write, ENOSPC, "full"},
                                           Fault{"ASyncFails", Calls::sync, EIO, "full"},
                                           Fault{"ASyncFails", Calls::sync, EIO, "normal"}),
                         name_of);

/// One line is `what NUMBER more`.
struct Said {
  std::string what;
  std::uint64_t number = 0;
  std::string more;
};

class FailingLife : public FailingDisk {
 protected:
  /// Each n where the kills are many, else some.
  static long stride(long calls) {
    const char* const kills = std::getenv("BUSWAY_TEST_STORE_KILLS");
    if (kills != nullptr && std::atoi(kills) >= 500) return 1;
    constexpr long kRuns = 16;
    return std::max(1L, calls / kRuns);
  }

  void audit(const Faulted& ran, const TemporaryFolder& place) {
    const std::string backup = place.file("backup.db");
    std::map<std::uint64_t, std::string> answers;
    std::map<std::uint64_t, std::string> settled;
    bool backed_up = false;
    std::set<std::uint64_t> before_backup;
    std::set<std::uint64_t> unsure;
    for (const std::string& line : ran.lines) {
      std::istringstream words(line);
      Said one;
      words >> one.what;
      if (one.what == "backup") {
        words >> one.more;
        backed_up = one.more == "ok";
        for (const auto& [number, answer] : answers) {
          const auto end = settled.find(number);
          const bool may_be_trimmed = end != settled.end() && end->second == "done";
          if (answer != "stored" || may_be_trimmed || unsure.contains(number)) continue;
          before_backup.insert(number);
        }
        continue;
      }
      words >> one.number >> one.more;
      EXPECT_NE(one.what, "again") << line;
      EXPECT_NE(one.what, "wrong") << line;
      EXPECT_NE(one.what, "stale") << line;
      if (one.what == "settled") {
        unsure.erase(one.number);
        if (one.more != "retry") settled[one.number] = one.more;
      } else if (one.what == "unsure") {
        unsure.insert(one.number);
      } else if (one.what == "stored" || one.what == "not_stored" || one.what == "unknown") {
        answers[one.number] = one.what;
      }
    }
    const std::shared_ptr<Store> store = open_sqlite_store(place.file("events.db"), options());
    EXPECT_EQ(store->check(), std::vector<std::string>{});
    std::set<std::uint64_t> given;
    const auto consumer = store->open(
        {.name = "work", .patterns = {Pattern::glob("number.*")}, .start = Replay::beginning()});
    for (bool more = true; more;) {
      const FetchResult fetched = consumer->fetch(100);
      more = fetched.more || !fetched.deliveries.empty();
      for (const Leased& one : fetched.deliveries) {
        const std::uint64_t number = one.event.id().low;
        EXPECT_TRUE(given.insert(number).second) << number << " came twice";
        EXPECT_FALSE(settled.contains(number)) << number << " was settled and came again";
        std::uint64_t payload = 0;
        ASSERT_EQ(one.event.bytes().size(), sizeof payload);
        std::memcpy(&payload, one.event.bytes().data(), sizeof payload);
        EXPECT_EQ(payload, number);
      }
    }
    std::set<std::uint64_t> dead;
    for (const StoredLetter& one : store->dead_letters({})) dead.insert(one.event.id().low);
    for (const auto& [number, answer] : answers) {
      const bool is_there = store->find(EventId{1, number}).has_value();
      if (answer == "not_stored") {
        EXPECT_FALSE(is_there) << number << " was refused and is there";
      }
      if (answer != "stored") continue;
      const auto end = settled.find(number);
      if (end == settled.end()) {
        // A settlement that failed may have come through all the same.
        EXPECT_TRUE(given.contains(number) || dead.contains(number) || unsure.contains(number))
            << number << " was acknowledged, was not settled, and does not come";
      } else if (end->second == "dead") {
        EXPECT_TRUE(is_there && dead.contains(number)) << number << " is no dead letter";
      }
    }
    if (!backed_up) {
      EXPECT_FALSE(fs::exists(backup)) << "a part of a backup stayed";
      for (const fs::directory_entry& one : fs::directory_iterator(place.path())) {
        EXPECT_FALSE(one.path().filename().string().starts_with("backup.db")) << one.path();
      }
      return;
    }
    const std::shared_ptr<Store> copy = open_sqlite_store(backup, options());
    EXPECT_EQ(copy->check(), std::vector<std::string>{});
    for (const std::uint64_t number : before_backup) {
      EXPECT_TRUE(copy->find(EventId{1, number})) << number << " is not in the backup";
    }
  }
};

TEST_P(FailingLife, WhateverFailsInItEachAnswerIsTrue) {
  const auto turn = [&](long n) {
    SCOPED_TRACE("call " + std::to_string(n) + " failed");
    const TemporaryFolder place;
    const Faulted ran = run({BUSWAY_SQLITE_WORKER, "live", "sqlite:" + place.file("events.db"),
                             GetParam().durability, place.file("backup.db")},
                            place, n);
    audit(ran, place);
    if (!ran.clean()) return ran;
    EXPECT_EQ(ran.lines.empty() ? "" : ran.lines.back(), "end");
    for (const std::string& line : ran.lines) {
      for (const char* const bad : {"failed", "refused", "unknown", "not_", "backup failed"}) {
        EXPECT_FALSE(line.starts_with(bad)) << line;
      }
    }
    return ran;
  };
  constexpr long kMany = 1'000'000;
  const long step = stride(turn(kMany).calls);
  std::mt19937 random(std::random_device{}());
  long n = 1 + static_cast<long>(random() % static_cast<unsigned long>(step));
  while (!HasFailure() && !turn(n).clean()) n += step;
  EXPECT_LT(n, kMany);
}

INSTANTIATE_TEST_SUITE_P(Faults, FailingLife,
                         ::testing::Values(Fault{"AWriteFails", Calls::write, EIO, "full"},
                                           Fault{"AWriteFails", Calls::write, EIO, "normal"},
                                           Fault{"TheDiskIsFull", Calls::write, ENOSPC, "full"},
                                           Fault{"TheDiskIsFull", Calls::write, ENOSPC, "normal"},
                                           Fault{"ASyncFails", Calls::sync, EIO, "full"},
                                           Fault{"ASyncFails", Calls::sync, EIO, "normal"}),
                         name_of);

TEST_F(SqliteFolder, AFullDiskRefusesAndGoesOnWhenThereIsRoom) {
  Process worker({BUSWAY_SQLITE_WORKER, "fill", folder.path().string()});
  const std::string said = worker.read_line();
  EXPECT_EQ(worker.wait(), 0);
  if (said.starts_with("no disk")) GTEST_SKIP() << "a tmpfs cannot be mounted here: " << said;
  EXPECT_EQ(said, "refused 1 more 1 untrue 0 undelivered 0 damaged 0");
}

}  // namespace
}  // namespace busway
