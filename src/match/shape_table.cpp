#include "match/shape_table.hpp"

#include <bit>

#include "match/hashing.hpp"
#include "match/segments.hpp"

namespace busway::match_detail {
namespace {

constexpr std::uint32_t kShapeWordsMax = 64;
constexpr std::uint64_t kTailSalt = 0x8CB92BA72F3D8DD7;
constexpr std::uint64_t kJoin = 0xA0761D6478BD642F;

}  // namespace

WordHashes::WordHashes(std::string_view topic) noexcept {
  const std::uint64_t seed = process_seed();
  for (Word at = cut_word(topic);; at = cut_word(at.rest)) {
    hash[count++] = hash_text(at.word, seed);
    has_empty = has_empty || at.word.empty();
    if (!at.more) return;
    if (count == hash.size()) {  // only where dots follow each other
      has_empty = true;
      return;
    }
  }
}

std::uint32_t Shape::tag_of(const std::uint64_t* word_hashes) const noexcept {
  std::uint64_t tag = literals * 2 + words + (tail ? kTailSalt : 0);
  for (std::uint64_t rest = literals; rest != 0; rest &= rest - 1) {
    tag = mix(tag ^ word_hashes[std::countr_zero(rest)], kJoin);
  }
  return static_cast<std::uint32_t>(mix(tag, kJoin) >> 32U);
}

std::optional<ShapedPattern> shape_of(std::string_view pattern) noexcept {
  ShapedPattern out{};
  std::array<std::uint64_t, kShapeWordsMax> hashes;
  const std::uint64_t seed = process_seed();
  for (Word at = cut_word(pattern);; at = cut_word(at.rest)) {
    if (at.word == "**") {
      out.shape.tail = true;
      break;
    }
    if (out.shape.words == kShapeWordsMax) return std::nullopt;
    if (at.word != "*") {
      out.shape.literals |= std::uint64_t{1} << out.shape.words;
      hashes[out.shape.words] = hash_text(at.word, seed);
    }
    ++out.shape.words;
    if (!at.more) break;
  }
  out.tag = out.shape.tag_of(hashes.data());
  return out;
}

std::optional<std::uint32_t> ShapeTable::add(const Shape& shape) {
  std::uint32_t free_place = static_cast<std::uint32_t>(shapes_.size());
  for (std::uint32_t i = 0; i < shapes_.size(); ++i) {
    if (shapes_[i].patterns == 0) {
      free_place = i;
    } else if (shapes_[i].same_as(shape)) {
      ++shapes_[i].patterns;
      return i;
    }
  }
  if (free_place == kShapesMax) return std::nullopt;
  if (free_place == shapes_.size()) shapes_.emplace_back();
  shapes_[free_place] = shape;
  shapes_[free_place].patterns = 1;
  return free_place;
}

}  // namespace busway::match_detail
