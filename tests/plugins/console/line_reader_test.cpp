#include "../../../plugins/console/line_reader.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <stop_token>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

namespace console {
namespace {

using shared::Line;

/// A pipe, filled by a thread so that any amount fits.
class Pipe {
 public:
  explicit Pipe(std::string text) {
    if (::pipe2(ends_.data(), O_CLOEXEC) != 0) std::abort();
    writer_ = std::jthread([this, text = std::move(text)] {
      for (std::string_view left = text; !left.empty();) {
        const ssize_t written = ::write(ends_[1], left.data(), left.size());
        if (written <= 0) break;
        left.remove_prefix(static_cast<std::size_t>(written));
      }
      ::close(ends_[1]);
    });
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  ~Pipe() {
    writer_.join();
    ::close(ends_[0]);
  }
  [[nodiscard]] int fd() const { return ends_[0]; }

 private:
  std::array<int, 2> ends_{};
  std::jthread writer_;
};

std::vector<Line> lines_of(const std::string& text, std::size_t bytes_max = 100) {
  const Pipe pipe(text);
  LineReader reader(pipe.fd(), bytes_max, {});
  std::vector<Line> lines;
  while (auto line = reader.next()) lines.push_back(*line);
  return lines;
}

std::vector<std::string> texts_of(const std::string& text) {
  std::vector<std::string> texts;
  for (const Line& line : lines_of(text)) texts.push_back(line.text);
  return texts;
}

using Texts = std::vector<std::string>;

TEST(LineReader, EndsALineAtEachNewline) {
  EXPECT_EQ(texts_of("a\nb\n\nc\n"), (Texts{"a", "b", "", "c"}));
  EXPECT_EQ(texts_of(""), Texts{});
}

TEST(LineReader, TheLastLineNeedsNoNewline) { EXPECT_EQ(texts_of("a\nb"), (Texts{"a", "b"})); }

TEST(LineReader, TakesTheLineEndsOfOtherSystems) {
  EXPECT_EQ(texts_of("a\r\n\r\nb\rc\r\r\nd\r"), (Texts{"a", "", "b\rc\r", "d"}));
}

TEST(LineReader, LeavesOutAByteOrderMarkAtTheBeginningOnly) {
  EXPECT_EQ(texts_of("\xEF\xBB\xBF"
                     "a\n\xEF\xBB\xBF"
                     "b\n"),
            (Texts{"a",
                   "\xEF\xBB\xBF"
                   "b"}));
}

TEST(LineReader, KeepsZeroBytes) {
  EXPECT_EQ(texts_of(std::string("a\0b\n", 4)), (Texts{std::string("a\0b", 3)}));
}

TEST(LineReader, CutsAnOverlongLineAndCountsTheRest) {
  const std::size_t ten_million = 10'000'000;
  const auto lines = lines_of(std::string(ten_million, 'x') + "\nnext\n", 100);
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0].text, std::string(100, 'x'));
  EXPECT_EQ(lines[0].cut_bytes, ten_million - 100);
  EXPECT_EQ(lines[1].text, "next");
  EXPECT_EQ(lines[1].cut_bytes, 0U);
}

TEST(LineReader, CountsTheSameWhateverEndsTheLine) {
  for (const std::size_t size : {99U, 100U, 101U, 102U, 103U, 104U}) {
    for (const char* end : {"\n", "\r\n", ""}) {
      const auto lines = lines_of(std::string(size, 'x') + end, 100);
      ASSERT_EQ(lines.size(), 1U);
      EXPECT_EQ(lines[0].text.size(), std::min<std::size_t>(size, 100)) << size;
      EXPECT_EQ(lines[0].text.size() + lines[0].cut_bytes, size);
    }
  }
}

TEST(LineReader, CutsBetweenCharacters) {
  for (const std::size_t before : {97U, 98U, 99U, 100U}) {
    const std::string text = std::string(before, 'x') + "\xE2\x9C\x93 and more";
    const auto lines = lines_of(text, 100);
    ASSERT_EQ(lines.size(), 1U);
    EXPECT_EQ(lines[0].text, before == 97 ? text.substr(0, 100) : std::string(before, 'x'));
    EXPECT_EQ(lines[0].text.size() + lines[0].cut_bytes, text.size());
  }
}

TEST(LineReader, AStopWakesAReaderThatWaits) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  std::stop_source stop;
  bool ended = false;
  std::jthread reader([&] {
    LineReader lines(ends[0], 100, stop.get_token());
    ended = !lines.next().has_value();
  });
  stop.request_stop();
  reader.join();
  EXPECT_TRUE(ended);
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST(LineReader, SaysWhyItCannotRead) {
  const int folder = ::open("/", O_RDONLY | O_CLOEXEC);
  LineReader reader(folder, 100, {});
  EXPECT_THROW((void)reader.next(), std::system_error);
  ::close(folder);
}

}  // namespace
}  // namespace console
