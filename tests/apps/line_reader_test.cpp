#include "../../apps/busway/line_reader.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <string>
#include <system_error>

namespace busway::app {
namespace {

using Got = LineReader::Got;

struct Lines : ::testing::Test {
  Lines() {
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    stop = ::eventfd(0, EFD_CLOEXEC);
  }
  ~Lines() override {
    for (const int one : {ends[0], ends[1], stop}) {
      if (one >= 0) ::close(one);
    }
  }
  void write(std::string_view text) const {
    EXPECT_EQ(::write(ends[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  void end() {
    ::close(ends[1]);
    ends[1] = -1;
  }

  std::array<int, 2> ends{-1, -1};
  int stop = -1;
};

TEST_F(Lines, AreGivenOneByOneAndThenTheEnd) {
  LineReader lines(ends[0], stop, 10);
  write("one\n\nthree");
  end();
  ASSERT_EQ(lines.next(), Got::line);
  EXPECT_EQ(lines.line(), "one");
  EXPECT_EQ(lines.number(), 1U);
  ASSERT_EQ(lines.next(), Got::line);
  EXPECT_EQ(lines.line(), "");
  ASSERT_EQ(lines.next(), Got::line);
  EXPECT_EQ(lines.line(), "three");
  EXPECT_EQ(lines.number(), 3U);
  EXPECT_EQ(lines.bytes(), 10U);
  EXPECT_EQ(lines.next(), Got::end);
  EXPECT_EQ(lines.next(), Got::end);
}

TEST_F(Lines, APauseIsToldOnceAndAPieceOfALineWaitsForItsRest) {
  LineReader lines(ends[0], stop, 10);
  write("one\ntw");
  ASSERT_EQ(lines.next(), Got::line);
  EXPECT_EQ(lines.next(), Got::pause);
  write("o\n");
  ASSERT_EQ(lines.next(), Got::line);
  EXPECT_EQ(lines.line(), "two");
  EXPECT_EQ(lines.next(), Got::pause);
  const std::uint64_t one = 1;
  ASSERT_EQ(::write(stop, &one, sizeof one), static_cast<ssize_t>(sizeof one));
  EXPECT_EQ(lines.next(), Got::stop);
}

TEST_F(Lines, OneThatIsTooLongIsPassedOverAndCounted) {
  LineReader lines(ends[0], stop, 4);
  write("1234\n12345\n");
  ASSERT_EQ(lines.next(), Got::line);
  EXPECT_EQ(lines.line(), "1234");
  ASSERT_EQ(lines.next(), Got::too_long);
  EXPECT_EQ(lines.line_bytes(), 5U);
  ASSERT_EQ(lines.next(), Got::pause);
  write(std::string(30'000, 'x'));
  write(std::string(30'000, 'x') + "\nlast");
  end();
  ASSERT_EQ(lines.next(), Got::too_long);
  EXPECT_EQ(lines.line_bytes(), 60'000U);
  EXPECT_EQ(lines.number(), 3U);
  ASSERT_EQ(lines.next(), Got::line);
  EXPECT_EQ(lines.line(), "last");
  EXPECT_EQ(lines.next(), Got::end);
}

TEST_F(Lines, WhatCannotBeReadIsSaid) {
  const int folder = ::open("/", O_RDONLY | O_CLOEXEC);
  LineReader lines(folder, stop, 4);
  EXPECT_THROW((void)lines.next(), std::system_error);
  ::close(folder);
}

}  // namespace
}  // namespace busway::app
