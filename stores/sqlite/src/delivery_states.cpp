#include "delivery_states.hpp"

#include <algorithm>
#include <chrono>

namespace busway::sqlite {
namespace {

WallTime time_of(std::int64_t ns) { return WallTime(std::chrono::nanoseconds(ns)); }

void describe(const ExceptionRow& row, StoredDelivery& delivery) {
  using State = StoredDelivery::State;
  delivery.attempts = row.attempts;
  delivery.error = row.error;
  if (row.changed != 0) delivery.changed = time_of(row.changed);
  switch (row.state) {
    case ExceptionState::dead: delivery.state = State::dead_lettered; break;
    case ExceptionState::leased:
      delivery.state = State::processing;
      delivery.lease_until = time_of(row.until);
      break;
    case ExceptionState::waiting:
      delivery.state = row.attempts == 0 ? State::pending : State::retrying;
      delivery.due = time_of(row.until);
      break;
  }
  // One that is sent again is a failure until it has ended well.
  if (row.letter != 0) delivery.state = State::dead_lettered;
}

}  // namespace

DeliveryStates::DeliveryStates(Reader& reader, std::uint64_t window)
    : reader_(reader), window_(window) {
  for (DurableRow& row : reader.tables.all()) {
    const DurableNumber number = row.number;
    names_.push_back(
        {std::move(row), reader.tables.cursor(number).cursor, reader.tables.leases(number)});
  }
  reader.tables.forget_damages();  // told of by whoever mends them
}

const DeliveryStates::Rows& DeliveryStates::rows_of(std::uint64_t sequence) {
  if (sequence < from_ || sequence > to_) {
    // As it is read: on from there, or back.
    const bool back = sequence < from_;
    from_ = back ? sequence - std::min(sequence, window_ - 1) : sequence;
    to_ = back ? sequence : sequence + (window_ - 1);
    rows_.clear();
    const auto is_known = [this](DurableNumber number) {
      return std::any_of(names_.begin(), names_.end(),
                         [number](const Name& one) { return one.row.number == number; });
    };
    reader_.tables.each_exception(from_, to_, [&](DurableNumber number, ExceptionRow* row) {
      if (!is_known(number)) met_strays_ = true;
      if (row != nullptr) rows_[row->sequence].emplace_back(number, std::move(*row));
    });
    reader_.tables.forget_damages();
  }
  static const Rows none;
  const auto found = rows_.find(sequence);
  return found != rows_.end() ? found->second : none;
}

std::vector<StoredDelivery> DeliveryStates::of(std::uint64_t sequence, std::string_view topic) {
  using State = StoredDelivery::State;
  const Rows& rows = rows_of(sequence);
  std::vector<StoredDelivery> out;
  for (const Name& name : names_) {
    StoredDelivery one{.durable = name.row.spec.name};
    const auto row = std::find_if(rows.begin(), rows.end(),
                                  [&](const auto& any) { return any.first == name.row.number; });
    if (row != rows.end()) {
      describe(row->second, one);
      out.push_back(std::move(one));
      continue;
    }
    const std::vector<Pattern>& patterns = name.row.spec.patterns;
    const bool matches =
        std::any_of(patterns.begin(), patterns.end(),
                    [topic](const Pattern& pattern) { return pattern.matches(topic); });
    if (sequence <= name.row.start || !matches) continue;
    if (sequence > name.cursor) {
      one.state = State::pending;
    } else {
      const auto lease =
          std::find_if(name.leases.begin(), name.leases.end(), [&](const LeaseRow& each) {
            return sequence >= each.lo && sequence <= each.hi &&
                   !each.done.test(static_cast<std::size_t>(sequence - each.lo));
          });
      const bool is_out = lease != name.leases.end();
      if (is_out) one.lease_until = time_of(lease->until);
      one.state = is_out ? State::processing : State::completed;
      one.attempts = is_out ? 1 : 0;
    }
    out.push_back(std::move(one));
  }
  return out;
}

}  // namespace busway::sqlite
