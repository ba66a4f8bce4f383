// platform/descriptor.hpp -- an open file descriptor that is closed once.
//
// Threads    [not-concurrent]
// Ownership  Closes it, unless released.
// Errors     None.
// Cost       A system call at its end.
#pragma once

namespace busway::platform_detail {

class Descriptor {
 public:
  Descriptor() noexcept = default;
  explicit Descriptor(int fd) noexcept : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept;
  ~Descriptor();

  [[nodiscard]] int get() const noexcept { return fd_; }
  [[nodiscard]] bool valid() const noexcept { return fd_ >= 0; }
  int release() noexcept;

 private:
  int fd_ = -1;
};

}  // namespace busway::platform_detail
