// plugin/version_range.hpp -- which versions of another plugin will do.
// Layer: plugin
//
// Model      A version is 1, 1.2 or 1.2.3, maybe with -pre (rc.1) and with +build, which counts for
//            nothing; parts that are not there are 0. A pre-release comes before its version.
//            A range is terms with spaces between, all of which must hold:
//              1.2.3, =1.2.3   this version
//              > >= < <=       as they read; 2.0.0-rc.1 is not < 2, though it comes before it
//              ^1.2.3          from it on, as long as the first part that is not 0 stays
//              ~1.2.3          from it on, as long as 1.2 stays; ~1: as long as 1 stays
//              *               any, also what is no version
// Threads    Values; [any-thread].
// Ownership  Own their texts.
// Errors     VersionRange throws Error(invalid_argument): the term, what is wrong with it, what
//            would be right.
// Cost       met_by(): one look at the version a term.
// Example    tests/plugin/version_range_test.cpp
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace busway::plugin_host_detail {

struct Version {
  std::array<std::uint32_t, 3> parts{};
  std::size_t given = 0;  // how many parts were written
  std::string pre{};
};

/// Nothing for what is no version.
[[nodiscard]] std::optional<Version> read_version(std::string_view text);

/// Below, at or above 0, as the first comes before, with or after the second.
[[nodiscard]] int compare(const Version& first, const Version& second);

class VersionRange {
 public:
  explicit VersionRange(std::string_view text);

  [[nodiscard]] bool met_by(std::string_view version) const;
  /// As it was written.
  [[nodiscard]] const std::string& text() const noexcept { return text_; }

 private:
  enum class Is : unsigned char { equal, above, at_least, below, at_most };
  struct Term {
    Is is;
    Version bound;
  };

  void add(std::string_view term);
  [[nodiscard]] static bool holds(const Term& term, const Version& version);

  std::string text_;
  std::vector<Term> terms_;  // none: any
};

}  // namespace busway::plugin_host_detail
