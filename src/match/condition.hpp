// match/condition.hpp -- a necessary condition for a match, from the text of a pattern.
// Layer: match
//
// Model      A marked topic is kTextBegin, the folded topic, kTextEnd. Every topic that the pattern
//            matches holds, once marked, at least one string of each clause. The pattern itself has
//            the last word. No clauses: nothing is known.
// Threads    [any-thread], no state.
// Errors     None but std::bad_alloc: what is not understood is not used.
// Cost       1 to 3 us for common patterns; O(bytes * kLiteralsMax) memory.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "busway/pattern.hpp"
#include "match/literals.hpp"

namespace busway::match_detail {

using Clauses = std::vector<Strings>;

[[nodiscard]] Clauses condition_of(const Pattern& pattern);

/// For a text that RE2 accepts; see regex_literals.cpp for what is understood.
[[nodiscard]] Literals literals_of_regex(std::string_view regex);

/// The topic as clauses see it.
[[nodiscard]] std::string mark_topic(std::string_view topic);

/// The same into a buffer of two bytes more than the topic.
std::string_view mark_topic(std::string_view topic, char* buffer) noexcept;

/// Whether a marked topic meets all clauses.
[[nodiscard]] bool meets(const Clauses& clauses, std::string_view marked_topic) noexcept;

}  // namespace busway::match_detail
