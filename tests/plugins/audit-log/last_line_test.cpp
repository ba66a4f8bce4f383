#include "../../../plugins/audit-log/last_line.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <vector>

#include <temporary_folder.hpp>

namespace audit_log {
namespace {

FileEnd end_of(const std::string& text) {
  const busway::TemporaryFolder folder;
  const std::string path = folder.file("f");
  std::ofstream(path, std::ios::binary) << text;
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  EXPECT_GE(fd, 0);
  FileEnd end = read_end(fd, path);
  ::close(fd);
  return end;
}

TEST(LastLine, IsTheLastWholeOneAndWhatIsBehindItIsTorn) {
  EXPECT_EQ(end_of("").line, "");
  EXPECT_EQ(end_of("").torn, "");
  EXPECT_EQ(end_of("a\n").line, "a");
  EXPECT_EQ(end_of("a\nbc\n").line, "bc");
  EXPECT_EQ(end_of("a\nbc\nde").line, "bc");
  EXPECT_EQ(end_of("a\nbc\nde").torn, "de");
  EXPECT_EQ(end_of("a\nbc\nde").torn_at, 5);
  EXPECT_EQ(end_of("abc").line, "");
  EXPECT_EQ(end_of("abc").torn, "abc");
  EXPECT_EQ(end_of("abc").torn_at, 0);
}

TEST(LastLine, IsFoundWhateverItsLength) {
  const std::string big(300'000, 'x');
  for (const std::string& before : {std::string(), std::string("a\n"), big + "\n"}) {
    for (const std::string& torn : {std::string(), std::string("t"), big}) {
      const FileEnd end = end_of(before + big + "y\n" + torn);
      EXPECT_EQ(end.line, big + "y");
      EXPECT_EQ(end.torn, torn);
      EXPECT_EQ(static_cast<std::size_t>(end.torn_at), before.size() + big.size() + 2);
    }
  }
}

std::vector<std::string> last_lines_of(const std::string& text, LinesMax max) {
  const busway::TemporaryFolder folder;
  const std::string path = folder.file("f");
  std::ofstream(path, std::ios::binary) << text;
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  EXPECT_GE(fd, 0);
  std::vector<std::string> lines = read_last_lines(fd, path, max);
  ::close(fd);
  return lines;
}

using Lines = std::vector<std::string>;

TEST(LastLines, AreAsManyAsFitTheLastOneFirst) {
  EXPECT_EQ(last_lines_of("", {9, 99}), Lines{});
  EXPECT_EQ(last_lines_of("torn", {9, 99}), Lines{});
  EXPECT_EQ(last_lines_of("a\nbc\nd\ntorn", {9, 99}), (Lines{"d", "bc", "a"}));
  EXPECT_EQ(last_lines_of("a\nbc\nd\n", {2, 99}), (Lines{"d", "bc"}));
  EXPECT_EQ(last_lines_of("a\nbc\nd\n", {9, 7}), (Lines{"d", "bc", "a"}));
  EXPECT_EQ(last_lines_of("a\nbc\nd\n", {9, 6}), (Lines{"d", "bc"}));
  EXPECT_EQ(last_lines_of("a\nbc\nd\n", {9, 1}), Lines{});
  EXPECT_EQ(last_lines_of("a\nbc\nd\n", {0, 99}), Lines{});
}

TEST(LastLines, AreFoundWhateverTheirLength) {
  const std::string big(300'000, 'x');
  const std::string text = big + "1\n" + big + "2\na\n";
  EXPECT_EQ(last_lines_of(text, {9, text.size()}), (Lines{"a", big + "2", big + "1"}));
  EXPECT_EQ(last_lines_of(text, {2, text.size()}), (Lines{"a", big + "2"}));
  EXPECT_EQ(last_lines_of(text, {9, text.size() - 1}), (Lines{"a", big + "2"}));
  EXPECT_EQ(last_lines_of(text, {9, 300'000}), Lines{"a"});
}

}  // namespace
}  // namespace audit_log
