// text_template.hpp -- a text with places for what a pattern has found: log.%level%
//
// Model      %name% is what the group of that name found, "" where it found nothing; %% is a %.
// Threads    [any-thread] once made.
// Ownership  Owns its parts.
// Errors     std::invalid_argument says which place is none.
// Cost       fill(): one string.
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tail {

class TextTemplate {
 public:
  TextTemplate() = default;
  /// `groups` are the names that there are, and their numbers.
  TextTemplate(std::string_view text, const std::map<std::string, int>& groups);

  [[nodiscard]] std::string fill(std::span<const std::string_view> found) const;

 private:
  struct Part {
    std::string text;   // before the place
    std::size_t group;  // 0: none follows
  };
  std::vector<Part> parts_;
};

}  // namespace tail
