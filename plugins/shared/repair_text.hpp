// shared/repair_text.hpp -- text from outside as it may stand in an event.
//
// Model      What is not UTF-8, and NUL, which many readers of JSON take for the end, becomes
//            U+FFFD.
// Threads    [any-thread]
// Errors     None.
// Cost       O(bytes); three passes.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace shared {

[[nodiscard]] inline std::string repair_text(std::string_view text) {
  using nlohmann::json;
  constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD
  std::string good = json::parse(json(text).dump(-1, ' ', false, json::error_handler_t::replace))
                         .get<std::string>();
  for (std::size_t at = good.find('\0'); at != std::string::npos; at = good.find('\0', at)) {
    good.replace(at, 1, kReplacement);
  }
  return good;
}

}  // namespace shared
