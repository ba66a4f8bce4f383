// own_descriptor.hpp -- a descriptor that a child of fork() does not keep.
// Layer: store
//
// Model      O_CLOEXEC closes nothing in a child that does not exec, and what hangs on an open file
//            (flock(), locks of open file descriptions, a bound socket) would live on in it when
//            its parent is dead. So each is closed in the child before fork() returns there; what
//            uses it there finds -1. Record locks (F_SETLK) are no way out: they are lost as soon
//            as the process closes any descriptor of the file, and two openings in one process
//            would not exclude each other. A child made by clone() itself keeps them.
// Threads    get() [any-thread]; the rest [not-concurrent].
// Ownership  Owns the descriptor.
// Errors     None; -1 is none.
// Cost       A fork() closes each.
#pragma once

#include <atomic>

namespace busway::sqlite {

class OwnDescriptor {
 public:
  explicit OwnDescriptor(int descriptor);
  OwnDescriptor(const OwnDescriptor&) = delete;
  OwnDescriptor& operator=(const OwnDescriptor&) = delete;
  ~OwnDescriptor();

  [[nodiscard]] int get() const noexcept { return descriptor_.load(std::memory_order_relaxed); }

 private:
  struct All;
  std::atomic<int> descriptor_;
};

}  // namespace busway::sqlite
