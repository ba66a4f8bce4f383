#include "table.hpp"

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <utility>

namespace busway::app {
namespace {

/// In characters: bytes that go on with one of UTF-8 do not count.
std::size_t width_of(std::string_view text) noexcept {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char byte) {
    return (static_cast<unsigned char>(byte) & 0xC0U) != 0x80U;
  }));
}

}  // namespace

Table::Table(const std::vector<std::string>& titles) {
  Row row;
  for (const std::string& title : titles) row.push_back({title, std::nullopt});
  rows_.push_back(std::move(row));
}

void Table::add(Row row) {
  row.resize(rows_.front().size());
  for (Cell& cell : row) {
    if (cell.text.empty()) cell.text = "-";
  }
  rows_.push_back(std::move(row));
}

std::string Table::text() const {
  std::vector<std::size_t> widths(rows_.front().size());
  for (const Row& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i)
      widths[i] = std::max(widths[i], width_of(row[i].text));
  }
  std::string lines;
  for (const Row& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      const Cell& cell = row[i];
      lines += cell.colour ? coloured(Stream::out, *cell.colour, cell.text) : cell.text;
      if (i + 1 < row.size()) lines.append(widths[i] - width_of(cell.text) + 2, ' ');
    }
    lines += '\n';
  }
  return lines;
}

}  // namespace busway::app
