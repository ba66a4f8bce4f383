// busway/error.hpp -- the error type of busway: a code, a sentence, nothing else.
// Layer: base
//
// Model      Misuse throws Error at the call that is wrong; what happens at run time comes back as
//            a value that carries the same ErrorCode. The codes stand in one table,
//            error_codes.def.
// Threads    All functions are [any-thread]; an Error is a value.
// Ownership  Error owns its text.
// Errors     None.
// Cost       Constructing an Error allocates its message.
// Example    tests/base/error_test.cpp
#pragma once

#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

namespace busway {

/// What went wrong. The order is that of error_codes.def; programs compare names, never numbers.
enum class ErrorCode : unsigned char {
#define BUSWAY_ERROR(name, text, retryable, fault) name,
#include "busway/error_codes.def"
#undef BUSWAY_ERROR
};

/// Whose fault an error of this code is.
enum class Fault : unsigned char { caller, handler, system, config, plugin };

/// The code's name as written in error_codes.def, for example "invalid_topic".
[[nodiscard]] std::string_view to_string(ErrorCode code) noexcept;
[[nodiscard]] std::string_view to_string(Fault fault) noexcept;
/// The reverse of to_string(); no value: there is no such code.
[[nodiscard]] std::optional<ErrorCode> parse_error_code(std::string_view text) noexcept;

/// One sentence that explains the code in general.
[[nodiscard]] std::string_view explain(ErrorCode code) noexcept;

/// Whether the same call may succeed later without a change.
[[nodiscard]] bool is_retryable(ErrorCode code) noexcept;

[[nodiscard]] Fault fault_of(ErrorCode code) noexcept;

/// Thrown for misuse. what() names the thing, the value and what would have been right.
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}

  [[nodiscard]] ErrorCode code() const noexcept { return code_; }

 private:
  ErrorCode code_;
};

}  // namespace busway
