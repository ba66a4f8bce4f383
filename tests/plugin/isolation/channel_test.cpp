// Frames over a socket: whole whatever the pieces, and an end for whatever the other side does.
#include "plugin/isolation/channel.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "plugin/isolation/wire.hpp"

namespace busway::plugin_host_detail {
namespace {

using platform_detail::Descriptor;
using Got = Channel::Got;
using Time = Channel::Time;

constexpr std::size_t kMiB = std::size_t{1} << 20U;

Time now() { return std::chrono::steady_clock::now(); }
Time soon() { return now() + std::chrono::milliseconds(20); }

std::string frame_of(std::string_view text) {
  const auto length = static_cast<std::uint32_t>(text.size());
  return std::string(reinterpret_cast<const char*>(&length), sizeof length).append(text);
}

struct Pair {
  Pair() {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
      throw std::system_error(errno, std::system_category());
    one = Descriptor(ends[0]);
    other = Descriptor(ends[1]);
  }
  Descriptor one;
  Descriptor other;
};

/// A channel, and the bare socket at its other end.
struct Half {
  void send(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t put = ::send(bare.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      ASSERT_GT(put, 0);
      bytes.remove_prefix(static_cast<std::size_t>(put));
    }
  }
  /// Its text; fails the test where there is none.
  std::string next(Time deadline = Time::max()) {
    std::string_view frame;
    EXPECT_EQ(channel.receive(frame, deadline), Got::frame);
    return std::string(frame);
  }
  Got outcome(Time deadline = Time::max()) {
    std::string_view frame;
    return channel.receive(frame, deadline);
  }
  void leave() { bare = Descriptor(); }

  Pair pair{};
  Channel channel{std::move(pair.one)};
  Descriptor bare = std::move(pair.other);
};

std::string text_of(std::size_t size, std::uint32_t seed) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i)
    text[i] = static_cast<char>((i * 2654435761U + seed) >> 13U);
  return text;
}

TEST(IsolationChannel, GivesFramesWholeWhereverTheyAreCut) {
  const std::string all = frame_of("a") + frame_of("second") + frame_of(std::string(9, 'x'));
  for (std::size_t cut = 0; cut <= all.size(); ++cut) {
    Half half;
    std::vector<std::string> got;
    const auto take = [&] {
      std::string_view frame;
      Got one{};
      while ((one = half.channel.receive(frame, now())) == Got::frame) got.emplace_back(frame);
      EXPECT_EQ(one, Got::timed_out);
    };
    half.send(all.substr(0, cut));
    take();
    const std::size_t whole = cut < 5 ? 0 : cut < 15 ? 1 : cut < all.size() ? 2 : 3;
    EXPECT_EQ(got.size(), whole) << cut;
    half.send(all.substr(cut));
    take();
    EXPECT_EQ(got, (std::vector<std::string>{"a", "second", std::string(9, 'x')})) << cut;
  }
}

TEST(IsolationChannel, GivesAFrameThatComesByteByByte) {
  Half half;
  for (const char byte : frame_of("slowly")) {
    EXPECT_EQ(half.outcome(now()), Got::timed_out);
    half.send({&byte, 1});
  }
  EXPECT_EQ(half.next(), "slowly");
}

TEST(IsolationChannel, GivesManyFramesOfOneRead) {
  Half half;
  std::string all;
  constexpr int kFrames = 3000;
  for (int i = 0; i < kFrames; ++i) all += frame_of(std::to_string(i));
  half.send(all);
  half.leave();  // what has arrived is still there
  for (int i = 0; i < kFrames; ++i) ASSERT_EQ(half.next(), std::to_string(i));
  EXPECT_EQ(half.outcome(), Got::ended);
}

TEST(IsolationChannel, SendsManyFramesWithOneFlush) {
  Pair pair;
  Channel one(std::move(pair.one));
  Channel other(std::move(pair.other));
  one.out() += frame_of("first") + frame_of("second");
  EXPECT_TRUE(one.flush());
  EXPECT_TRUE(one.out().empty());
  EXPECT_TRUE(one.flush()) << "of nothing";
  std::string_view frame;
  ASSERT_EQ(other.receive(frame), Got::frame);
  EXPECT_EQ(frame, "first");
  ASSERT_EQ(other.receive(frame), Got::frame);
  EXPECT_EQ(frame, "second");
}

