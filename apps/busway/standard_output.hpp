// apps/busway/standard_output.hpp -- what the tool itself says on standard output.
//
// Model      write() puts a text out whole. With Plugins::to_standard_error the descriptor 1 is
//            given to standard error for as long as the object lives, so that what plugins print
//            does not mix with the tool's one JSON object.
// Threads    [not-concurrent]
// Errors     write() throws std::system_error when the text cannot be put out, for example on a
//            full disk.
#pragma once

#include <string_view>

namespace busway::app {

class StandardOutput {
 public:
  enum class Plugins : unsigned char { share_it, to_standard_error };

  explicit StandardOutput(Plugins plugins = Plugins::share_it);
  StandardOutput(const StandardOutput&) = delete;
  StandardOutput& operator=(const StandardOutput&) = delete;
  ~StandardOutput();

  void write(std::string_view text) const;

 private:
  int fd_;
};

}  // namespace busway::app
