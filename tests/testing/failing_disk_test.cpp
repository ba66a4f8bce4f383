#include "busway/testing/failing_disk.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <csignal>
#include <string>
#include <temporary_folder.hpp>
#include <vector>

namespace busway::testing {
namespace {

using Lines = std::vector<std::string>;

const Lines kWrites{"write", "writev", "pwrite", "pwritev", "ftruncate", "posix_fallocate"};
const Lines kSyncs{"fsync", "fdatasync"};

Lines both() {
  Lines all = kWrites;
  all.insert(all.end(), kSyncs.begin(), kSyncs.end());
  return all;
}

FailingDisk::Run run(const FailingDisk& disk, long n) {
  const TemporaryFolder place;
  return disk.run({BUSWAY_PLAIN_WRITER, place.file("file")}, place.path(), n);
}

/// Each of these fails in its turn with `error`, and all others never.
void expect_each_fails_once(const FailingDisk& disk, const Lines& failing) {
  for (std::size_t n = 1; n <= failing.size() + 1; ++n) {
    const FailingDisk::Run ran = run(disk, static_cast<long>(n));
    Lines expected;
    for (const std::string& name : both()) {
      const bool fails = n <= failing.size() && name == failing[n - 1];
      expected.push_back(name + (fails ? " " + std::to_string(disk.error) : " ok"));
    }
    expected.emplace_back("syncs 2");
    EXPECT_EQ(ran.lines, expected);
    EXPECT_EQ(ran.exit_code, 0);
    EXPECT_EQ(ran.calls, static_cast<long>(failing.size()));
    EXPECT_EQ(ran.clean(), n > failing.size()) << n;
  }
}

TEST(FailingDisk, FailsEachCallInItsTurnUntilARunIsClean) {
  expect_each_fails_once({.library = BUSWAY_FAILING_DISK}, both());
}

TEST(FailingDisk, FailsWritesOrSyncsAloneWithTheErrorThatIsAskedFor) {
  expect_each_fails_once(
      {.library = BUSWAY_FAILING_DISK, .calls = FailingDisk::Calls::write, .error = ENOSPC},
      kWrites);
  expect_each_fails_once({.library = BUSWAY_FAILING_DISK, .calls = FailingDisk::Calls::sync},
                         kSyncs);
}

TEST(FailingDisk, FailsNothingInAnotherFolder) {
  const TemporaryFolder place;
  const TemporaryFolder other;
  const FailingDisk disk{.library = BUSWAY_FAILING_DISK};
  const FailingDisk::Run ran = disk.run({BUSWAY_PLAIN_WRITER, place.file("file")}, other.path(), 1);
  EXPECT_EQ(ran.calls, 0);
  EXPECT_EQ(ran.lines.back(), "syncs 0");
}

TEST(FailingDisk, ARunThatDidNotEndByItselfIsNotClean) {
  const TemporaryFolder place;
  const FailingDisk::Run ran = FailingDisk{.library = BUSWAY_FAILING_DISK}.run(
      {"/bin/sh", "-c", "kill -9 $$"}, place.path(), 1);
  EXPECT_EQ(ran.exit_code, 128 + SIGKILL);
  EXPECT_EQ(ran.calls, -1);
  EXPECT_FALSE(ran.clean());
}

TEST(FailingDisk, IsNothingInAProgramWithoutIt) {
  EXPECT_EQ(FailingDisk::syncs(), 0);
  EXPECT_FALSE(FailingDisk::has_failed_here());
}

}  // namespace
}  // namespace busway::testing