TEST(IsolationChannel, CarriesLargeFramesAmongSmallOnes) {
  Pair pair;
  Channel one(std::move(pair.one));
  Channel other(std::move(pair.other));
  const std::array<std::size_t, 7> sizes{1, 7 * kMiB, 3, 64U << 10U, kMiB + 1, 2, 3 * kMiB};
  std::thread sender([&] {
    for (int round = 0; round < 2; ++round) {
      for (const std::size_t size : sizes) {
        one.out() += frame_of(text_of(size, static_cast<std::uint32_t>(size)));
        EXPECT_TRUE(one.flush());
      }
    }
  });
  for (int round = 0; round < 2; ++round) {
    for (const std::size_t size : sizes) {
      std::string_view frame;
      ASSERT_EQ(other.receive(frame), Got::frame);
      ASSERT_TRUE(frame == text_of(size, static_cast<std::uint32_t>(size))) << size;
    }
  }
  sender.join();
}

TEST(IsolationChannel, TwoThatBothSayMuchAtOnceDoNotWaitForEachOther) {
  Pair pair;
  Channel one(std::move(pair.one));
  Channel other(std::move(pair.other));
  constexpr int kFrames = 64;
  constexpr std::size_t kSize = kMiB / 4;
  const auto talk = [](Channel& channel, std::uint32_t mine, std::uint32_t theirs) {
    for (std::uint32_t i = 0; i < kFrames; ++i) channel.out() += frame_of(text_of(kSize, mine + i));
    EXPECT_TRUE(channel.flush());
    for (std::uint32_t i = 0; i < kFrames; ++i) {
      std::string_view frame;
      ASSERT_EQ(channel.receive(frame), Got::frame);
      ASSERT_TRUE(frame == text_of(kSize, theirs + i)) << i;
    }
  };
  std::thread thread([&] { talk(other, 900, 100); });
  talk(one, 100, 900);
  thread.join();
}

// -- Deadlines ------------------------------------------------------------------------------------

TEST(IsolationChannel, ReceivesNothingAtADeadlineAndGoesOnAfterIt) {
  Half half;
  EXPECT_EQ(half.outcome(Time::min()), Got::timed_out);
  EXPECT_EQ(half.outcome(soon()), Got::timed_out);
  const std::string frame = frame_of("late");
  half.send(frame.substr(0, 6));
  EXPECT_EQ(half.outcome(soon()), Got::timed_out) << "half a frame is none";
  half.send(frame.substr(6));
  EXPECT_EQ(half.next(now()), "late");
}

TEST(IsolationChannel, GivesUpAFlushThatTheOtherEndDoesNotReadUntilTheDeadline) {
  Half half;
  half.channel.out() = frame_of(std::string(8 * kMiB, 'x'));
  EXPECT_FALSE(half.channel.flush(soon()));
  EXPECT_TRUE(half.channel.out().empty());
}

/// The other end writes without end and reads nothing. Stops by itself after so much, so that a
/// broken channel fails the test and does not fill the memory.
class Flood {
 public:
  Flood(int socket, const std::string& piece) {
    // Several, so that there is something to read all the time.
    for (int i = 0; i < 3; ++i)
      threads_.emplace_back([this, socket, piece] { write(socket, piece); });
  }
  ~Flood() {
    for (std::thread& thread : threads_) thread.join();
  }
  [[nodiscard]] bool has_written_all() const { return sent_ >= kMax; }

 private:
  static constexpr std::size_t kMax = 512 * kMiB;
  void write(int socket, std::string_view piece) {
    while (!has_written_all()) {
      const ssize_t put = ::send(socket, piece.data(), piece.size(), MSG_NOSIGNAL);
      if (put <= 0) return;
      sent_ += static_cast<std::size_t>(put);
    }
  }
  std::atomic<std::size_t> sent_{0};
  std::vector<std::thread> threads_;
};

TEST(IsolationChannel, KeepsTheDeadlineOfAFlushAlsoWhenTheOtherEndOnlyWrites) {
  Half half;
  half.send(frame_of("first"));
  Flood flood(half.bare.get(), frame_of(std::string(64U << 10U, 'x')));
  half.channel.out() = frame_of(std::string(8 * kMiB, 'y'));
  EXPECT_FALSE(half.channel.flush(soon()));
  EXPECT_FALSE(flood.has_written_all());
  EXPECT_EQ(half.next(), "first") << "what was taken in meanwhile is there";
  half.channel.shut();
}

TEST(IsolationChannel, KeepsTheDeadlineOfAReceiveAlsoWhenAFrameHasNoEnd) {
  Half half;
  const std::uint32_t length = wire::kFrameBytesMax;
  half.send({reinterpret_cast<const char*>(&length), sizeof length});
  Flood flood(half.bare.get(), std::string(64U << 10U, 'x'));
  EXPECT_EQ(half.outcome(soon()), Got::timed_out);
  EXPECT_FALSE(flood.has_written_all());
  half.channel.shut();
}

