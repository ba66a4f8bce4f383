// busway/detail/text.hpp -- an immutable string that is cheap to hand from event to event.
// Layer: event
//
// Model      The first limits::kInternedTexts distinct texts of a process (topics, sources) are
//            interned for ever, so copying one touches no counter; later and longer ones are
//            counted references. Two representations of one text may exist, so compare views,
//            not pointers.
// Threads    [any-thread]: immutable; the counter is atomic.
// Ownership  Shares the characters.
// Errors     None but std::bad_alloc.
// Cost       One pointer; copying is free for an interned text, one atomic addition otherwise.
//            intern() takes no lock. hash_text() is about 30 instructions for 25 bytes.
// Example    tests/event/text_test.cpp
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>

namespace busway::detail {

/// The longest text that is interned; limits::kInternedTexts says how many are.
inline constexpr std::size_t kInternedTextBytesMax = 255;

struct TextRep {
  std::atomic<std::uint32_t> references;  // 0: interned, lives for ever
  std::uint32_t size;
  std::uint64_t hash;

  [[nodiscard]] const char* data() const noexcept {
    return reinterpret_cast<const char*>(this + 1);
  }
  [[nodiscard]] std::string_view view() const noexcept { return {data(), size}; }
};

[[nodiscard]] inline std::uint64_t load_word(const char* from) noexcept {
  std::uint64_t word;
  std::memcpy(&word, from, sizeof word);
  return word;
}

[[nodiscard]] inline std::uint64_t load_half(const char* from) noexcept {
  std::uint32_t half;
  std::memcpy(&half, from, sizeof half);
  return half;
}

/// The two halves of a 128-bit product, folded: each bit of either factor reaches most of the rest.
[[nodiscard]] inline std::uint64_t fold(std::uint64_t a, std::uint64_t b) noexcept {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64U);
}

/// The one hash of texts: also the route table's and the intern table's. Not for storage and not
/// against an adversary: tables that strangers fill bound their probes.
[[nodiscard]] inline std::uint64_t hash_text(std::string_view text) noexcept {
  // kWord holds a byte that no valid UTF-8 has, so that a word of a legal text never cancels it.
  constexpr std::uint64_t kWord = 0xA7F9D14B63E58C2DULL;
  constexpr std::uint64_t kState = 0x5D86B3F14E92C77BULL;
  const char* at = text.data();
  const std::size_t size = text.size();
  std::uint64_t state = kState * size;  // not ^: a byte of the text could cancel the size
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  if (size > 16) {
    const char* const tail = at + (size - 16);
    do {
      const std::uint64_t word = load_word(at) ^ kWord;
      state = fold(word, load_word(at + 8) ^ state) + word;
      at += 16;
    } while (at < tail);
    first = load_word(tail);
    last = load_word(tail + 8);
  } else if (size >= 8) {
    first = load_word(at);
    last = load_word(at + size - 8);
  } else if (size >= 4) {
    first = load_half(at);
    last = load_half(at + size - 4);
  } else if (size > 0) {
    const auto byte = [at](std::size_t i) {
      return static_cast<std::uint64_t>(static_cast<unsigned char>(at[i]));
    };
    first = byte(0) | (byte(size / 2) << 8U) | (byte(size - 1) << 16U);
  }
  return fold(fold(first ^ kWord, last ^ state) ^ first, kState);
}

/// An interned representation, or a fresh counted one (with one reference) when the text is long
/// or the intern table is full.
[[nodiscard]] const TextRep* intern(std::string_view text);

/// The interned representation of a text if there is one, else null; never adds one.
[[nodiscard]] const TextRep* find_interned(std::string_view text, std::uint64_t hash) noexcept;

void destroy_text(const TextRep* rep) noexcept;

[[nodiscard]] inline bool is_counted(const TextRep* rep) noexcept {
  return rep != nullptr && rep->references.load(std::memory_order_relaxed) != 0;
}

inline void acquire(const TextRep* rep) noexcept {
  if (is_counted(rep)) {
    const_cast<TextRep*>(rep)->references.fetch_add(1, std::memory_order_relaxed);
  }
}

inline void release(const TextRep* rep) noexcept {
  if (is_counted(rep) &&
      const_cast<TextRep*>(rep)->references.fetch_sub(1, std::memory_order_acq_rel) == 1) {
    destroy_text(rep);
  }
}

/// The owning handle of a TextRep; empty text is a null pointer.
class Text {
 public:
  Text() noexcept = default;
  explicit Text(std::string_view text) : rep_(text.empty() ? nullptr : intern(text)) {}
  Text(const Text& other) noexcept : rep_(other.rep_) { acquire(rep_); }
  Text(Text&& other) noexcept : rep_(std::exchange(other.rep_, nullptr)) {}
  Text& operator=(Text other) noexcept {
    std::swap(rep_, other.rep_);
    return *this;
  }
  ~Text() { release(rep_); }

  [[nodiscard]] std::string_view view() const noexcept {
    return rep_ == nullptr ? std::string_view{} : rep_->view();
  }
  [[nodiscard]] const TextRep* rep() const noexcept { return rep_; }
  /// Gives the reference away.
  [[nodiscard]] const TextRep* take() noexcept { return std::exchange(rep_, nullptr); }

 private:
  const TextRep* rep_ = nullptr;
};

}  // namespace busway::detail
