// busway/patterns.hpp -- one pattern or a list of them, as an argument.
// Layer: bus
//
// Model      What subscribe() takes: "order.*", Pattern::exact("a"), {"order.*", "invoice.*"}, a
//            vector of strings.
// Threads    A temporary.
// Ownership  Refers to the caller's texts; good for the call.
// Errors     None here; subscribe() reads the strings.
// Cost       One pattern: no allocation.
// Example    tests/docs/guarantees_test.cpp
#pragma once

#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "busway/pattern.hpp"

namespace busway {

/// A plain string, read as BusOptions::wildcards says, or a Pattern that says what it is.
class PatternArg {
 public:
  PatternArg(const char* text) : text_(text) {}               // NOLINT(*-explicit-*)
  PatternArg(std::string_view text) : text_(text) {}          // NOLINT(*-explicit-*)
  PatternArg(const std::string& text) : text_(text) {}        // NOLINT(*-explicit-*)
  PatternArg(const Pattern& pattern) : pattern_(&pattern) {}  // NOLINT(*-explicit-*)

  [[nodiscard]] const Pattern* pattern() const noexcept { return pattern_; }
  [[nodiscard]] std::string_view text() const noexcept { return text_; }

 private:
  std::string_view text_;
  const Pattern* pattern_ = nullptr;
};

class Patterns {
 public:
  Patterns(const char* text) : one_(text) {}           // NOLINT(*-explicit-*)
  Patterns(std::string_view text) : one_(text) {}      // NOLINT(*-explicit-*)
  Patterns(const std::string& text) : one_(text) {}    // NOLINT(*-explicit-*)
  Patterns(const Pattern& pattern) : one_(pattern) {}  // NOLINT(*-explicit-*)
  Patterns(std::initializer_list<PatternArg> list)
      : one_(std::string_view{}), many_(list), list_(true) {}
  Patterns(const std::vector<std::string>& list)  // NOLINT(*-explicit-*)
      : one_(std::string_view{}), many_(list.begin(), list.end()), list_(true) {}
  Patterns(const std::vector<Pattern>& list)  // NOLINT(*-explicit-*)
      : one_(std::string_view{}), many_(list.begin(), list.end()), list_(true) {}

  [[nodiscard]] std::size_t size() const noexcept { return list_ ? many_.size() : 1; }
  [[nodiscard]] const PatternArg& operator[](std::size_t i) const noexcept {
    return list_ ? many_[i] : one_;
  }

 private:
  PatternArg one_;
  std::vector<PatternArg> many_;
  bool list_ = false;
};

}  // namespace busway
