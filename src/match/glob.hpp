// match/glob.hpp -- globs as Python's fnmatchcase reads them, over characters of UTF-8.
// Layer: match
//
// Model      A glob is a row of items: * (any text), ? (one character), a set in brackets, a
//            literal character. The text is read where it stands; there is no compiled form. A byte
//            of a topic that is not UTF-8 counts as one character that only * and ? and negated
//            sets match.
// Threads    [any-thread], no state.
// Errors     None; flaws are returned as text.
// Cost       glob_matches: at most bytes(glob) * bytes(topic) steps, no recursion, no allocation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace busway::match_detail {

enum class GlobItemKind : unsigned char { star, any, set, literal };

struct GlobItem {
  GlobItemKind kind = GlobItemKind::literal;
  std::size_t size = 0;          // bytes in the glob
  std::uint32_t code_point = 0;  // of a literal
  std::string_view set;          // of a set: between the brackets, a leading ! included
};

/// The offset from which every [ is a literal because no ] closes it. Computed once, it keeps
/// reading linear.
[[nodiscard]] std::size_t glob_literal_from(std::string_view glob) noexcept;

/// The item that begins at the offset, which must be below the size.
[[nodiscard]] GlobItem read_glob_item(std::string_view glob, std::size_t offset,
                                      std::size_t literal_from) noexcept;

/// Whether a set holds the character. A range that runs backwards is empty.
[[nodiscard]] bool glob_set_holds(std::string_view set, std::uint32_t code_point) noexcept;

[[nodiscard]] bool glob_matches(std::string_view glob, std::size_t literal_from,
                                std::string_view topic) noexcept;

/// What may stand in the text that a glob is matched with: anything between dots, or what topics
/// may hold.
enum class GlobAlphabet : unsigned char { any_character, topic_character };

/// Why the glob can match no legal topic, or nothing if it can. Under any_character only the places
/// of the dots, the length and the forbidden beginnings count.
[[nodiscard]] std::optional<std::string> glob_flaw(std::string_view glob, std::size_t literal_from,
                                                   GlobAlphabet alphabet);

}  // namespace busway::match_detail
