// config/expand.hpp -- ${VAR} in values.
// Layer: config
//
// Model      ${VAR} is the variable's value, ${VAR:-default} its value or, unset or empty, the
//            default, in which variables may stand too. $${ is a literal ${; any other $ is itself.
//            Values are not expanded again.
// Threads    [any-thread], as far as the Variables are.
// Errors     As a value: the sentence that says what is wrong.
// Cost       O(text + values), bounded by bytes_max.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "config/document.hpp"

namespace busway::config {

struct Expansion {
  std::string text{};
  std::string problem{};  // empty when the text is good
  Node::Source source = Node::Source::literal;
};

[[nodiscard]] Expansion expand(std::string_view text, const Variables& variables,
                               std::size_t bytes_max);

}  // namespace busway::config
