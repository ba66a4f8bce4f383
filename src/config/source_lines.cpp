#include "config/source_lines.hpp"

#include <algorithm>

namespace busway::config {

SourceLines::SourceLines(std::string_view text) : text_(text) {
  begins_.push_back(0);
  for (std::size_t i = text.find('\n'); i != std::string_view::npos; i = text.find('\n', i + 1)) {
    begins_.push_back(i + 1);
  }
}

std::string_view SourceLines::line(int number) const noexcept {
  if (number < 1 || static_cast<std::size_t>(number) > begins_.size()) return {};
  const std::size_t begin = begins_[static_cast<std::size_t>(number) - 1];
  return text_.substr(begin, text_.find('\n', begin) - begin);
}

bool SourceLines::indented_by_tab(int number) const noexcept {
  const std::string_view text = line(number);
  const std::size_t end = text.find_first_not_of(" \t");
  return end != std::string_view::npos && text.substr(0, end).find('\t') != std::string_view::npos;
}

std::size_t SourceLines::skip_properties(std::size_t offset) const noexcept {
  constexpr std::string_view kBlank = " \t\n";
  while (offset < text_.size() && (text_[offset] == '&' || text_[offset] == '!')) {
    offset = text_.find_first_of(kBlank, offset);
    offset = text_.find_first_not_of(kBlank, offset);
    while (offset < text_.size() && text_[offset] == '#') {
      offset = text_.find('\n', offset);
      offset = text_.find_first_not_of(kBlank, offset);
    }
  }
  return offset;
}

SourceLines::Quote SourceLines::quote_at(Location at) const noexcept {
  if (at.line < 1 || at.column < 1 || static_cast<std::size_t>(at.line) > begins_.size()) {
    return Quote::none;
  }
  std::size_t i = skip_properties(begins_[static_cast<std::size_t>(at.line) - 1] +
                                  static_cast<std::size_t>(at.column) - 1);
  if (i >= text_.size() || (text_[i] != '"' && text_[i] != '\'')) return Quote::none;
  const char quote = text_[i];
  for (++i; i < text_.size(); ++i) {
    if (quote == '"' && text_[i] == '\\') {
      ++i;
    } else if (text_[i] == quote) {
      const bool doubled = quote == '\'' && i + 1 < text_.size() && text_[i + 1] == quote;
      if (!doubled) return Quote::closed;
      ++i;
    }
  }
  return Quote::open;
}

}  // namespace busway::config
