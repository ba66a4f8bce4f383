// busway/replay.hpp -- which past events a subscription starts with.
// Layer: event
//
// Model      {.replay = Replay::last(10)}. For a subscription it is what goes before the live
//            events; for a durable name it is where the name begins, used when it is created.
// Threads    A plain struct.
// Ownership  Owns nothing.
// Errors     Checked by subscribe() and by stores: Error(invalid_option).
// Cost       None.
// Example    tests/bus/looking_back_test.cpp
#pragma once

#include <cstddef>
#include <cstdint>

#include "busway/wall_time.hpp"

namespace busway {

struct Replay {
  enum class From : unsigned char { none, last, since, sequence, beginning };
  From from = From::none;
  std::size_t count = 0;
  WallTime time{};
  std::uint64_t position = 0;

  [[nodiscard]] static Replay last(std::size_t n) { return {.from = From::last, .count = n}; }
  /// Not older than this.
  [[nodiscard]] static Replay since(WallTime t) { return {.from = From::since, .time = t}; }
  /// From the event of this sequence on; sequences are those of a store.
  [[nodiscard]] static Replay sequence(std::uint64_t n) {
    return {.from = From::sequence, .position = n};
  }
  /// All that is kept.
  [[nodiscard]] static Replay beginning() { return {.from = From::beginning}; }
};

}  // namespace busway
