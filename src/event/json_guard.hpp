// event/json_guard.hpp -- the only door through which JSON enters an event.
// Layer: event
//
// Model      parse_json() reads text and refuses what nlohmann-json would take in silently: deep
//            nesting (it crashes when such a value is copied or written), a second key of one name
//            (the last would win), numbers it would round. check_json() refuses the same of a
//            value that a program built, and text that is not UTF-8, so that writing never throws.
// Threads    [any-thread]
// Errors     Error(invalid_json) names the key, the number or the place; Error(too_deep).
// Cost       O(size); the stack does not grow with the input.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "busway/json.hpp"
#include "busway/limits.hpp"

namespace busway::detail {

/// depth_max counts levels of arrays and objects; a number alone has none.
[[nodiscard]] Json parse_json(std::string_view text, std::size_t depth_max = limits::kJsonDepthMax);

/// For values from outside nlohmann's parser. A NaN or an infinity passes; it is written as null.
void check_json(const Json& value, std::size_t depth_max = limits::kJsonDepthMax);

/// The shortest text of a value that was parsed or checked here.
[[nodiscard]] std::string dump_json(const Json& value);

}  // namespace busway::detail
