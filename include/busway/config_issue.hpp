// busway/config_issue.hpp -- one thing that is wrong, or doubtful, in a configuration file.
// Layer: config
//
// Model      A plain value: where (file, line, column, path of keys), how bad, and a sentence that
//            says what would be right. Values of secret keys never stand in it.
// Threads    A plain struct: [not-concurrent] unless const.
// Ownership  Owns its texts.
// Errors     None.
// Cost       None by itself.
// Example    tests/config/config_error_test.cpp
#pragma once

#include <string>
#include <string_view>

namespace busway {

struct ConfigIssue {
  /// An error refuses the whole file; a warning is shown by `busway check` and changes nothing.
  enum class Severity : unsigned char { error, warning };

  std::string file{};     ///< as given by the caller
  int line = 0;           ///< from 1; 0 when the whole file is meant
  int column = 0;         ///< from 1, in bytes; 0 when the whole line is meant
  std::string path{};     ///< such as event_broker.retry_policy.max_retries or plugins[0].path
  std::string message{};  ///< what is wrong with what value, and what would be right
  Severity severity = Severity::error;
};

/// "error" or "warning".
[[nodiscard]] std::string_view to_string(ConfigIssue::Severity severity) noexcept;

/// One line, `FILE:LINE: PATH: MESSAGE`, without the parts that are unknown. Text from outside is
/// escaped.
[[nodiscard]] std::string to_string(const ConfigIssue& issue);

}  // namespace busway
