#include "bus/stored_letters.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <string>
#include <utility>

#include "bus/bus_core.hpp"

namespace busway::detail {
namespace {

DeadLetter letter_of(StoredLetter stored, DeadLetterId mark,
                     const std::vector<BusCore::OpenDurable>& open) {
  DeadLetter letter;
  letter.id = stored.id | mark;
  letter.event = std::move(stored.event);
  letter.name = std::move(stored.durable);
  letter.redriving = stored.redriving;
  letter.stored = true;
  letter.history.reserve(stored.history.size());
  for (StoredLetter::Death& death : stored.history) {
    letter.history.push_back({death.time, death.code, std::move(death.reason), death.attempts});
  }
  const auto mine = std::find_if(open.begin(), open.end(),
                                 [&](const auto& one) { return one.name == letter.name; });
  if (mine != open.end()) {
    letter.subscription = mine->id;
    letter.owner = mine->owner;
  }
  return letter;
}

}  // namespace

std::vector<DeadLetter> StoredLetters::list(const DeadLetterQuery& query) const {
  std::vector<DeadLetter> out;
  StoreLink* const link = core_.link();
  if (link == nullptr) return out;
  StoredLetterQuery wanted{.durable = query.name};
  std::optional<Pattern> pattern;
  if (!query.pattern.empty()) {
    pattern = Pattern::parse(query.pattern, core_.options().wildcards);
    wanted.patterns = {&*pattern, 1};
  }
  if (query.owner.empty()) wanted.limit = query.limit;
  const std::vector<BusCore::OpenDurable> open = core_.open_durables();
  for (StoredLetter& one : link->store().dead_letters(wanted)) {
    DeadLetter letter = letter_of(std::move(one), kMark, open);
    if (!query.owner.empty() && letter.owner != query.owner) continue;
    out.push_back(std::move(letter));
  }
  return out;
}

std::optional<DeadLetter> StoredLetters::get(DeadLetterId id) const {
  StoreLink* const link = core_.link();
  if (link == nullptr) return std::nullopt;
  std::vector<StoredLetter> found = link->store().dead_letters({.id = id & ~kMark});
  if (found.empty()) return std::nullopt;
  return letter_of(std::move(found.front()), kMark, core_.open_durables());
}

std::size_t StoredLetters::size() const {
  StoreLink* const link = core_.link();
  return link != nullptr ? link->store().stats().dead_letters : 0;
}

void StoredLetters::redrive(DeadLetterId id, RedriveResult& result) const {
  StoreLink* const link = core_.link();
  if (link != nullptr && link->store().redrive({.id = id & ~kMark}) != 0) {
    ++result.sent;
  } else {
    ++(get(id) ? result.on_their_way : result.not_found);
  }
}

std::size_t StoredLetters::purge(DeadLetterId id) const {
  StoreLink* const link = core_.link();
  return link != nullptr ? link->store().purge({.id = id & ~kMark}) : 0;
}

}  // namespace busway::detail
