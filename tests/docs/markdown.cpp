#include "markdown.hpp"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace busway::docs {
namespace {

std::vector<std::string> split_lines(std::string_view text) {
  std::vector<std::string> lines;
  std::istringstream in{std::string(text)};
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

std::string trim(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(' ');
  if (begin == std::string_view::npos) return {};
  return std::string(text.substr(begin, text.find_last_not_of(' ') - begin + 1));
}

constexpr std::string_view kMarker = "<!-- snippet: ";

std::vector<std::string> cells_of(std::string_view line) {
  std::vector<std::string> cells;
  bool in_code = false;
  std::string cell;
  for (std::size_t i = 1; i < line.size(); ++i) {
    const char c = line[i];
    if (c == '`') in_code = !in_code;
    if (c == '|' && line[i - 1] != '\\') {
      cells.push_back(trim(cell));
      cell.clear();
    } else {
      cell += c;
    }
  }
  return cells;
}

bool is_rule(const std::vector<std::string>& cells) {
  return std::all_of(cells.begin(), cells.end(), [](const std::string& cell) {
    return !cell.empty() && cell.find_first_not_of("-: ") == std::string::npos;
  });
}

void find_links(std::string_view line, std::vector<std::string>& out) {
  for (std::size_t at = line.find("]("); at != std::string_view::npos;
       at = line.find("](", at + 2)) {
    const std::size_t end = line.find(')', at);
    if (end != std::string_view::npos) out.emplace_back(line.substr(at + 2, end - at - 2));
  }
}

}  // namespace

std::string read_text(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) throw std::runtime_error("cannot read " + file.string());
  std::ostringstream text;
  text << in.rdbuf();
  return std::move(text).str();
}

std::vector<std::string> code_spans(std::string_view line) {
  std::vector<std::string> spans;
  for (std::size_t at = line.find('`'); at != std::string_view::npos;) {
    const std::size_t end = line.find('`', at + 1);
    if (end == std::string_view::npos) break;
    spans.emplace_back(line.substr(at + 1, end - at - 1));
    at = line.find('`', end + 1);
  }
  return spans;
}

bool is_path(const std::filesystem::path& root, std::string_view span) {
  const std::size_t slash = span.find('/');
  if (slash == std::string_view::npos || slash == 0) return false;
  if (span.find_first_of(" <>*$:(){},") != std::string_view::npos) return false;
  const std::string top(span.substr(0, slash));
  return top != ".." && top != "." && top != "build" && std::filesystem::is_directory(root / top);
}

Page read_page(std::string_view text) {
  Page page;
  page.lines = split_lines(text);
  std::string marker;
  std::size_t table_row = 0;
  for (std::size_t i = 0; i < page.lines.size(); ++i) {
    const std::string& line = page.lines[i];
    if (line.starts_with("```")) {
      Block block{i + 1, line.substr(3), marker, {}};
      for (++i; i < page.lines.size() && page.lines[i] != "```"; ++i)
        block.text += page.lines[i] + "\n";
      page.blocks.push_back(std::move(block));
      marker.clear();
      continue;
    }
    if (line.starts_with(kMarker)) {
      marker = trim(line.substr(kMarker.size(), line.find(" -->") - kMarker.size()));
    }
    if (line.starts_with("    ")) continue;  // an indented block
    if (line.starts_with("|")) {
      std::vector<std::string> cells = cells_of(line);
      if (table_row++ > 1 || (table_row == 2 && !is_rule(cells)))
        page.rows.push_back({i + 1, cells});
    } else {
      table_row = 0;
    }
    find_links(line, page.links);
    for (std::string& span : code_spans(line)) page.code.push_back(std::move(span));
  }
  return page;
}

}  // namespace busway::docs
