// One process at a time writes.
#include <eventually.hpp>
#include <memory>
#include <optional>
#include <stdexcept>
#include <thread>
#include <write_gate.hpp>

#include "busway/testing/process.hpp"
#include "in_line.hpp"
#include "sqlite_fixture.hpp"

namespace busway {
namespace {

using testing::Process;

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST_F(SqliteFolder, TheGateLetsOneInAndTellsTheOtherAtItsDeadline) {
  sqlite::WriteGate one(path + "-gate");
  sqlite::WriteGate other(path + "-gate");
  ASSERT_TRUE(one.lock(seconds(0)));
  EXPECT_FALSE(other.lock(milliseconds(5)));
  one.unlock();
  EXPECT_TRUE(other.lock(seconds(60)));
  other.unlock();
  EXPECT_TRUE(one.lock(seconds(60)));
  one.unlock();
}

TEST_F(SqliteFolder, AWaitForTheGateEndsWhenItOpens) {
  sqlite::WriteGate one(path + "-gate");
  sqlite::WriteGate other(path + "-gate");
  ASSERT_TRUE(one.lock(seconds(0)));
  std::thread waits([&] {
    EXPECT_TRUE(other.lock(seconds(60)));
    other.unlock();
  });
  EXPECT_TRUE(eventually([&] { return waits_in_line(path + "-gate"); }));
  one.unlock();
  waits.join();
}

TEST_F(SqliteFolder, AGateThatIsHeldForEverEndsNobodysProgram) {
  Process holder({BUSWAY_SQLITE_WORKER, "hold", path});
  ASSERT_EQ(holder.read_line(), "ready");
  {
    sqlite::WriteGate gate(path + "-gate");
    EXPECT_FALSE(gate.lock(milliseconds(1)));
  }
  holder.kill_now();
  sqlite::WriteGate gate(path + "-gate");
  EXPECT_TRUE(gate.lock(seconds(60)));
}

/// As a child of fork() that does not exec; ends with this.
class Child {
 public:
  Child() {
    int ends[2];
    if (pipe(ends) != 0) throw std::runtime_error("no pipe for a child");
    id_ = fork();
    if (id_ == 0) {
      close(ends[1]);
      char byte = 0;
      while (read(ends[0], &byte, 1) > 0) {
      }
      _exit(0);
    }
    close(ends[0]);
    end_ = ends[1];
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    close(end_);
    int status = 0;
    waitpid(id_, &status, 0);
  }

 private:
  pid_t id_ = -1;
  int end_ = -1;
};

TEST_F(SqliteFolder, AChildOfForkHoldsNoGateWhenItsParentIsGone) {
  std::optional<sqlite::WriteGate> gate(std::in_place, path + "-gate");
  ASSERT_TRUE(gate->lock(seconds(0)));
  const Child child;
  sqlite::WriteGate other(path + "-gate");
  EXPECT_FALSE(other.lock(milliseconds(0))) << "it is still its parent's";
  gate.reset();  // as at its end
  EXPECT_TRUE(other.lock(seconds(60)));
}

TEST_F(SqliteFolder, WhatCannotPassTheGateInTimeIsNotStored) {
  const std::shared_ptr<Store> store = open({.timeout = milliseconds(20)});
  ASSERT_TRUE(store->append(numbered(1)).ok());
  Process holder({BUSWAY_SQLITE_WORKER, "hold", path});
  ASSERT_EQ(holder.read_line(), "ready");
  const AppendResult refused = store->append(numbered(2));
  EXPECT_EQ(refused.answer, Appended::not_stored);
  EXPECT_TRUE(mentions(refused.error, "events.db-gate"));
  EXPECT_TRUE(store->find(EventId{1, 1})) << "readers do not wait";
  holder.kill_now();
  EXPECT_TRUE(store->append(numbered(2)).ok());
}

}  // namespace
}  // namespace busway