// -- The other end goes ---------------------------------------------------------------------------

TEST(IsolationChannel, IsEndedWhenTheOtherEndHasGone) {
  Half half;
  half.leave();
  EXPECT_EQ(half.outcome(), Got::ended);
  EXPECT_EQ(half.outcome(), Got::ended);
  half.channel.out() = frame_of("to nobody");
  EXPECT_FALSE(half.channel.flush()) << "and no signal";
  EXPECT_TRUE(half.channel.out().empty());
}

TEST(IsolationChannel, GivesWhatCameBeforeTheOtherEndWentButNoHalfFrame) {
  Half half;
  half.send(frame_of("whole") + frame_of("cut off").substr(0, 8));
  half.leave();
  EXPECT_EQ(half.next(), "whole");
  EXPECT_EQ(half.outcome(), Got::ended);
}

TEST(IsolationChannel, GivesWhatCameBeforeAFlushFoundTheOtherEndGone) {
  Half half;
  half.send(frame_of("last words"));
  half.leave();
  half.channel.out() = frame_of("to nobody");
  EXPECT_FALSE(half.channel.flush());
  EXPECT_EQ(half.next(), "last words");
  EXPECT_EQ(half.outcome(), Got::ended);
}

TEST(IsolationChannel, WakesAFlushWhoseOtherEndGoesMeanwhile) {
  Half half;
  std::thread other([&] {
    char byte = 0;
    EXPECT_EQ(::recv(half.bare.get(), &byte, 1, MSG_WAITALL), 1);  // it has begun
    half.leave();
  });
  half.channel.out() = frame_of(std::string(8 * kMiB, 'x'));
  EXPECT_FALSE(half.channel.flush());
  other.join();
}

TEST(IsolationChannel, WakesAReceiveWhoseOtherEndGoesMeanwhile) {
  Half half;
  half.send(frame_of("before"));
  std::thread other([&] { half.leave(); });
  EXPECT_EQ(half.next(), "before");
  EXPECT_EQ(half.outcome(), Got::ended);
  other.join();
}

TEST(IsolationChannel, StillSendsToOneThatSaysNoMore) {
  Half half;
  ASSERT_EQ(::shutdown(half.bare.get(), SHUT_WR), 0);
  std::thread other([&] {
    std::vector<char> all(8 * kMiB + 4);
    EXPECT_EQ(::recv(half.bare.get(), all.data(), all.size(), MSG_WAITALL),
              static_cast<ssize_t>(all.size()));
  });
  half.channel.out() = frame_of(std::string(8 * kMiB, 'x'));
  EXPECT_TRUE(half.channel.flush());
  EXPECT_EQ(half.outcome(), Got::ended);
  other.join();
}

TEST(IsolationChannel, IsEndedByAnImpossibleLength) {
  for (const std::uint32_t length :
       {0U, 0xffff'ffffU, 0x8000'0000U, static_cast<std::uint32_t>(wire::kFrameBytesMax) + 1U}) {
    Half half;
    half.send(frame_of("good"));
    half.send({reinterpret_cast<const char*>(&length), sizeof length});
    half.send(frame_of("what follows is never read"));
    EXPECT_EQ(half.next(), "good");
    EXPECT_EQ(half.outcome(), Got::ended) << length;
    EXPECT_EQ(half.outcome(), Got::ended) << length;
  }
}

TEST(IsolationChannel, WaitsForTheLongestFrameThatIsPossible) {
  Half half;
  const auto length = static_cast<std::uint32_t>(wire::kFrameBytesMax);
  half.send({reinterpret_cast<const char*>(&length), sizeof length});
  EXPECT_EQ(half.outcome(soon()), Got::timed_out);
}

TEST(IsolationChannel, ShutByAnotherThreadWakesTheOneThatReads) {
  Half half;
  std::thread reader([&] { EXPECT_EQ(half.outcome(), Got::ended); });
  half.channel.shut();
  reader.join();
  char byte = 0;
  EXPECT_EQ(::recv(half.bare.get(), &byte, 1, 0), 0) << "the other end is told";
}

TEST(IsolationChannel, ShutByAnotherThreadWakesTheOneThatWrites) {
  Half half;
  std::thread other([&] {
    char byte = 0;
    EXPECT_EQ(::recv(half.bare.get(), &byte, 1, MSG_WAITALL), 1);
    half.channel.shut();
  });
  half.channel.out() = frame_of(std::string(8 * kMiB, 'x'));
  EXPECT_FALSE(half.channel.flush());
  other.join();
}

}  // namespace
}  // namespace busway::plugin_host_detail
