// simulation/listening.hpp -- topics and patterns to choose from, and a matcher of our own, so slow
// and plain that it is right at sight.
#pragma once

#include <span>
#include <string_view>

#include "busway/pattern.hpp"

namespace busway::simulation {

/// A pattern as the simulation knows it.
struct Listening {
  PatternKind kind = PatternKind::exact;
  std::string_view text;
  bool (*regex)(std::string_view topic) = nullptr;  // what the expression means, written by hand

  [[nodiscard]] Pattern pattern() const;
  [[nodiscard]] bool matches(std::string_view topic) const;
};

[[nodiscard]] std::span<const std::string_view> all_topics();
[[nodiscard]] std::span<const Listening> all_listenings();

}  // namespace busway::simulation
