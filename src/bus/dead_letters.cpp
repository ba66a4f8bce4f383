// The public face of the dead letters, and their way back to a subscription.
#include "busway/dead_letters.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <span>
#include <utility>

#include "bus/bus_core.hpp"
#include "bus/stored_letters.hpp"

namespace busway {

using detail::StoredLetters;

std::vector<DeadLetter> DeadLetters::list(const DeadLetterQuery& query) const {
  std::vector<DeadLetter> letters = core_->dead_letters().list(query);
  std::vector<DeadLetter> stored = StoredLetters(*core_).list(query);
  if (stored.empty()) return letters;
  std::move(stored.begin(), stored.end(), std::back_inserter(letters));
  std::stable_sort(letters.begin(), letters.end(), [](const DeadLetter& a, const DeadLetter& b) {
    return a.history.front().time < b.history.front().time;
  });
  if (query.limit != 0 && letters.size() > query.limit) {
    letters.erase(letters.begin() + static_cast<std::ptrdiff_t>(query.limit), letters.end());
  }
  return letters;
}
std::optional<DeadLetter> DeadLetters::get(DeadLetterId id) const {
  return StoredLetters::has(id) ? StoredLetters(*core_).get(id) : core_->dead_letters().get(id);
}
std::size_t DeadLetters::size() const {
  return core_->dead_letters().size() + StoredLetters(*core_).size();
}
std::uint64_t DeadLetters::fallen_out() const { return core_->dead_letters().fallen_out(); }

RedriveResult DeadLetters::redrive(DeadLetterId id) {
  RedriveResult result;
  if (StoredLetters::has(id)) {
    StoredLetters(*core_).redrive(id, result);
    return result;
  }
  const std::optional<DeadLetter> letter = get(id);
  if (!letter) {
    result.not_found = 1;
    return result;
  }
  const std::array one{*letter};
  return core_->redrive(one);
}
RedriveResult DeadLetters::redrive(const DeadLetterQuery& query) {
  return core_->redrive(list(query));
}

std::size_t DeadLetters::purge(DeadLetterId id) {
  return StoredLetters::has(id) ? StoredLetters(*core_).purge(id) : core_->dead_letters().purge(id);
}
std::size_t DeadLetters::purge(const DeadLetterQuery& query) {
  std::size_t purged = 0;
  for (const DeadLetter& letter : list(query)) purged += purge(letter.id);
  return purged;
}

namespace detail {

/// To the subscription that failed, else to the one of the same name that stands now.
RedriveResult BusCore::redrive(std::span<const DeadLetter> letters) {
  RedriveResult result;
  for (const DeadLetter& letter : letters) {
    if (StoredLetters::has(letter.id)) {
      StoredLetters(*this).redrive(letter.id, result);
      continue;
    }
    Subscriber* to = nullptr;
    {
      const std::lock_guard lock(mutex_);
      for (Subscriber* one : slots_) {
        if (one == nullptr || one->extra == nullptr || one->extra->mailbox == nullptr) continue;
        const bool same = one->id == letter.subscription;
        if (!same && (one->extra->name.empty() || one->extra->name != letter.name ||
                      one->extra->owner != letter.owner)) {
          continue;
        }
        to = one;
        if (same) break;
      }
      if (to != nullptr) detail::retain(to);
    }
    if (to == nullptr) {
      ++result.no_subscription;
      continue;
    }
    if (!dead_letters_.mark(letter.id)) {
      ++(dead_letters_.get(letter.id) ? result.on_their_way : result.not_found);
      detail::release(to);
      continue;
    }
    auto attempts = std::make_unique<delivery_detail::Attempts>();
    attempts->letter = letter.id;
    if (to->extra->mailbox->push_redriven(letter.event, attempts.get()) ==
        delivery_detail::Pushed::accepted) {
      (void)attempts.release();
      ++result.sent;
    } else {
      dead_letters_.unmark(letter.id);
      ++result.no_subscription;
    }
    detail::release(to);
  }
  return result;
}

}  // namespace detail
}  // namespace busway
