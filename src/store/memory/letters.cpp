#include "store/memory/letters.hpp"

#include <algorithm>

#include "busway/limits.hpp"

namespace busway::store_detail {
namespace {

bool letter_fits(const MemoryLetters::Letter& letter, const StoredLetterQuery& query,
                 const MemoryLog& log) {
  const StoredLetter::Death& last = letter.history.back();
  if (!query.durable.empty() && query.durable != letter.durable) return false;
  if (query.since && last.time < *query.since) return false;
  if (query.until && last.time >= *query.until) return false;
  if (query.code && last.code != *query.code) return false;
  if (query.patterns.empty()) return true;
  const MemoryLog::Entry* const entry = log.find(letter.sequence);
  return entry != nullptr &&
         std::any_of(query.patterns.begin(), query.patterns.end(),
                     [&](const Pattern& one) { return one.matches(entry->event.topic()); });
}

}  // namespace

void MemoryLetters::bury(std::string_view durable, std::uint64_t sequence,
                         StoredLetter::Death death) {
  const auto [known, fresh] = ids_.try_emplace({sequence, std::string(durable)}, last_id_ + 1);
  if (fresh) ++last_id_;
  Letter& letter = letters_[known->second];
  letter.durable = durable;
  letter.sequence = sequence;
  letter.redriving = false;
  if (letter.history.size() == limits::kDeathsMax) letter.history.erase(letter.history.begin());
  letter.history.push_back(std::move(death));
}

void MemoryLetters::forget(std::string_view durable, std::uint64_t sequence) {
  const auto known = ids_.find(Key{sequence, durable});
  if (known == ids_.end()) return;
  letters_.erase(known->second);
  ids_.erase(known);
}

void MemoryLetters::forget_all_of(std::string_view durable) {
  std::erase_if(ids_, [&](const auto& one) { return one.first.second == durable; });
  std::erase_if(letters_, [&](const auto& one) { return one.second.durable == durable; });
}

std::vector<std::uint64_t> MemoryLetters::select(const StoredLetterQuery& query,
                                                 const MemoryLog& log, Which which) const {
  std::vector<std::uint64_t> ids;
  for (auto at = letters_.upper_bound(query.after); at != letters_.end(); ++at) {
    if (query.limit != 0 && ids.size() == query.limit) break;
    if (query.id && *query.id != at->first) continue;
    if (which == Which::at_rest && at->second.redriving) continue;
    if (letter_fits(at->second, query, log)) ids.push_back(at->first);
  }
  return ids;
}

const MemoryLetters::Letter* MemoryLetters::find(std::string_view durable,
                                                 std::uint64_t sequence) const {
  const auto known = ids_.find(Key{sequence, durable});
  return known == ids_.end() ? nullptr : &letters_.at(known->second);
}

MemoryLetters::Letter* MemoryLetters::find(std::string_view durable, std::uint64_t sequence) {
  const auto known = ids_.find(Key{sequence, durable});
  return known == ids_.end() ? nullptr : &letters_.at(known->second);
}

void MemoryLetters::erase(std::uint64_t id) {
  const auto known = letters_.find(id);
  if (known == letters_.end()) return;
  ids_.erase(ids_.find(Key{known->second.sequence, known->second.durable}));
  letters_.erase(known);
}

std::size_t MemoryLetters::count_of(std::string_view durable) const {
  return static_cast<std::size_t>(
      std::count_if(letters_.begin(), letters_.end(),
                    [&](const auto& one) { return one.second.durable == durable; }));
}

void MemoryLetters::add_sequences(std::vector<std::uint64_t>& held) const {
  for (const auto& [id, letter] : letters_) held.push_back(letter.sequence);
}

}  // namespace busway::store_detail
