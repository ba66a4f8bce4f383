#include "text_template.hpp"

#include <stdexcept>
#include <utility>

namespace tail {

TextTemplate::TextTemplate(std::string_view text, const std::map<std::string, int>& groups) {
  std::string before;
  while (!text.empty()) {
    const std::size_t mark = text.find('%');
    before += text.substr(0, mark);
    if (mark == std::string_view::npos) break;
    text.remove_prefix(mark + 1);
    const std::size_t end = text.find('%');
    if (end == std::string_view::npos) {
      throw std::invalid_argument("a text whose places are written %name%, and a percent sign %%,");
    }
    if (end == 0) {
      before += '%';
    } else {
      const auto group = groups.find(std::string(text.substr(0, end)));
      if (group == groups.end()) {
        std::string names;
        for (const auto& [name, number] : groups) names += (names.empty() ? "" : ", ") + name;
        throw std::invalid_argument("a text that names groups of its regex (" +
                                    (names.empty() ? "it has none" : names) + ")");
      }
      parts_.push_back({std::exchange(before, {}), static_cast<std::size_t>(group->second)});
    }
    text.remove_prefix(end + 1);
  }
  if (!before.empty()) parts_.push_back({std::move(before), 0});
}

std::string TextTemplate::fill(std::span<const std::string_view> found) const {
  std::string text;
  for (const Part& part : parts_) {
    text += part.text;
    if (part.group > 0 && part.group < found.size()) text += found[part.group];
  }
  return text;
}

}  // namespace tail
