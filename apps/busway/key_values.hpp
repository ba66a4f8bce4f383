// apps/busway/key_values.hpp -- a report as lines of key=value, and as one JSON object.
//
// Model      A value with a blank, '=', '"', '\' or a control character stands in quotes, escaped;
//            so does an empty one.
// Errors     None.
#pragma once

#include <string>
#include <string_view>

#include "busway/host_report.hpp"

namespace busway::app {

/// One line of "key=value key=value".
class KeyValueLine {
 public:
  KeyValueLine& add(std::string_view key, std::string_view value);
  KeyValueLine& add(std::string_view key, std::uint64_t value);
  /// Each entry of a flat object.
  KeyValueLine& add_all(const Json& object);

  [[nodiscard]] bool empty() const noexcept { return text_.empty(); }
  /// With its line end.
  [[nodiscard]] std::string line() const { return text_ + '\n'; }

 private:
  std::string text_;
};

[[nodiscard]] std::string to_lines(const HostReport& report);
[[nodiscard]] Json to_json(const HostReport& report);

/// The object as text; bytes that are not UTF-8 are replaced.
[[nodiscard]] std::string dump(const Json& object);

}  // namespace busway::app
