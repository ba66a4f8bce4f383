// config/scalar.hpp -- reads booleans, numbers, durations and sizes from text, strictly.
// Layer: config
//
// Model      A Reading holds a value or the sentence that says what is wrong and what to write
//            instead. The traps of YAML are named: no is not false, 010 is neither 8 nor 10.
// Threads    [any-thread]
// Errors     As values.
// Cost       O(length of the text).
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace busway::config {

template <class T>
struct Reading {
  std::optional<T> value{};
  std::string problem{};
};

/// true or false, nothing else.
[[nodiscard]] Reading<bool> read_boolean(std::string_view text);

/// Decimal digits, maybe with '-'; [min, max] counts as part of what would be right.
[[nodiscard]] Reading<std::int64_t> read_integer(std::string_view text, std::int64_t min,
                                                 std::int64_t max);

/// A finite decimal number.
[[nodiscard]] Reading<double> read_number(std::string_view text, double min, double max);

/// A whole number and one unit: ms, s, m, h or d.
[[nodiscard]] Reading<std::chrono::milliseconds> read_duration(std::string_view text,
                                                               std::chrono::milliseconds min,
                                                               std::chrono::milliseconds max);

/// A whole number and one unit: B, KiB, MiB or GiB.
[[nodiscard]] Reading<std::uint64_t> read_size(std::string_view text, std::uint64_t min,
                                               std::uint64_t max);

/// As a person would write them, and as the functions above read them: 90s, 64KiB, 2.5.
[[nodiscard]] std::string show_duration(std::chrono::milliseconds value);
[[nodiscard]] std::string show_size(std::uint64_t value);
[[nodiscard]] std::string show_number(double value);

/// "a number of old YAML" and such: why `text`, written with a leading zero, is refused; empty if
/// it is not so written.
[[nodiscard]] std::string leading_zero_problem(std::string_view text);

/// yes, no, on, off, y, n in any case: what YAML 1.1 takes for booleans; the answer is "true",
/// "false" or "".
[[nodiscard]] std::string_view old_boolean(std::string_view text) noexcept;

}  // namespace busway::config
