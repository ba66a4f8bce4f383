// report/table.hpp -- the one table that script/bench prints.
//
// Model      A row is a piece of work, its target in words, and the checks behind it. Its verdict
//            is "falls short" when a figure is outside its limit, else "no peer" when one is
//            missing because the peer is, else "ok".
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace busway::bench {

enum class Bound { at_most, at_least };

struct Check {
  std::string label;              ///< precedes the figure; may be empty
  std::optional<double> figure;   ///< none: the peer, or the means to measure, is missing
  std::string unit;               ///< follows it: "x eventpp"; " /" when the next belongs to it
  std::optional<double> limit{};  ///< none: shown only, never judged
  Bound bound = Bound::at_most;
};

struct Row {
  std::string work;
  std::string target;
  std::vector<Check> checks;
};

enum class Verdict { ok, no_peer, falls_short };

[[nodiscard]] Verdict verdict_of(const Row& row);

/// Whether a figure that the verdict needs is missing; also when another falls short.
[[nodiscard]] bool lacks_peer(const Row& row);

/// To standard output, wrapped to the terminal; says at the end how many fall short.
void print_table(const std::vector<Row>& rows, const std::vector<std::string>& notes);

/// Three significant digits without an exponent: "0.284", "19.1", "1240".
[[nodiscard]] std::string short_number(double value);

}  // namespace busway::bench
