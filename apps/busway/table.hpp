// apps/busway/table.hpp -- rows for people, in columns as wide as what stands in them.
//
// Model      Two blanks between columns, none at the end of a line. A cell is shown as it is: text
//            from outside comes escaped. A cell without text is shown as "-".
// Errors     None.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "terminal.hpp"

namespace busway::app {

class Table {
 public:
  struct Cell {
    std::string text{};
    std::optional<Colour> colour{};
  };
  using Row = std::vector<Cell>;

  explicit Table(const std::vector<std::string>& titles);
  /// Of as many cells as there are titles.
  void add(Row row);

  /// Its lines, for standard output.
  [[nodiscard]] std::string text() const;

 private:
  std::vector<Row> rows_;  // the titles first
};

}  // namespace busway::app
