// bus/dead_letter_box.hpp -- the dead letters of a bus, oldest first, at most so many.
// Layer: bus
//
// Model      A list and an index by id. A letter that is being redriven is marked, and stays.
// Threads    [any-thread]: one mutex.
// Ownership  Owns its letters.
// Errors     None but std::bad_alloc.
// Cost       O(log n) a letter.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <vector>

#include "busway/dead_letters.hpp"

namespace busway::detail {

class DeadLetterBox {
 public:
  explicit DeadLetterBox(std::size_t capacity) : capacity_(capacity) {}

  /// Keeps a new letter, whose id it gives. Returns whether an older one fell out for it, or it did
  /// itself.
  bool add(DeadLetter letter);
  /// A redrive ended: well, and the letter goes; or not, and it stays with one more death.
  void delivered(DeadLetterId id);
  /// False when the letter is no longer here.
  bool died_again(DeadLetterId id, DeadLetter::Death death);
  /// It did not come to a redrive after all.
  void unmark(DeadLetterId id);

  [[nodiscard]] std::vector<DeadLetter> list(const DeadLetterQuery& query) const;
  [[nodiscard]] std::optional<DeadLetter> get(DeadLetterId id) const;
  /// Marks as being redriven; false when it was, or is not here.
  bool mark(DeadLetterId id);
  std::size_t purge(DeadLetterId id);
  std::size_t purge(const DeadLetterQuery& query);

  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] std::uint64_t fallen_out() const;

 private:
  static constexpr std::size_t kHistoryMax = 16;

  enum class Redriving : unsigned char { stays, goes };
  std::size_t purge(DeadLetterId id, Redriving redriving);

  const std::size_t capacity_;
  mutable std::mutex mutex_;
  std::map<DeadLetterId, DeadLetter> letters_;  // by id, so oldest first
  DeadLetterId next_ = 1;
  std::uint64_t fallen_out_ = 0;
};

}  // namespace busway::detail
