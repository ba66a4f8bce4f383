#include "numbers.hpp"

#include <algorithm>

#include "busway/event_record.hpp"

namespace busway::sqlite {
namespace {

std::int64_t sum_of_number(std::string_view name, std::uint64_t value) {
  const std::uint64_t sum = checksum(std::as_bytes(std::span(&value, 1)));
  return static_cast<std::int64_t>(
      checksum(std::as_bytes(std::span(name.data(), name.size())), sum));
}

}  // namespace

Numbers::Numbers(Database& database)
    : database_(database),
      get_(database, "SELECT value, sum FROM meta WHERE name=?"),
      put_(database, "REPLACE INTO meta(name, value, sum) VALUES(?,?,?)"),
      last_(database, "SELECT ifnull(max(seq), 0) FROM events"),
      first_(database, "SELECT ifnull(min(seq), 0) FROM events") {}

std::uint64_t Numbers::only(Statement& statement) {
  statement.reset();
  const std::uint64_t value = statement.step() ? statement.unsigned_number(0) : 0;
  statement.reset();
  return value;
}

Numbers::Found Numbers::get(std::string_view name) {
  Found found;
  if (get_.start(name).step()) {
    found.value = get_.unsigned_number(0);
    found.sound = sum_of_number(name, found.value) == get_.number(1);
  }
  get_.reset();
  return found;
}

void Numbers::put(std::string_view name, std::uint64_t value) {
  put_.run(name, value, sum_of_number(name, value));
}

std::uint64_t Numbers::last_sequence() {
  const std::uint64_t last = only(last_);
  const Found kept = get(kLastSequence);
  if (kept.sound) return std::max(last, kept.value);
  // No name has come upon what was not given yet.
  return std::max(last, static_cast<std::uint64_t>(
                            database_.number("SELECT ifnull(max(cursor), 0) FROM cursors")));
}

std::uint64_t Numbers::events() {
  const std::uint64_t newest = only(last_);
  if (newest == 0) return 0;
  const std::uint64_t last = last_sequence();
  const Found removed = get(kRemoved);
  // There cannot be more than have room between the oldest and the newest.
  const std::uint64_t most = newest - only(first_) + 1;
  if (!removed.sound || removed.value > last) {
    return static_cast<std::uint64_t>(database_.number("SELECT count(*) FROM events"));
  }
  return std::min(most, last - removed.value);
}

void Numbers::count_removed(std::uint64_t events, std::uint64_t highest) {
  const Found removed = get(kRemoved);
  std::uint64_t in_all = removed.value + events;
  if (!removed.sound) {
    in_all = last_sequence() -
             static_cast<std::uint64_t>(database_.number("SELECT count(*) FROM events"));
  }
  put(kRemoved, in_all);
  put(kRemovedTo, std::max(highest, removed_to()));
}

std::uint64_t Numbers::removed_to() {
  const Found to = get(kRemovedTo);
  const Found removed = get(kRemoved);
  // Of one that is damaged, or was never written, everything may be removed.
  const bool known = to.sound && removed.sound && (to.value != 0 || removed.value == 0);
  return known ? to.value : last_sequence();
}

std::uint64_t Numbers::new_letter() {
  const Found next = get(kNextLetter);
  std::uint64_t letter = std::max<std::uint64_t>(next.value, 1);
  if (!next.sound) {
    letter = 1 + static_cast<std::uint64_t>(database_.number(
                     "SELECT ifnull(max(letter), 0) FROM exceptions WHERE letter > 0"));
  }
  put(kNextLetter, letter + 1);
  return letter;
}

std::vector<std::string> Numbers::check() {
  std::vector<std::string> faults;
  for (const std::string_view name : {kLastSequence, kRemoved, kRemovedTo, kNextLetter}) {
    if (!get(name).sound) {
      faults.push_back("the number " + std::string(name) + " does not pass its checksum");
    }
  }
  if (!faults.empty()) return faults;
  Statement counts(database_,
                   "SELECT (SELECT count(*) FROM events), (SELECT ifnull(max(seq), 0) FROM events),"
                   " ifnull((SELECT value FROM meta WHERE name='last_sequence'), 0), "
                   "ifnull((SELECT value FROM meta WHERE name='removed'), 0)");
  if (!counts.step()) return faults;
  const std::uint64_t there = counts.unsigned_number(0);
  const std::uint64_t last = std::max(counts.unsigned_number(1), counts.unsigned_number(2));
  const std::uint64_t removed = counts.unsigned_number(3);
  if (there + removed != last) {
    faults.push_back(std::to_string(last) + " events were stored and " + std::to_string(removed) +
                     " removed, but there are " + std::to_string(there));
  }
  return faults;
}

}  // namespace busway::sqlite
