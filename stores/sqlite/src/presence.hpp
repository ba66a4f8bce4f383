// presence.hpp -- which openings of durable names live, in whatever process.
// Layer: store
//
// Model      Each opening holds a lock on one byte of the gate's file, that of its token. The
//            kernel gives it back when the process ends, however it ends, and nobody else can hold
//            it; so what an opening without its lock has out need not wait until its lease lapses.
//            They are locks of open file descriptions, which have nothing to do with the gate's
//            flock() and do not vanish when another descriptor of the file is closed.
// Threads    [any-thread]
// Ownership  Owns two descriptors: one that holds, and one that asks, since nobody is told of locks
//            of their own.
// Errors     std::system_error from the constructor. Where the file system has no such locks all
//            count as living.
// Cost       One system call.
#pragma once

#include <string>

#include "durable_tables.hpp"

namespace busway::sqlite {

class Presence {
 public:
  explicit Presence(const std::string& path);
  Presence(const Presence&) = delete;
  Presence& operator=(const Presence&) = delete;
  ~Presence();

  void come(Token token) noexcept;
  void go(Token token) noexcept;
  [[nodiscard]] bool is_there(Token token) const noexcept;

 private:
  int holds_ = -1;
  int asks_ = -1;
};

}  // namespace busway::sqlite
