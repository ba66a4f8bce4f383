// A reader that comes after another one, and what has become of the files in the meantime.
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <temporary_folder.hpp>
#include <utility>
#include <vector>

#include "../../../plugins/tail/followed_file.hpp"
#include "../../../plugins/tail/positions.hpp"

namespace tail {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using Texts = std::vector<std::string>;

class ReturningReaderTest : public ::testing::Test {
 protected:
  ReturningReaderTest() { come(); }

  /// The reader goes; the next one goes on where it was.
  void go() {
    position_ = file_->position();
    file_.reset();
    notes_.clear();
  }
  void come_back() {
    come();
    // As it is handed on, and kept in a file.
    file_->go_on_from(read_positions(write_positions({{path_, position_.value()}})).at(path_));
  }

  /// What is read now.
  Texts check() {
    for (int i = 0; file_->check(now_) == FollowedFile::Checked::more; ++i) {
      if (i > 1000) {
        ADD_FAILURE() << "it never ends";
        break;
      }
    }
    return std::exchange(lines_, {});
  }
  Texts notes() { return std::exchange(notes_, {}); }

  void append(const std::string& text, const std::string& to = "") const {
    std::ofstream(path_ + to, std::ios::binary | std::ios::app) << text;
  }
  void rename(const std::string& from, const std::string& to) const {
    fs::rename(path_ + from, path_ + to);
  }
  void write_anew(const std::string& text) const {
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << text;
  }

  busway::TemporaryFolder folder_;
  const std::string path_ = folder_.file("app.log");
  FollowedFile::Time now_{};
  std::unique_ptr<FollowedFile> file_;
  std::optional<PathPosition> position_;
  Texts lines_;
  Texts notes_;
  nlohmann::json lost_;  // the payload of the last tail.lost

