// simulation/trace.hpp -- what happened last, line by line.
#pragma once

#include <cstdint>
#include <cstdio>
#include <deque>
#include <string>

namespace busway::simulation {

class Trace {
 public:
  enum class Show : unsigned char { nothing, all };
  explicit Trace(Show show) : show_(show) {}

  void add(std::string line) {
    for (const char c : line) hash_ = (hash_ ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
    if (show_ == Show::all) std::printf("%s\n", line.c_str());
    lines_.push_back(std::move(line));
    if (lines_.size() > kKept) lines_.pop_front();
  }
  [[nodiscard]] const std::deque<std::string>& lines() const noexcept { return lines_; }
  /// Of all lines so far: two runs with the same hash did the same.
  [[nodiscard]] std::uint64_t hash() const noexcept { return hash_; }

 private:
  static constexpr std::size_t kKept = 60;
  const Show show_;
  std::deque<std::string> lines_;
  std::uint64_t hash_ = 0xcbf29ce484222325U;
};

}  // namespace busway::simulation
