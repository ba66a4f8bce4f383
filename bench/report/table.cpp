#include "report/table.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <sstream>

namespace busway::bench {
namespace {

constexpr std::size_t kColumns = 4;
constexpr std::array<std::size_t, kColumns> kWidth = {46, 44, 58, 11};

bool is_outside(const Check& check) {
  if (!check.figure || !check.limit) return false;
  return check.bound == Bound::at_most ? *check.figure > *check.limit
                                       : *check.figure < *check.limit;
}

std::string text_of(const Check& check) {
  std::string text = check.label.empty() ? "" : check.label + " ";
  text += check.figure ? short_number(*check.figure) : "?";
  if (!is_outside(check)) return text + check.unit;
  const std::size_t space = std::min(check.unit.find(' '), check.unit.size());
  return text + check.unit.substr(0, space) + " (!)" + check.unit.substr(space);
}

std::string figures_of(const Row& row) {
  std::string text;
  for (const Check& check : row.checks) {
    if (!text.empty()) text += text.back() == '/' ? " " : "; ";
    text += text_of(check);
  }
  return text;
}

std::string word_for(Verdict verdict) {
  switch (verdict) {
    case Verdict::ok: return "ok";
    case Verdict::no_peer: return "no peer";
    case Verdict::falls_short: return "falls short";
  }
  return "";
}

std::vector<std::string> wrap(const std::string& text, std::size_t width) {
  std::vector<std::string> lines(1);
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    if (!lines.back().empty() && lines.back().size() + 1 + word.size() > width) {
      lines.emplace_back();
    }
    if (!lines.back().empty()) lines.back() += ' ';
    lines.back() += word;
  }
  return lines;
}

void print_row(const std::array<std::string, kColumns>& cells) {
  std::array<std::vector<std::string>, kColumns> wrapped;
  std::size_t height = 1;
  for (std::size_t i = 0; i < kColumns; ++i) {
    wrapped[i] = wrap(cells[i], kWidth[i]);
    height = std::max(height, wrapped[i].size());
  }
  for (std::size_t line = 0; line < height; ++line) {
    std::string out;
    for (std::size_t i = 0; i < kColumns; ++i) {
      std::string cell = line < wrapped[i].size() ? wrapped[i][line] : "";
      cell.resize(std::max(kWidth[i], cell.size()), ' ');
      out += (i == 0 ? "" : " | ") + cell;
    }
    out.erase(out.find_last_not_of(' ') + 1);
    std::printf("%s\n", out.c_str());
  }
}

void print_rule() {
  std::string out;
  for (std::size_t i = 0; i < kColumns; ++i) {
    out += (i == 0 ? "" : "-+-") + std::string(kWidth[i], '-');
  }
  std::printf("%s\n", out.c_str());
}

}  // namespace

std::string short_number(double value) {
  const double size = std::fabs(value);
  int digits = 0;
  if (value != 0 && size < 100) digits = size < 1 ? 3 : size < 10 ? 2 : 1;
  std::array<char, 64> text{};
  (void)std::snprintf(text.data(), text.size(), "%.*f", digits, value);
  return text.data();
}

bool lacks_peer(const Row& row) {
  return std::any_of(row.checks.begin(), row.checks.end(),
                     [](const Check& check) { return check.limit && !check.figure; });
}

Verdict verdict_of(const Row& row) {
  if (std::any_of(row.checks.begin(), row.checks.end(), is_outside)) return Verdict::falls_short;
  return lacks_peer(row) ? Verdict::no_peer : Verdict::ok;
}

void print_table(const std::vector<Row>& rows, const std::vector<std::string>& notes) {
  print_row({"work", "target", "figure", "verdict"});
  std::size_t short_rows = 0;
  std::size_t without_peer = 0;
  for (const Row& row : rows) {
    const Verdict verdict = verdict_of(row);
    if (verdict == Verdict::falls_short) ++short_rows;
    if (verdict == Verdict::no_peer) ++without_peer;
    print_rule();
    std::string words = word_for(verdict);
    if (verdict == Verdict::falls_short && lacks_peer(row)) words += ", no peer";
    print_row({row.work, row.target, figures_of(row), words});
  }
  print_rule();
  for (const std::string& note : notes) {
    for (const std::string& line : wrap(note, 160)) std::printf("%s\n", line.c_str());
  }
  std::printf("%zu rows: %zu ok, %zu fall short, %zu without a peer\n", rows.size(),
              rows.size() - short_rows - without_peer, short_rows, without_peer);
}

}  // namespace busway::bench
