// tests/docs/markdown.hpp -- what the checks need to know of a page of documentation.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace busway::docs {

/// A fenced block of code.
struct Block {
  std::size_t line = 0;  ///< of the opening fence, from 1
  std::string language;
  std::string marker;  ///< from a line <!-- snippet: NAME --> before it; else empty
  std::string text;    ///< its lines, each with its end
};

/// A row of a table, without the two that make its head.
struct Row {
  std::size_t line = 0;
  std::vector<std::string> cells;
};

struct Page {
  std::vector<std::string> lines;
  std::vector<Block> blocks;
  std::vector<Row> rows;
  std::vector<std::string> links;  ///< targets of [text](target), outside blocks
  std::vector<std::string> code;   ///< `spans`, outside blocks
};

[[nodiscard]] Page read_page(std::string_view text);

/// Throws std::runtime_error when it cannot be read.
[[nodiscard]] std::string read_text(const std::filesystem::path& file);

/// The `spans` of one line.
[[nodiscard]] std::vector<std::string> code_spans(std::string_view line);

/// Whether a span is written as a path of this project: a folder that exists at its top, a slash.
[[nodiscard]] bool is_path(const std::filesystem::path& root, std::string_view span);

}  // namespace busway::docs
