// input.hpp -- where the lines come from.
//
// Model      "-" is standard input; all else is the path of a file.
// Threads    Not shared.
// Ownership  Closes what it opened; standard input stays open.
// Errors     The constructor throws std::system_error that names the path.
#pragma once

#include <string>

namespace console {

class Input {
 public:
  enum class Kind { terminal, file, stream, closed };

  explicit Input(const std::string& path);
  Input(const Input&) = delete;
  Input& operator=(const Input&) = delete;
  ~Input();

  [[nodiscard]] int fd() const noexcept { return fd_; }
  /// stream: a pipe, a socket or a device, of which only reading tells whether there is anything.
  [[nodiscard]] Kind kind() const noexcept { return kind_; }

 private:
  int fd_;
  bool own_;
  Kind kind_;
};

}  // namespace console
