// match/pattern_cover.hpp -- whether one pattern matches all that another one does.
// Layer: match
//
// Model      About legal topics alone (busway/topic_name.hpp). Decided surely:
//              the same pattern, and a pattern that matches every topic
//              an exact one          by matching it
//              a glob by a glob      item by item: a star stands for any items, a ? for one
//                                    character, a set for the characters it holds
//              segments by segments  word by word
//              segments by a glob    with each * read as one or more characters of any kind
//              a glob by segments    where the glob begins with the words before a final **
//            All else (regular expressions, what only several patterns cover together) is unsure.
// Threads    [any-thread], no state.
// Errors     None.
// Cost       At most bytes(outer) * bytes(inner) steps.
// Example    tests/match/pattern_cover_test.cpp
#pragma once

#include "busway/pattern.hpp"

namespace busway::match_detail {

/// True: each topic that `inner` matches, `outer` matches too. False: not so, or unsure.
[[nodiscard]] bool surely_covers(const Pattern& outer, const Pattern& inner);

/// True: the pattern matches every topic. False: not so, or it does not say so plainly.
[[nodiscard]] bool matches_every_topic(const Pattern& pattern) noexcept;

}  // namespace busway::match_detail
