// config/source_lines.hpp -- looks things up in the source text that the YAML parser does not tell.
// Layer: config
//
// Model      Lines and columns from 1, columns in bytes; a view of the text.
// Threads    Immutable: [any-thread].
// Errors     None.
// Cost       One index of the lines; quote_at() is O(length of the quoted text).
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "config/document.hpp"

namespace busway::config {

class SourceLines {
 public:
  explicit SourceLines(std::string_view text);

  /// Without its line end; empty for a line that does not exist.
  [[nodiscard]] std::string_view line(int number) const noexcept;

  /// Whether a tab stands before the first letter of the line.
  [[nodiscard]] bool indented_by_tab(int number) const noexcept;

  enum class Quote : unsigned char { none, closed, open };

  /// Whether a quoted text begins here, maybe after an anchor or a tag, and whether its end exists.
  [[nodiscard]] Quote quote_at(Location at) const noexcept;

 private:
  [[nodiscard]] std::size_t skip_properties(std::size_t offset) const noexcept;

  std::string_view text_;
  std::vector<std::size_t> begins_;
};

}  // namespace busway::config
