// bus/stored_letters.hpp -- the dead letters of durable subscriptions, as a bus shows them.
// Layer: bus
//
// Model      A letter of the store has an id of its own, told from those of the bus's box by its
//            highest bit. Its name is the durable one; subscription and owner are those of the
//            subscription that has it open here, if there is one.
// Threads    [any-thread]
// Ownership  Refers to the bus.
// Errors     Those of the store.
// Cost       A question to the store each.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "busway/dead_letters.hpp"

namespace busway::detail {

class BusCore;

class StoredLetters {
 public:
  explicit StoredLetters(BusCore& core) noexcept : core_(core) {}

  [[nodiscard]] static bool has(DeadLetterId id) noexcept { return (id & kMark) != 0; }

  [[nodiscard]] std::vector<DeadLetter> list(const DeadLetterQuery& query) const;
  [[nodiscard]] std::optional<DeadLetter> get(DeadLetterId id) const;
  [[nodiscard]] std::size_t size() const;
  void redrive(DeadLetterId id, RedriveResult& result) const;
  std::size_t purge(DeadLetterId id) const;

 private:
  static constexpr DeadLetterId kMark = DeadLetterId{1} << 63U;

  BusCore& core_;
};

}  // namespace busway::detail
