// The n-th write or sync fails, for each n until a run passes clean: each answer is true.
#include <cerrno>
#include <fstream>
#include <map>
#include <sstream>

#include "process.hpp"
#include "sqlite_fixture.hpp"

namespace busway {
namespace {

struct Fault {
  const char* name;
  const char* calls;
  int error;
};

class FailingDisk : public SqliteFolder, public ::testing::WithParamInterface<Fault> {};

TEST_P(FailingDisk, AnEventThatIsAcknowledgedIsThereAndOneThatIsRefusedIsNot) {
  const Fault fault = GetParam();
  constexpr std::uint64_t kNumbers = 12;
  constexpr int kRunsMax = 400;
  bool clean = false;
  int stored_in_all = 0;
  int not_stored_in_all = 0;
  for (int n = 1; n <= kRunsMax && !clean; ++n) {
    const TemporaryFolder place;
    const std::string file = place.file("events.db");
    const std::string count = folder.file("count");
    Process worker(
        {BUSWAY_SQLITE_WORKER, "answers", "sqlite:" + file, "1", std::to_string(kNumbers)},
        {std::string("LD_PRELOAD=") + BUSWAY_FAILING_DISK,
         "ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0",
         "BUSWAY_DISK_FOLDER=" + place.path().string(), "BUSWAY_DISK_FAILS=" + std::to_string(n),
         "BUSWAY_DISK_ERROR=" + std::to_string(fault.error),
         std::string("BUSWAY_DISK_CALLS=") + fault.calls, "BUSWAY_DISK_COUNT=" + count});
    std::istringstream lines(worker.read_all());
    ASSERT_EQ(worker.wait(), 0) << "call " << n;
    long calls = 0;
    std::ifstream(count) >> calls;
    clean = calls < n;
    std::map<std::uint64_t, std::string> answers;
    std::string line;
    bool refused = false;
    while (std::getline(lines, line)) {
      std::istringstream words(line);
      if (line.starts_with("refused")) {
        refused = true;
        EXPECT_TRUE(mentions(line, "events.db")) << line;
        continue;
      }
      std::uint64_t number = 0;
      std::string answer;
      words >> number >> answer;
      answers[number] = answer;
    }
    if (clean) {
      EXPECT_FALSE(refused);
      for (const auto& [number, answer] : answers) EXPECT_EQ(answer, "stored") << number;
      EXPECT_EQ(answers.size(), kNumbers);
    }
    const std::shared_ptr<Store> store = open_sqlite_store(file, options());
    for (const auto& [number, answer] : answers) {
      const bool there = store->find(EventId{1, number}).has_value();
      if (answer == "stored") {
        ++stored_in_all;
        EXPECT_TRUE(there) << number << " was acknowledged, call " << n << " failed";
      } else if (answer == "not_stored") {
        ++not_stored_in_all;
        EXPECT_FALSE(there) << number << " was refused and is there, call " << n << " failed";
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
  EXPECT_GT(stored_in_all, 0);
  // A full disk refuses; whether what failed otherwise is there nobody knows.
  if (fault.error == ENOSPC) {
    EXPECT_GT(not_stored_in_all, 0);
  }
}

INSTANTIATE_TEST_SUITE_P(Faults, FailingDisk,
                         ::testing::Values(Fault{"AWriteFails", "write", EIO},
                                           Fault{"TheDiskIsFull", "write", ENOSPC},
                                           Fault{"ASyncFails", "sync", EIO}),
                         [](const auto& one) { return std::string(one.param.name); });

TEST_F(SqliteFolder, AFullDiskRefusesAndGoesOnWhenThereIsRoom) {
  Process worker({BUSWAY_SQLITE_WORKER, "fill", folder.path().string()});
  const std::string said = worker.read_line();
  EXPECT_EQ(worker.wait(), 0);
  if (said.starts_with("no disk")) GTEST_SKIP() << "a tmpfs cannot be mounted here: " << said;
  EXPECT_EQ(said, "refused 1 more 1 untrue 0 undelivered 0 damaged 0");
}

}  // namespace
}  // namespace busway
