// busway/log.hpp -- where busway's own messages go.
// Layer: base
//
// Model      A function of level, message and fields, given in BusOptions::log. By default warnings
//            and errors go to standard error, one line each.
// Threads    The sink is called from any thread, never with a lock of busway held.
// Ownership  The views are good for the call.
// Errors     A sink that throws is ignored.
// Cost       Nothing on the path of an event that goes well.
// Example    tests/docs/guarantees_test.cpp
#pragma once

#include <functional>
#include <span>
#include <string_view>

namespace busway {

enum class LogLevel : unsigned char { debug, info, warning, error };

/// One named value of a log line; values from outside arrive escaped.
struct LogField {
  std::string_view name;
  std::string_view value;
};

using LogSink =
    std::function<void(LogLevel level, std::string_view message, std::span<const LogField> fields)>;

[[nodiscard]] std::string_view to_string(LogLevel level) noexcept;

/// The default sink: "busway: warning: message name=value ..." on standard error for warnings and
/// errors.
void log_to_stderr(LogLevel level, std::string_view message, std::span<const LogField> fields);

}  // namespace busway
