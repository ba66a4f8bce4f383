// match/shape_table.hpp -- the distinct shapes of segments patterns: which words are literal.
// Layer: match
//
// Model      "a.*.b" and "x.*.y" share a shape. For each shape the topic's words at the literal
//            places are hashed together; that hash finds the one pattern of the shape that can
//            match.
// Threads    [not-concurrent]; const functions may run side by side.
// Ownership  Values only.
// Errors     std::bad_alloc from add().
// Cost       Memory and time of a match grow with the shapes, not with the patterns.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "busway/topic_name.hpp"

namespace busway::match_detail {

/// Shapes beyond these are filed as globs are.
inline constexpr std::size_t kShapesMax = 64;

/// The words of a topic, hashed.
struct WordHashes {
  std::array<std::uint64_t, kTopicBytesMax / 2 + 1> hash;
  std::uint32_t count = 0;
  bool has_empty = false;  // then no segments pattern but * matches

  /// The topic may not be longer than kTopicBytesMax.
  explicit WordHashes(std::string_view topic) noexcept;
};

struct Shape {
  std::uint64_t literals = 0;  // bit i: the word i is literal
  std::uint32_t words = 0;     // without a ** at the end
  bool tail = false;           // a ** at the end
  std::uint32_t patterns = 0;  // how many have it; 0: a free place

  [[nodiscard]] bool same_as(const Shape& other) const noexcept {
    return literals == other.literals && words == other.words && tail == other.tail;
  }
  [[nodiscard]] bool fits(const WordHashes& topic) const noexcept {
    return patterns != 0 && (tail ? topic.count > words : topic.count == words);
  }
  /// The tag under which the pattern of this shape stands that has these words.
  [[nodiscard]] std::uint32_t tag_of(const std::uint64_t* word_hashes) const noexcept;
};

/// The shape of a segments pattern and its tag, or nothing when it has more words than a shape can
/// tell.
struct ShapedPattern {
  Shape shape;
  std::uint32_t tag;
};
[[nodiscard]] std::optional<ShapedPattern> shape_of(std::string_view pattern) noexcept;

class ShapeTable {
 public:
  /// The place of the shape, counted once more; nothing when the table is full.
  [[nodiscard]] std::optional<std::uint32_t> add(const Shape& shape);
  void release(std::uint32_t place) noexcept { --shapes_[place].patterns; }

  [[nodiscard]] const std::vector<Shape>& all() const noexcept { return shapes_; }

 private:
  std::vector<Shape> shapes_;
};

}  // namespace busway::match_detail
