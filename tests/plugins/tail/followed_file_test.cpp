#include "../../../plugins/tail/followed_file.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <temporary_folder.hpp>
#include <utility>
#include <vector>

namespace tail {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using Texts = std::vector<std::string>;

/// A file and one who follows it, on a clock of the test's own.
class FollowedFileTest : public ::testing::Test {
 protected:
  void follow(Start start = Start::beginning, std::size_t line_bytes_max = 1000) {
    file_ = std::make_unique<FollowedFile>(FollowedFile::Options{
        .path = path_,
        .start = start,
        .line_bytes_max = line_bytes_max,
        .rotate_wait = 5s,
        .on_line =
            [this](const shared::Line& line, std::int64_t offset) {
              lines_.push_back(line.text + (line.cut_bytes > 0 ? "+" : ""));
              offsets_.push_back(offset);
              cut_bytes_ = line.cut_bytes;
              if (meanwhile_) std::exchange(meanwhile_, {})();
              return lines_.size() != stop_at_ ? OpenFile::Told::go_on : stop_;
            },
        .on_note =
            [this](std::string_view topic, const nlohmann::json& payload) {
              EXPECT_EQ(payload.at("path"), path_);
              notes_.emplace_back(topic);
              payload_ = payload;
            }});
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

  void append(const std::string& text) const { append_to(path_, text); }
  static void append_to(const std::string& path, const std::string& text) {
    std::ofstream(path, std::ios::binary | std::ios::app) << text;
  }

  busway::TemporaryFolder folder_;
  const std::string path_ = folder_.file("app.log");
  FollowedFile::Time now_{};
  std::unique_ptr<FollowedFile> file_;
  Texts lines_;
  std::vector<std::int64_t> offsets_;
  std::size_t cut_bytes_ = 0;
  std::size_t stop_at_ = 0;
  OpenFile::Told stop_ = OpenFile::Told::stop;
  std::function<void()> meanwhile_;  // while the next line is told
  Texts notes_;
  nlohmann::json payload_;
};

TEST_F(FollowedFileTest, ReadsFromTheBeginningAndThenWhatIsNew) {
  append("a\nbb\r\n");
  follow();
  EXPECT_EQ(check(), (Texts{"a", "bb"}));
  EXPECT_EQ(offsets_, (std::vector<std::int64_t>{0, 2}));
  EXPECT_EQ(notes(), Texts{"tail.opened"});
  EXPECT_EQ(payload_.at("offset"), 0);
  EXPECT_EQ(check(), Texts{});
  append("c\n");
  EXPECT_EQ(check(), Texts{"c"});
  EXPECT_EQ(offsets_.back(), 6);
}

TEST_F(FollowedFileTest, ReadsFromTheEndWhenToldSo) {
  append("old\n");
  follow(Start::end);
  EXPECT_EQ(check(), Texts{});
  append("new\n");
  EXPECT_EQ(check(), Texts{"new"});
}

TEST_F(FollowedFileTest, TakesALineThatIsUnfinishedAtTheStartAsANewOne) {
  append("old\nhalf");
  follow(Start::end);
  EXPECT_EQ(check(), Texts{});
  append(" a line\n");
  EXPECT_EQ(check(), Texts{"half a line"});
}

TEST_F(FollowedFileTest, WaitsForTheRestOfALine) {
  append("one\ntw");
  follow();
  EXPECT_EQ(check(), Texts{"one"});
  append("o");
  EXPECT_EQ(check(), Texts{});
  append("\nthree\n");
  EXPECT_EQ(check(), (Texts{"two", "three"}));
}

TEST_F(FollowedFileTest, TakesALastLineWithoutAnEndWhenNothingWillCome) {
  append("one\ntwo");
  follow();
  EXPECT_EQ(check(), Texts{"one"});
  file_->finish();
  EXPECT_EQ(lines_, Texts{"two"});
  file_->finish();
  EXPECT_EQ(lines_, Texts{"two"});
}

TEST_F(FollowedFileTest, WaitsForAFileAndReadsItFromItsBeginning) {
  follow(Start::end);
  EXPECT_EQ(check(), Texts{});
  EXPECT_EQ(notes(), Texts{});
  append("first\n");
  EXPECT_EQ(check(), Texts{"first"});
  EXPECT_EQ(notes(), Texts{"tail.opened"});
}

TEST_F(FollowedFileTest, FollowsARotationByRename) {
  append("a\n");
  follow();
  EXPECT_EQ(check(), Texts{"a"});
  append("b\n");
  fs::rename(path_, path_ + ".1");
  append_to(path_ + ".1", "c\n");
  EXPECT_EQ(check(), (Texts{"b", "c"}));
  append("d\n");
  append_to(path_ + ".1", "late\n");
  EXPECT_EQ(check(), (Texts{"late", "d"}));
  EXPECT_EQ(notes(), (Texts{"tail.opened", "tail.rotated", "tail.opened"}));
}

TEST_F(FollowedFileTest, ReadsARotatedFileUntilItIsSilentAndTakesItsLastLineThen) {
  append("a\n");
  follow();
  (void)check();
  fs::rename(path_, path_ + ".1");
  append("new\n");
  EXPECT_EQ(check(), Texts{"new"});
  now_ += 4s;
  append_to(path_ + ".1", "late\nunfin");
  EXPECT_EQ(check(), Texts{"late"});
  EXPECT_EQ(file_->wait_until(), now_ + 5s);
  now_ += 4s;
  EXPECT_EQ(check(), Texts{});
  now_ += 1s;
  EXPECT_EQ(check(), Texts{"unfin"});
  EXPECT_EQ(file_->wait_until(), std::nullopt);
  append_to(path_ + ".1", "lost\n");
  append("next\n");
  EXPECT_EQ(check(), Texts{"next"});
}

TEST_F(FollowedFileTest, HoldsABoundedNumberOfRotatedFiles) {
  append("0\n");
  follow();
  (void)check();
  for (int i = 1; i < 20; ++i) {
    append("unfinished " + std::to_string(i));
    (void)check();
    fs::rename(path_, path_ + "." + std::to_string(i));
    append(std::to_string(i) + "\n");
    const Texts found = check();
    EXPECT_EQ(found.back(), std::to_string(i));
  }
  std::size_t open = 0;
  for (const auto& entry : fs::directory_iterator("/proc/self/fd")) {
    std::error_code ignored;
    if (fs::read_symlink(entry, ignored).string().starts_with(path_)) ++open;
  }
  EXPECT_EQ(open, kRetiredMax + 1);
}

TEST_F(FollowedFileTest, FollowsARotationByCopyAndTruncation) {
  append("a\nb\n");
  follow();
  EXPECT_EQ(check(), (Texts{"a", "b"}));
  append("unfinished");
  EXPECT_EQ(check(), Texts{});
  fs::copy(path_, path_ + ".1");
  fs::resize_file(path_, 0);
  append("c\n");
  EXPECT_EQ(check(), (Texts{"unfinished", "c"}));
  EXPECT_EQ(notes(), (Texts{"tail.opened", "tail.truncated"}));
  EXPECT_EQ(payload_.at("read"), 14);
}

TEST_F(FollowedFileTest, NoticesATruncationAfterWhichTheFileHasGrownBeyondWhereItWas) {
  append("a\nb\n");
  follow();
  (void)check();
  fs::resize_file(path_, 0);
  append("another\nand more\n");
  EXPECT_EQ(check(), (Texts{"another", "and more"}));
  EXPECT_EQ(notes(), (Texts{"tail.opened", "tail.truncated"}));
}

TEST_F(FollowedFileTest, LetsGoOfAFileThatWasDeleted) {
  append("a\n");
  follow();
  (void)check();
  append("b\n");
  fs::remove(path_);
  EXPECT_EQ(check(), Texts{"b"});
  EXPECT_EQ(notes(), (Texts{"tail.opened", "tail.rotated"}));
  now_ += 5s;
  EXPECT_EQ(check(), Texts{});
  EXPECT_FALSE(file_->is_open());
  EXPECT_EQ(file_->wait_until(), std::nullopt);
  append("c\n");
  EXPECT_EQ(check(), Texts{"c"});
}

TEST_F(FollowedFileTest, HoldsNoMoreOfALineThanItMay) {
  follow(Start::beginning, 100);
  (void)check();
  const std::string megabyte(1'000'000, 'x');
  for (int i = 0; i < 10; ++i) {
    append(megabyte);
    EXPECT_EQ(check(), Texts{});
  }
  append("\nnext\n");
  EXPECT_EQ(check(), (Texts{std::string(100, 'x') + "+", "next"}));
}

TEST_F(FollowedFileTest, ToldToStopItGoesOnBehindTheLineThatItToldLast) {
  append("a\nb\nc\n");
  follow();
  stop_at_ = 2;
  EXPECT_EQ(file_->check(now_), FollowedFile::Checked::stopped);
  EXPECT_EQ(std::exchange(lines_, {}), (Texts{"a", "b"}));
  EXPECT_EQ(file_->position()->current.offset, 4);
  const PathPosition position = *file_->position();
  stop_at_ = 0;
  EXPECT_EQ(check(), Texts{"c"});

  follow(Start::end);
  file_->go_on_from(position);
  EXPECT_EQ(check(), Texts{"c"});
}

TEST_F(FollowedFileTest, ALineThatWasRefusedIsTheFirstOneOfALaterReader) {
  append("a\nb\nc\n");
  follow();
  stop_at_ = 2;
  stop_ = OpenFile::Told::refused;
  EXPECT_EQ(file_->check(now_), FollowedFile::Checked::stopped);
  EXPECT_EQ(std::exchange(lines_, {}), (Texts{"a", "b"}));
  const PathPosition position = *file_->position();
  stop_at_ = 0;
  follow(Start::end);
  file_->go_on_from(position);
  EXPECT_EQ(check(), (Texts{"b", "c"}));
}

TEST_F(FollowedFileTest, ALineThatWasRefusedIsToldAgainBeforeAnythingElseWhateverHappens) {
  bool happened = false;
  const std::function<void()> nothing = [] {};
  const std::function<void()> rotate = [&] {
    fs::rename(path_, path_ + ".1");
    append("new\n");
    happened = true;
  };
  const std::function<void()> cut = [this] {
    fs::resize_file(path_, 0);
    append("new\n");
  };
  for (const auto& happen : {nothing, rotate, cut}) {
    fs::remove(path_);
    append("a\nb\n");
    follow();
    stop_at_ = 2;
    stop_ = OpenFile::Told::refused;
    EXPECT_EQ(file_->check(now_), FollowedFile::Checked::stopped);
    happen();
    lines_ = {"-"};
    EXPECT_EQ(file_->check(now_), FollowedFile::Checked::stopped);  // refused once more
    EXPECT_EQ(std::exchange(lines_, {}), (Texts{"-", "b"}));
    stop_at_ = 0;
    append("c\n");
    EXPECT_EQ(check(), happened ? (Texts{"b", "new", "c"}) : (Texts{"b", "c"}));
    EXPECT_EQ(offsets_.at(1), 2);
    EXPECT_EQ(offsets_.at(2), 2);
    offsets_.clear();
  }
}

TEST_F(FollowedFileTest, ALineThatIsRefusedHidesNoFileThatIsRotatedMeanwhile) {
  append("a\n");
  follow();
  stop_at_ = 1;
  stop_ = OpenFile::Told::refused;
  for (const char* const next : {"b\n", "c\n", "d\n"}) {
    EXPECT_EQ(file_->check(now_), FollowedFile::Checked::stopped);
    EXPECT_EQ(std::exchange(lines_, {}), Texts{"a"});
    fs::rename(path_, path_ + "." + next[0]);
    append(next);
  }
  stop_at_ = 0;
  EXPECT_EQ(check(), (Texts{"a", "b", "c", "d"}));
}

TEST_F(FollowedFileTest, TheLastLineOfARotatedFileThatWasRefusedIsForALaterReader) {
  for (const bool many : {false, true}) {
    fs::remove(path_);
    append("a\nhalf");
    follow();
    (void)check();
    for (std::size_t i = 1; i <= (many ? kRetiredMax + 1 : 1); ++i) {
      fs::rename(path_, path_ + "." + std::to_string(i));
      append("b\n");
      if (i > kRetiredMax) break;
      EXPECT_EQ(check(), Texts{"b"});
    }
    if (!many) now_ += 5s;
    stop_at_ = 1;
    stop_ = OpenFile::Told::refused;
    EXPECT_EQ(file_->check(now_), FollowedFile::Checked::stopped);
    EXPECT_EQ(std::exchange(lines_, {}), Texts{"half"});
    const PathPosition position = *file_->position();
    stop_at_ = 0;
    follow();
    file_->go_on_from(position);
    EXPECT_EQ(check(), many ? Texts{"b"} : Texts{});
    now_ += 5s;
    EXPECT_EQ(check(), Texts{"half"});
  }
}

TEST_F(FollowedFileTest, TheLastLineThatWasRefusedAtTheEndIsForALaterReader) {
  append("a\nhalf");
  follow();
  EXPECT_EQ(check(), Texts{"a"});
  stop_at_ = 1;
  stop_ = OpenFile::Told::refused;
  EXPECT_EQ(file_->finish(), FollowedFile::Checked::stopped);
  EXPECT_EQ(std::exchange(lines_, {}), Texts{"half"});
  const PathPosition position = *file_->position();
  stop_at_ = 0;
  follow();
  file_->go_on_from(position);
  append("way\n");
  EXPECT_EQ(check(), Texts{"halfway"});
}

TEST_F(FollowedFileTest, NoticesThatTheFileIsWrittenAnewWhileALineIsTold) {
  const auto text_of = [](char what) {
    std::string text;
    for (int i = 0; i < 3000; ++i) text += std::string(99, what) + '\n';
    return text;
  };
  append(text_of('a'));
  follow();
  meanwhile_ = [&] {
    fs::resize_file(path_, 0);
    append(text_of('b'));
  };
  const Texts lines = check();
  const auto first_new = std::find(lines.begin(), lines.end(), std::string(99, 'b'));
  EXPECT_EQ(lines.end() - first_new, 3000);
  EXPECT_EQ(notes(), (Texts{"tail.opened", "tail.truncated"}));
  // No line of both; the one that had begun is a line.
  for (const std::string& line : lines) EXPECT_EQ(line, std::string(line.size(), line[0]));
}

TEST_F(FollowedFileTest, ARotatedFileThatIsWrittenAnewIsReadFromItsBeginning) {
  append("a\n");
  follow();
  (void)check();
  fs::rename(path_, path_ + ".1");
  append("b\n");
  EXPECT_EQ(check(), Texts{"b"});
  fs::resize_file(path_ + ".1", 0);
  append_to(path_ + ".1", "c\n");
  EXPECT_EQ(check(), Texts{"c"});
  EXPECT_EQ(notes(), (Texts{"tail.opened", "tail.rotated", "tail.opened", "tail.truncated"}));
}

TEST_F(FollowedFileTest, NoticesATruncationAfterWhichTheFileIsAsLongAsItWas) {
  append("a\nb\n");
  follow();
  (void)check();
  fs::resize_file(path_, 0);
  append("c\nd\n");
  EXPECT_EQ(check(), (Texts{"c", "d"}));
  EXPECT_EQ(notes(), (Texts{"tail.opened", "tail.truncated"}));
}

/// A regular file that cannot be read, whoever asks.
constexpr const char* kUnreadable = "/proc/self/mem";

TEST_F(FollowedFileTest, AFileThatCannotBeReadDoesNotHideTheOneThatTakesItsPlace) {
  fs::create_symlink(kUnreadable, path_);
  follow();
  EXPECT_EQ(check(), Texts{});
  EXPECT_EQ(notes(), (Texts{"tail.opened", "tail.failed"}));
  fs::remove(path_);
  append("new\n");
  EXPECT_EQ(check(), Texts{"new"});
  EXPECT_TRUE(file_->has_failed());
  EXPECT_EQ(notes(), (Texts{"tail.rotated", "tail.opened"}));
}

TEST_F(FollowedFileTest, ARotatedFileThatCannotBeReadIsGivenUpAfterSomeTriesAndThatIsTold) {
  fs::create_symlink(kUnreadable, path_);
  follow();
  (void)check();
  fs::remove(path_);
  append("new\n");
  EXPECT_EQ(check(), Texts{"new"});
  (void)notes();
  for (int tries = 2; tries < kTriesMax; ++tries) {
    EXPECT_EQ(file_->wait_until(), now_ + 1s);
    now_ += 1s;
    append("next\n");
    EXPECT_EQ(check(), Texts{"next"});
    EXPECT_EQ(notes(), Texts{});
  }
  now_ += 1s;
  EXPECT_EQ(check(), Texts{});
  EXPECT_EQ(notes(), Texts{"tail.lost"});
  EXPECT_EQ(payload_.at("read"), 0);
  EXPECT_NE(payload_.at("error").get<std::string>().find("cannot read"), std::string::npos);
  EXPECT_FALSE(file_->has_failed());
  EXPECT_EQ(file_->wait_until(), std::nullopt);
}

TEST_F(FollowedFileTest, OneRotatedFileTooManyGivesUpTheOldestAndThatIsTold) {
  append("a\nhalf");
  follow();
  EXPECT_EQ(check(), Texts{"a"});
  for (std::size_t i = 1; i <= kRetiredMax + 1; ++i) {
    EXPECT_EQ(payload_.count("error"), 0U) << i;
    fs::rename(path_, path_ + "." + std::to_string(i));
    (void)notes();
    append("b\n");
    EXPECT_EQ(check(), i <= kRetiredMax ? Texts{"b"} : (Texts{"half", "b"}));
  }
  EXPECT_EQ(notes(), (Texts{"tail.lost", "tail.rotated", "tail.opened"}));
  append_to(path_ + ".1", "late\n");
  EXPECT_EQ(check(), Texts{});
}

TEST_F(FollowedFileTest, WhatCannotBeReadIsKeptForALaterReader) {
  fs::create_symlink(kUnreadable, path_);
  follow();
  (void)check();
  fs::remove(path_);
  append("new\n");
  (void)check();
  file_->finish();
  ASSERT_EQ(file_->position()->retired.size(), 1U);
  EXPECT_NE(file_->position()->retired[0].identity, file_->position()->current.identity);
}

TEST_F(FollowedFileTest, TellsOnceWhatItCannotReadAndGoesOnWhenItCan) {
  fs::create_directory(path_);
  follow(Start::end);
  EXPECT_EQ(check(), Texts{});
  EXPECT_EQ(check(), Texts{});
  EXPECT_EQ(notes(), Texts{"tail.failed"});
  EXPECT_EQ(payload_.at("error"),
            "\"" + path_ + "\" is no regular file, which alone can be followed");
  EXPECT_TRUE(file_->has_failed());
  fs::remove(path_);
  EXPECT_EQ(check(), Texts{});
  append("a\n");
  EXPECT_EQ(check(), Texts{"a"});
  EXPECT_EQ(notes(), Texts{"tail.opened"});
  EXPECT_FALSE(file_->has_failed());
}

TEST_F(FollowedFileTest, IsNotHeldUpByANamedPipe) {
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  follow();
  EXPECT_EQ(check(), Texts{});
  EXPECT_EQ(notes(), Texts{"tail.failed"});
}

}  // namespace
}  // namespace tail
