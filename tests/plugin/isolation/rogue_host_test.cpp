// A process that does not keep to what was agreed: whatever it says, the host and its other plugins
// go on, the plugin is named with what went wrong, and nothing is left of the process.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <optional>
#include <string>
#include <system_error>
#include <thread>

#include <eventually.hpp>
#include <temporary_folder.hpp>

#include "../plugin_fixture.hpp"
#include "busway/dead_letters.hpp"
#include "busway/stats.hpp"
#include "children.hpp"

namespace busway {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::seconds;

std::size_t open_descriptors() {
  const fs::directory_iterator all("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

class RogueHost : public PluginTest {
 protected:
  void SetUp() override {
    run("alpha");  // the other plugin
    before_ = open_descriptors();
  }
  void TearDown() override {
    rogues_.reset();
    EXPECT_FALSE(isolated() ? false : has_children()) << "a process was left behind";
    EXPECT_EQ(open_descriptors(), before_) << "descriptors were left open";
    EXPECT_EQ(manager_.find("alpha")->state, PluginState::running);
    EXPECT_EQ(manager_.health("alpha").level, PluginHealthInfo::Level::ok);
    EXPECT_EQ(bus_.stats().in_flight, 0U);
  }

  /// The library in a file named after what the process is to do.
  std::string file(const std::string& mode) {
    const std::string path = folder_.file(mode + ".so");
    fs::copy_file(library("plain_c"), path, fs::copy_options::overwrite_existing);
    fs::permissions(path, fs::perms::owner_all, fs::perm_options::replace);
    return path;
  }
  PluginManager& rogues(std::chrono::nanoseconds call_timeout = seconds(30)) {
    if (!rogues_) {
      rogues_.emplace(bus_, PluginManagerOptions{.call_timeout = call_timeout,
                                                 .plugin_host = BUSWAY_TEST_ROGUE_HOST});
    }
    return *rogues_;
  }
  static PluginRules rules() {
    PluginRules out;
    out.isolation = PluginIsolation::process;
    return out;
  }

  /// Loading fails, and the message names the file and has these words.
  void refuses(const std::string& mode, ErrorCode code, const std::string& words,
               std::chrono::nanoseconds call_timeout = seconds(30)) {
    const std::string path = file(mode);
    const Error error =
        error_of([&] { rogues(call_timeout).load(PluginSpec{.path = path, .rules = rules()}); });
    const std::string message = error.what();
    EXPECT_EQ(error.code(), code) << message;
    EXPECT_NE(message.find(mode + ".so"), std::string::npos) << message;
    EXPECT_NE(message.find(words), std::string::npos) << message;
    EXPECT_EQ(message.find('\x1b'), std::string::npos) << "text from outside is escaped";
    EXPECT_LT(message.size(), 2000U);
    EXPECT_FALSE(isolated() ? false : has_children());
  }

  std::string load(const std::string& mode, const PluginRules& with = rules()) {
    return rogues().load(PluginSpec{.path = file(mode), .rules = with});
  }
  std::string start(const std::string& mode, const PluginRules& with = rules()) {
    const std::string id = load(mode, with);
    rogues().start(id);
    return id;
  }
  /// Starting fails, and the message names the plugin and has these words.
  void does_not_start(const std::string& mode, const std::string& words) {
    const std::string id = rogues().load(PluginSpec{.path = file(mode), .rules = rules()});
    const Error error = error_of([&] { rogues().start(id); });
    const std::string message = error.what();
    EXPECT_EQ(error.code(), ErrorCode::plugin_failed) << message;
    EXPECT_NE(message.find("the plugin rogue failed in start"), std::string::npos) << message;
    EXPECT_NE(message.find(words), std::string::npos) << message;
    EXPECT_EQ(rogues().find(id)->state, PluginState::failed);
  }
  /// It does what it does, and works.
  void works(const std::string& mode) {
    const std::uint64_t before = bus_.stats().delivered;
    const std::string id = start(mode);
    EXPECT_EQ(rogues().find(id)->state, PluginState::running);
    (void)bus_.publish("rogue.in");
    EXPECT_TRUE(rogues().wait_until_idle(kGuard));
    EXPECT_EQ(bus_.dead_letters().size(), 0U);
    EXPECT_EQ(bus_.stats().delivered, before + 1);
    rogues().unload(id);
  }
  /// The event that it did not handle is a dead letter of these words.
  void loses_its_event(const std::string& mode, const std::string& words,
                       PluginRules with = rules(), const Json& payload = "kept") {
    with.restarts_max = 1;
    with.restart_delay = milliseconds(1);
    (void)start(mode, with);
    ASSERT_EQ(bus_.publish("rogue.in", payload).queued, 1U);
    ASSERT_TRUE(eventually([&] { return bus_.dead_letters().size() == 1; }));
    const DeadLetter letter = bus_.dead_letters().list().front();
    EXPECT_EQ(letter.event.topic(), "rogue.in");
    EXPECT_EQ(letter.event.json(), payload);
    EXPECT_NE(letter.last().reason.find(words), std::string::npos) << letter.last().reason;
  }

  TemporaryFolder folder_;
  std::size_t before_ = 0;
  std::optional<PluginManager> rogues_;
};

// -- When it opens the library --------------------------------------------------------------------

TEST_F(RogueHost, ThatIsNoProgram) {
  rogues_.emplace(bus_, PluginManagerOptions{.plugin_host = folder_.file("none")});
  const std::string path = file("anything");
  const Error error = error_of([&] { rogues_->load(PluginSpec{.path = path, .rules = rules()}); });
  EXPECT_EQ(error.code(), ErrorCode::plugin_failed);
  EXPECT_NE(std::string(error.what()).find("cannot start " + folder_.file("none")),
            std::string::npos)
      << error.what();
}

TEST_F(RogueHost, ThatEndsAtOnce) {
  refuses("exits", ErrorCode::bad_plugin_file, "ended with code 5");
}
TEST_F(RogueHost, ThatCrashes) {
  refuses("crashes", ErrorCode::bad_plugin_file, "was killed by SIGABRT");
}
TEST_F(RogueHost, ThatNeverAnswers) {
  refuses("silent", ErrorCode::bad_plugin_file, "did not open the library in time and was killed",
          milliseconds(200));
}
TEST_F(RogueHost, ThatSendsHalfAnAnswer) {
  refuses("half_a_frame", ErrorCode::bad_plugin_file,
          "did not open the library in time and was killed", milliseconds(200));
}
TEST_F(RogueHost, ThatSendsAFrameThatHasNoEnd) {
  refuses("floods_in_one_frame", ErrorCode::bad_plugin_file,
          "sent what makes no sense, and was killed", milliseconds(200));
}
TEST_F(RogueHost, ThatSendsGarbage) {
  refuses("garbage", ErrorCode::bad_plugin_file,
          "closed its connection, or sent what makes no sense, and was killed");
}
TEST_F(RogueHost, ThatSendsAnImpossibleLength) {
  refuses("huge_length", ErrorCode::bad_plugin_file, "sent what makes no sense, and was killed");
  refuses("zero_length", ErrorCode::bad_plugin_file, "sent what makes no sense, and was killed");
}
TEST_F(RogueHost, ThatClosesItsConnectionAndStaysAlive) {
  refuses("closes_at_once", ErrorCode::bad_plugin_file, "closed its connection");
}
TEST_F(RogueHost, WhoseFactsMakeNoSense) {
  for (const char* mode : {"cut_facts", "more_required_than_written", "many_required",
                           "asks_in_place_of_facts", "unknown_kind", "refuses_cut"}) {
    refuses(mode, ErrorCode::bad_plugin_file, "broke the rules of its connection");
  }
}
TEST_F(RogueHost, WhoseIdIsNone) {
  refuses("illegal_id", ErrorCode::plugin_abi, "calls itself");
  refuses("no_id", ErrorCode::plugin_abi, "calls itself");
  refuses("long_id", ErrorCode::plugin_abi, "calls itself");
}
TEST_F(RogueHost, ThatRefusesWithoutSayingOfWhatOrWhy) {
  refuses("refuses_without_words", ErrorCode::bad_plugin_file, "cannot be opened");
  refuses("refuses_with_odd_words", ErrorCode::bad_plugin_file, "no\\n");
}

// -- When it is called ----------------------------------------------------------------------------

TEST_F(RogueHost, ThatAsksForSomethingBeforeItIsCreated) {
  Watcher watch(bus_, "rogue.early");
  EXPECT_EQ(load("asks_before_it_is_created"), "rogue");
  EXPECT_EQ(watch.count("rogue.early"), 1U) << "it is served when it is";
}
TEST_F(RogueHost, ThatTellsOfEventsBeforeItIsCreated) {
  for (const char* mode : {"handles_before_it_is_created", "fails_before_it_is_created"}) {
    const Error error = error_of([&] { load(mode); });
    EXPECT_TRUE(mentions(error.what(),
                         "the plugin rogue failed in create: its process broke the "
                         "rules of its connection (event "));
    EXPECT_TRUE(mentions(error.what(), ", which it was never sent) and was killed"));
    EXPECT_FALSE(isolated() ? false : has_children());
  }
}

TEST_F(RogueHost, ThatDoesNotAnswerTheCallThatWasMade) {
  for (const char* mode : {"answers_another_call", "answers_cut", "answers_unasked"}) {
    const Error error = error_of([&] { load(mode); });
    const std::string message = error.what();
    EXPECT_EQ(error.code(), ErrorCode::plugin_failed) << message;
    EXPECT_NE(message.find("the plugin rogue failed in create: its process broke the rules of its "
                           "connection ("),
              std::string::npos)
        << message;
    EXPECT_FALSE(isolated() ? false : has_children());
  }
}
TEST_F(RogueHost, ThatEndsInCreate) {
  const Error error = error_of([&] { load("exits_in_create"); });
  EXPECT_NE(std::string(error.what())
                .find("the plugin rogue failed in create: its process ended with code 7"),
            std::string::npos)
      << error.what();
}
TEST_F(RogueHost, ThatAnswersTwice) {
  does_not_start("answers_twice", "its process broke the rules of its connection (");
}
TEST_F(RogueHost, ThatClosesItsConnectionInACallAndStaysAlive) {
  does_not_start("closes", "its process closed its connection");
}
TEST_F(RogueHost, ThatLogsWithoutEndInACall) {
  (void)rogues(seconds(1));
  does_not_start("floods_log", "did not come back from a call in time and was killed");
}
TEST_F(RogueHost, ThatTellsOfHandledEventsWithoutEndInACall) {
  does_not_start("floods_handled", "(event 1, which it was never sent) and was killed");
}

// -- What it has in its hands ---------------------------------------------------------------------

TEST_F(RogueHost, ThatWouldShrinkWhatItSharesWithTheHost) { works("shrinks"); }
TEST_F(RogueHost, ThatSendsAPipeThroughTheDoor) { works("door_pipe"); }
TEST_F(RogueHost, ThatSendsAFileThroughTheDoor) { works("door_file"); }
TEST_F(RogueHost, ThatSendsNothingThroughTheDoor) { works("door_nothing"); }
TEST_F(RogueHost, ThatSendsSeveralAtOnceThroughTheDoor) { works("door_several"); }
TEST_F(RogueHost, ThatSendsASocketOfAnotherTypeThroughTheDoor) {
  works("door_datagrams");
  works("door_itself");
  works("door_listening");
}
TEST_F(RogueHost, ThatSaysGarbageBesideTheDoor) {
  works("door_garbage");
  works("door_unknown_kind");
}
TEST_F(RogueHost, ThatHasMoreThreadsThanItMay) { works("door_many"); }

// -- Events ---------------------------------------------------------------------------------------

TEST_F(RogueHost, ThatTellsOfWhatItWasNeverSent) {
  // All that it says of the event that it was sent is that it was another.
  for (const char* mode :
       {"handles_what_was_never_sent", "handles_none", "handles_what_an_earlier_one_was_sent",
        "fails_what_was_never_sent", "skips_what_was_never_sent", "notes_what_was_never_sent"}) {
    SCOPED_TRACE(mode);
    PluginRules with = rules();
    // What only the memory tells is seen when the host looks.
    if (mode == std::string_view("notes_what_was_never_sent")) with.hard_deadline = seconds(1);
    loses_its_event(mode, "broke the rules of its connection (event ", with);
    EXPECT_TRUE(mentions(bus_.dead_letters().list().front().last().reason,
                         ", which it was never sent) and was killed"));
    EXPECT_TRUE(
        eventually([&] { return rogues().find("rogue")->state == PluginState::quarantined; }));
    EXPECT_EQ(bus_.stats().delivered, 0U);
    bus_.dead_letters().purge_all();
    rogues_.reset();
  }
}
TEST_F(RogueHost, ThatReadsNothing) {
  PluginRules with = rules();
  with.hard_deadline = milliseconds(200);
  // More than a socket holds.
  loses_its_event("does_not_read", "did not read what it was sent in time", with,
                  Json(std::string(900'000, 'x')));
}
TEST_F(RogueHost, ThatFailsOneEventTwice) {
  loses_its_event("fails_twice", "because\\x1b[31m");
  EXPECT_EQ(bus_.stats().dead_lettered, 1U);
}
TEST_F(RogueHost, ThatFailsWithAStatusThatIsNone) {
  const PluginRules with = rules();
  (void)start("fails_oddly", with);
  (void)bus_.publish("rogue.in");
  EXPECT_TRUE(rogues().wait_until_idle(kGuard));
  EXPECT_EQ(bus_.stats().delivered, 0U);
  EXPECT_EQ(bus_.dead_letters().size(), 1U);
}
TEST_F(RogueHost, ThatFailsWithTheStatusOfOneThatWentWell) { works("fails_with_ok"); }

TEST_F(RogueHost, ThatWritesRubbishIntoTheMemoryThatBothShare) {
  PluginRules with = rules();
  with.restarts_max = 0;
  (void)start("writes_rubbish", with);
  (void)bus_.publish("rogue.in");
  EXPECT_TRUE(
      eventually([&] { return rogues().find("rogue")->state == PluginState::quarantined; }));
  EXPECT_TRUE(rogues().wait_until_idle(kGuard));
  const Stats stats = bus_.stats();
  EXPECT_EQ(stats.matched, stats.delivered + stats.dead_lettered) << "it is the one or the other";
}
TEST_F(RogueHost, ThatDiesOfAnEventWhichItDoesNotSayItHasBegun) {
  loses_its_event("dies_of_no_event", "ended with code 3");
}

}  // namespace
}  // namespace busway
