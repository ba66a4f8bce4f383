#include "busway/testing/process.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <string>
#include <system_error>

namespace busway::testing {
namespace {

TEST(Process, AnswersLineByLineAndEndsWithItsInput) {
  Process cat({"/bin/cat"});
  cat.tell("one");
  EXPECT_EQ(cat.read_line(), "one");
  cat.tell("two");
  cat.tell("three");
  EXPECT_EQ(cat.read_line(), "two");
  cat.close_input();
  EXPECT_EQ(cat.read_all(), "three\n");
  EXPECT_EQ(cat.read_line(), "") << "there is nothing any more";
  EXPECT_EQ(cat.wait(), 0);
  EXPECT_EQ(cat.wait(), 0) << "and again";
}

TEST(Process, HasTheVariablesOfTheTestButForItsOwn) {
  const std::string path = std::getenv("PATH");
  Process shell({"/bin/sh", "-c", "echo \"$BUSWAY_WORD\"; echo \"$PATH\"; echo \"$HOME\""},
                {"BUSWAY_WORD=new", "HOME=own"});
  EXPECT_EQ(shell.read_line(), "new");
  EXPECT_EQ(shell.read_line(), path);
  EXPECT_EQ(shell.read_line(), "own");
  EXPECT_EQ(shell.wait(), 0);
}

TEST(Process, TellsItsCodeOrTheSignalThatEndedIt) {
  EXPECT_EQ(Process({"/bin/sh", "-c", "exit 3"}).wait(), 3);
  Process cat({"/bin/cat"});
  cat.signal(SIGSTOP);
  cat.kill_now();
  EXPECT_EQ(cat.wait(), 128 + SIGKILL);
  cat.signal(SIGCONT);  // meets nobody
}

TEST(Process, ThatDoesNotReadAnyMoreIsAnErrorAndNoSignal) {
  Process cat({"/bin/cat"});
  cat.kill_now();
  EXPECT_THROW(cat.tell("anybody"), std::system_error);
}

TEST(Process, OfAProgramThatIsNotThereIsAnError) {
  EXPECT_THROW(Process({"/no/such/program"}), std::system_error);
}

}  // namespace
}  // namespace busway::testing
