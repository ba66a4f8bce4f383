#include "bus/dead_letter_box.hpp"

#include <utility>

#include "busway/pattern.hpp"

namespace busway::detail {
namespace {

/// What a query asks, with its pattern read once.
class Wanted {
 public:
  explicit Wanted(const DeadLetterQuery& query) : query_(query) {
    if (!query.pattern.empty()) pattern_ = Pattern::parse(query.pattern);
  }
  [[nodiscard]] bool operator()(const DeadLetter& letter) const {
    return (!pattern_ || pattern_->matches(letter.event.topic())) &&
           (query_.name.empty() || letter.name == query_.name) &&
           (query_.owner.empty() || letter.owner == query_.owner);
  }
  [[nodiscard]] bool enough(std::size_t found) const noexcept {
    return query_.limit != 0 && found >= query_.limit;
  }

 private:
  const DeadLetterQuery& query_;
  std::optional<Pattern> pattern_;
};

}  // namespace

bool DeadLetterBox::add(DeadLetter letter) {
  DeadLetter oldest;  // destroyed without the lock
  const std::lock_guard lock(mutex_);
  letter.id = next_++;
  if (capacity_ == 0) {
    ++fallen_out_;
    oldest = std::move(letter);
    return true;
  }
  bool fell = false;
  if (letters_.size() >= capacity_) {
    oldest = std::move(letters_.begin()->second);
    letters_.erase(letters_.begin());
    ++fallen_out_;
    fell = true;
  }
  letters_.emplace_hint(letters_.end(), letter.id, std::move(letter));
  return fell;
}

void DeadLetterBox::delivered(DeadLetterId id) { (void)purge(id, Redriving::goes); }

bool DeadLetterBox::died_again(DeadLetterId id, DeadLetter::Death death) {
  const std::lock_guard lock(mutex_);
  const auto place = letters_.find(id);
  if (place == letters_.end()) return false;
  DeadLetter& letter = place->second;
  letter.redriving = false;
  if (letter.history.size() == kHistoryMax) letter.history.erase(letter.history.begin());
  letter.history.push_back(std::move(death));
  return true;
}

void DeadLetterBox::unmark(DeadLetterId id) {
  const std::lock_guard lock(mutex_);
  const auto place = letters_.find(id);
  if (place != letters_.end()) place->second.redriving = false;
}

std::vector<DeadLetter> DeadLetterBox::list(const DeadLetterQuery& query) const {
  const Wanted wanted(query);
  std::vector<DeadLetter> out;
  const std::lock_guard lock(mutex_);
  for (const auto& [id, letter] : letters_) {
    if (wanted.enough(out.size())) break;
    if (wanted(letter)) out.push_back(letter);
  }
  return out;
}

std::optional<DeadLetter> DeadLetterBox::get(DeadLetterId id) const {
  const std::lock_guard lock(mutex_);
  const auto place = letters_.find(id);
  if (place == letters_.end()) return std::nullopt;
  return place->second;
}

bool DeadLetterBox::mark(DeadLetterId id) {
  const std::lock_guard lock(mutex_);
  const auto place = letters_.find(id);
  if (place == letters_.end() || place->second.redriving) return false;
  place->second.redriving = true;
  return true;
}

std::size_t DeadLetterBox::purge(DeadLetterId id, Redriving redriving) {
  DeadLetter gone;
  const std::lock_guard lock(mutex_);
  const auto place = letters_.find(id);
  if (place == letters_.end() || (place->second.redriving && redriving == Redriving::stays))
    return 0;
  gone = std::move(place->second);
  letters_.erase(place);
  return 1;
}

std::size_t DeadLetterBox::purge(DeadLetterId id) { return purge(id, Redriving::stays); }

std::size_t DeadLetterBox::purge(const DeadLetterQuery& query) {
  const Wanted wanted(query);
  std::vector<DeadLetter> gone;
  const std::lock_guard lock(mutex_);
  for (auto at = letters_.begin(); at != letters_.end() && !wanted.enough(gone.size());) {
    if (at->second.redriving || !wanted(at->second)) {
      ++at;
      continue;
    }
    gone.push_back(std::move(at->second));
    at = letters_.erase(at);
  }
  return gone.size();
}

std::size_t DeadLetterBox::size() const {
  const std::lock_guard lock(mutex_);
  return letters_.size();
}

std::uint64_t DeadLetterBox::fallen_out() const {
  const std::lock_guard lock(mutex_);
  return fallen_out_;
}

}  // namespace busway::detail
