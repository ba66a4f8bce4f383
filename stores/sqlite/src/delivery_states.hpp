// delivery_states.hpp -- how far events have come with the durable names, many of them at once.
// Layer: store
//
// Model      Names, cursors and leases are read once, and the rows of single events by so many
//            sequences at a time. What it says is of one moment where its user holds a snapshot.
// Threads    [not-concurrent]: as the reader.
// Ownership  Refers to the reader.
// Errors     Fault.
// Cost       A query a name, and one a window.
#pragma once

#include <cstdint>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "busway/stored_event.hpp"
#include "core.hpp"

namespace busway::sqlite {

class DeliveryStates {
 public:
  /// Rows are read of so many sequences at once.
  DeliveryStates(Reader& reader, std::uint64_t window);

  [[nodiscard]] std::vector<StoredDelivery> of(std::uint64_t sequence, std::string_view topic);
  /// A row was of a name that there is not.
  [[nodiscard]] bool met_strays() const noexcept { return met_strays_; }

 private:
  struct Name {
    DurableRow row;
    std::uint64_t cursor = 0;
    std::vector<LeaseRow> leases;
  };
  using Rows = std::vector<std::pair<DurableNumber, ExceptionRow>>;
  [[nodiscard]] const Rows& rows_of(std::uint64_t sequence);

  Reader& reader_;
  const std::uint64_t window_;
  std::vector<Name> names_;
  std::map<std::uint64_t, Rows> rows_;  // of sequences from from_ to to_
  std::uint64_t from_ = 1;
  std::uint64_t to_ = 0;
  bool met_strays_ = false;
};

}  // namespace busway::sqlite
