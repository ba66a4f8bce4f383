#include "../../../plugins/audit-log/last_line.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <string>

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

}  // namespace
}  // namespace audit_log
