// presence.hpp -- which openings of the store live, in whatever process.
// Layer: store
//
// Model      Each opening of a store holds a lock on one byte of the gate's file; the tokens of the
//            names that it opens begin with the number of that byte. The kernel gives the lock
//            back when the process ends, however it ends, and nobody else can hold it; so what an
//            opening without its lock has out need not wait until its lease lapses. A token says
//            also which file it was, for the byte is free in another that has taken its place: who
//            has a lock in another file than this one counts as living. They are locks
//            of open file descriptions, which have nothing to do with the gate's flock() and do
//            not vanish when another descriptor of the file is closed.
// Threads    [any-thread]
// Ownership  Owns two descriptors: one that holds, and one that asks, since nobody is told of locks
//            of their own. A child of fork() keeps neither.
// Errors     std::system_error from the constructor. Where the lock cannot be had, or cannot be
//            asked for, the opening counts as living.
// Cost       One system call.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "durable_tables.hpp"
#include "own_descriptor.hpp"

namespace busway::sqlite {

class Presence {
 public:
  explicit Presence(const std::string& path);
  Presence(const Presence&) = delete;
  Presence& operator=(const Presence&) = delete;
  ~Presence() = default;

  /// Of an opening of a name; never 0, and of no other opening.
  [[nodiscard]] Token new_token() noexcept;
  [[nodiscard]] bool is_there(Token token) const noexcept;

 private:
  const OwnDescriptor holds_;
  const OwnDescriptor asks_;
  const std::uint16_t file_;  // which one it is: no living opening has another with that number
  std::int64_t place_ = 0;    // 0: it could not be locked, and nobody asks for it
  std::atomic<std::uint16_t> next_;
};

}  // namespace busway::sqlite