 private:
  void come() {
    file_ = std::make_unique<FollowedFile>(
        FollowedFile::Options{.path = path_,
                              .start = Start::beginning,
                              .on_line =
                                  [this](const shared::Line& line, std::int64_t) {
                                    lines_.push_back(line.text);
                                    return OpenFile::Told::go_on;
                                  },
                              .on_note =
                                  [this](std::string_view topic, const nlohmann::json& payload) {
                                    notes_.emplace_back(topic);
                                    if (topic == "tail.lost") lost_ = payload;
                                  }});
  }
};

TEST_F(ReturningReaderTest, GoesOnWhereTheEarlierOneWas) {
  append("a\nhal");
  EXPECT_EQ(check(), Texts{"a"});
  go();
  append("f\nb\n");
  come_back();
  EXPECT_EQ(check(), (Texts{"half", "b"}));
  EXPECT_EQ(notes(), Texts{"tail.opened"});
}

TEST_F(ReturningReaderTest, ReadsAFileThatWasWrittenAnewFromItsBeginningHoweverLongItIsNow) {
  for (const char* const text : {"c\n", "c\nd\n", "cccc\ndddd\neeee\n"}) {
    write_anew("a\nb\n");
    (void)check();
    go();
    write_anew(text);
    come_back();
    const Texts found = check();
    ASSERT_FALSE(found.empty()) << text;
    EXPECT_EQ(found.front()[0], 'c') << text;
    EXPECT_EQ(notes(), (Texts{"tail.truncated", "tail.opened"})) << text;
  }
}

TEST_F(ReturningReaderTest, NoticesThatTheLineThatHadBegunWasWrittenAnew) {
  append("unfinished");
  EXPECT_EQ(check(), Texts{});
  go();
  write_anew("another and more\n");
  come_back();
  EXPECT_EQ(check(), Texts{"another and more"});
  EXPECT_EQ(notes(), (Texts{"tail.truncated", "tail.opened"}));
}

TEST_F(ReturningReaderTest, ReadsTheRestOfAFileThatWasRotatedWhileNobodyRead) {
  append("a\n");
  EXPECT_EQ(check(), Texts{"a"});
  go();
  append("b\nunfin");
  rename("", ".1");
  append("c\n");
  come_back();
  EXPECT_EQ(check(), (Texts{"b", "c"}));
  EXPECT_EQ(notes(), (Texts{"tail.rotated", "tail.opened"}));
  append("ished\n", ".1");
  append("d\n");
  EXPECT_EQ(check(), (Texts{"unfinished", "d"}));
}

TEST_F(ReturningReaderTest, ReadsTheRestOfFilesThatTheEarlierOneStillRead) {
  append("a\n");
  (void)check();
  append("b");
  (void)check();
  rename("", ".1");
  append("c\nd");
  EXPECT_EQ(check(), Texts{"c"});
  go();
  append("b\n", ".1");
  rename(".1", ".2");
  append("d\n");
  rename("", ".1");
  append("e\n");
  come_back();
  EXPECT_EQ(check(), (Texts{"bb", "dd", "e"}));
  now_ += 5s;
  EXPECT_EQ(check(), Texts{});
  EXPECT_EQ(file_->wait_until(), std::nullopt);
  EXPECT_EQ(notes(), (Texts{"tail.rotated", "tail.opened"}));
}

TEST_F(ReturningReaderTest, TakesTheLastLineOfARotatedFileOnceItIsSilent) {
  append("a\nhalf");
  (void)check();
  rename("", ".1");
  append("b\n");
  EXPECT_EQ(check(), Texts{"b"});
  go();
  come_back();
  EXPECT_EQ(check(), Texts{});
  now_ += 5s;
  EXPECT_EQ(check(), Texts{"half"});
  go();
  come_back();
  EXPECT_EQ(check(), Texts{});
  EXPECT_EQ(file_->wait_until(), std::nullopt);
}

TEST_F(ReturningReaderTest, GoesOnInARenamedFileUntilANewOneIsMade) {
  append("a\n");
  (void)check();
  go();
  append("b\n");
  rename("", ".1");
  come_back();
  file_->look();
  EXPECT_EQ(check(), Texts{"b"});
  now_ += 60s;
  append("c\n", ".1");
  EXPECT_EQ(check(), Texts{"c"});
  append("d\n");
  EXPECT_EQ(check(), Texts{"d"});
  EXPECT_EQ(notes(), (Texts{"tail.opened", "tail.rotated", "tail.opened"}));
}

TEST_F(ReturningReaderTest, FindsTheFileThatALinkLedTo) {
  fs::create_directory(folder_.file("logs"));
  const std::string first = folder_.file("logs/first.log");
  const std::string second = folder_.file("logs/second.log");
  std::ofstream(first) << "a\n";
  fs::create_symlink(first, path_);
  EXPECT_EQ(check(), Texts{"a"});
  go();
  append("b\n");
  std::ofstream(second) << "c\n";
  fs::remove(path_);
  fs::create_symlink(second, path_);
  come_back();
  EXPECT_EQ(check(), (Texts{"b", "c"}));
}

TEST_F(ReturningReaderTest, FindsTheFileThatALinkLedToAlsoWhenTheLinkLeadsToNothingNow) {
  fs::create_directory(folder_.file("logs"));
  const std::string target = folder_.file("logs/app.log");
  std::ofstream(target) << "a\n";
  fs::create_symlink("logs/app.log", path_);
  EXPECT_EQ(check(), Texts{"a"});
  go();
  append("b\n");
  fs::rename(target, target + ".1");
  come_back();
  EXPECT_EQ(check(), Texts{"b"});
  append("c\n");
  EXPECT_EQ(check(), Texts{"c"});
}

TEST_F(ReturningReaderTest, KnowsItsFilesAfterARestartOfTheMachineThatCountsDisksAnew) {
  append("a\n");
  EXPECT_EQ(check(), Texts{"a"});
  go();
  ++position_->current.identity.device;
  append("b\n");
  come_back();
  EXPECT_EQ(check(), Texts{"b"});
  EXPECT_EQ(notes(), Texts{"tail.opened"});

  go();
  ++position_->current.identity.device;
  append("c\n");
  rename("", ".1");
  append("d\n");
  come_back();
  EXPECT_EQ(check(), (Texts{"c", "d"}));
  EXPECT_EQ(notes(), (Texts{"tail.rotated", "tail.opened"}));
}

TEST_F(ReturningReaderTest, TakesAFileOfAnotherDeviceForItsOwnOnlyByWhatItHolds) {
  append("a\n");
  (void)check();
  go();
  ++position_->current.identity.device;
  write_anew("another\n");
  come_back();
  EXPECT_EQ(check(), Texts{"another"});
  EXPECT_EQ(notes(), (Texts{"tail.rotated", "tail.opened", "tail.lost"}));

  write_anew("");
  EXPECT_EQ(check(), Texts{});
  go();
  ++position_->current.identity.device;
  append("b\n");
  come_back();
  EXPECT_EQ(check(), Texts{"b"});
}

TEST_F(ReturningReaderTest, TellsThatTheRestOfARotatedFileIsLostWhenItIsGone) {
  append("a\n");
  (void)check();
  go();
  append("b\n");
  rename("", ".1");
  append("c\n");
  fs::remove(path_ + ".1");
  come_back();
  EXPECT_EQ(check(), Texts{"c"});
  EXPECT_EQ(notes(), (Texts{"tail.rotated", "tail.opened", "tail.lost"}));
  EXPECT_EQ(lost_, (nlohmann::json{{"path", path_},
                                   {"read", 2},
                                   {"error", "the rotated file is not in its folder any more"}}));
  EXPECT_EQ(check(), Texts{});
  EXPECT_EQ(notes(), Texts{});
}

TEST_F(ReturningReaderTest, ReadsNothingOfARotatedFileThatHoldsSomethingElseNow) {
  append("a\n");
  (void)check();
  go();
  rename("", ".1");
  std::ofstream(path_ + ".1") << "z\nnot that file\n";
  append("c\n");
  come_back();
  EXPECT_EQ(check(), Texts{"c"});
  EXPECT_EQ(notes(), (Texts{"tail.rotated", "tail.opened", "tail.lost"}));
  EXPECT_EQ(lost_.at("error"),
            "\"" + fs::canonical(path_).string() + ".1\" is not what was read any more");
}

TEST_F(ReturningReaderTest, TellsLateWhatIsLostWhenThePathNamesNothingAtFirst) {
  append("a\n");
  (void)check();
  go();
  fs::rename(path_, folder_.file("elsewhere"));
  fs::rename(folder_.file("elsewhere"), folder_.file("app.gz"));
  fs::remove(folder_.file("app.gz"));
  come_back();
  EXPECT_EQ(check(), Texts{});
  EXPECT_EQ(notes(), Texts{});
  // Who comes after it shall know as much.
  go();
  come_back();
  append("zz\n");
  EXPECT_EQ(check(), Texts{"zz"});
  const Texts told = notes();
  // The new file may have got the inode of the old one.
  EXPECT_TRUE(told == (Texts{"tail.rotated", "tail.opened", "tail.lost"}) ||
              told == (Texts{"tail.truncated", "tail.opened"}))
      << ::testing::PrintToString(told);
}

TEST_F(ReturningReaderTest, GoesOnInALineOfTenMegabytesAndInBytesThatAreNoUtf8) {
  const std::string begun(5'000'000, '\xE9');
  append("a\n" + begun);
  EXPECT_EQ(check(), Texts{"a"});
  go();
  append(begun + "\nnext \xFF\n");
  come_back();
  const Texts found = check();
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0], std::string(65'536, '\xE9'));
  EXPECT_EQ(found[1], "next \xFF");
  EXPECT_EQ(notes(), Texts{"tail.opened"});
}

}  // namespace
}  // namespace tail
