#include "match/match_stamps.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "match/condition.hpp"
#include "match/hashing.hpp"
#include "match/segments.hpp"

namespace busway {
namespace {

using match_detail::Clauses;
using match_detail::fold;
using match_detail::kTextBegin;
using match_detail::kTextEnd;
using match_detail::Strings;

constexpr char kFrontEnds[] = {fold('.'), kTextEnd, '\0'};
constexpr char kBackEnds[] = {fold('.'), kTextBegin, '\0'};

enum class Side : unsigned char { front, back };

// Words are hashed folded, because the conditions of patterns are.
class WordHash {
 public:
  void add(char c) noexcept {
    hash_ = (hash_ ^ static_cast<unsigned char>(fold(c))) * 0x100000001B3;
  }
  [[nodiscard]] std::uint64_t value() const noexcept { return hash_; }

 private:
  std::uint64_t hash_ = 0xCBF29CE484222325;
};

std::uint64_t hash_of(std::string_view word) noexcept {
  WordHash hash;
  for (const char c : word) hash.add(c);
  return hash.value();
}

std::uint16_t counter_at(Side side, std::size_t place, std::uint64_t word_hash) noexcept {
  const std::uint64_t where = place * 2 + (side == Side::back ? 1 : 0);
  return static_cast<std::uint16_t>(match_detail::mix(word_hash, 0x9E3779B97F4A7C15 + 2 * where) %
                                    MatchStamps::kCounters);
}

// A literal word at a place that every match has.
struct Anchor {
  Side side = Side::front;
  std::size_t place = 0;
  std::string word;
};

// The longest word tells most; of equal ones the later, which more topics differ in.
void take_if_better(std::optional<Anchor>& best, Side side, std::size_t place,
                    std::string_view word) {
  if (word.empty() || place >= MatchStamps::kWordsMax) return;
  if (!best || word.size() >= best->word.size()) best = Anchor{side, place, std::string(word)};
}

std::optional<Anchor> anchor_of_segments(std::string_view pattern) {
  std::optional<Anchor> best;
  if (pattern == "*") return best;
  std::size_t words = 1 + static_cast<std::size_t>(std::count(pattern.begin(), pattern.end(), '.'));
  const bool tail = pattern.size() >= 2 && pattern.substr(pattern.size() - 2) == "**";
  std::size_t place = 0;
  for (match_detail::Word at = match_detail::cut_word(pattern);;
       at = match_detail::cut_word(at.rest)) {
    if (at.word.front() != '*') {
      take_if_better(best, Side::front, place, at.word);
      if (!tail) take_if_better(best, Side::back, words - 1 - place, at.word);
    }
    if (!at.more) return best;
    ++place;
  }
}

// The whole words that a string shows from one end: "<a.bc.d" has a and bc at the front, not d.
std::vector<std::string_view> whole_words(std::string_view string, Side side) {
  std::vector<std::string_view> words;
  if (side == Side::front) {
    string.remove_prefix(1);
    while (words.size() < MatchStamps::kWordsMax) {
      const std::size_t end = string.find_first_of(kFrontEnds);
      if (end == std::string_view::npos) break;
      words.push_back(string.substr(0, end));
      if (string[end] == kTextEnd) break;
      string.remove_prefix(end + 1);
    }
  } else {
    string.remove_suffix(1);
    while (words.size() < MatchStamps::kWordsMax) {
      const std::size_t begin = string.find_last_of(kBackEnds);
      if (begin == std::string_view::npos) break;
      words.push_back(string.substr(begin + 1));
      if (string[begin] == kTextBegin) break;
      string.remove_suffix(string.size() - begin);
    }
  }
  return words;
}

// Words at which all strings of a clause agree, when all of them begin (or end) where the topic
// does.
void take_from_clause(std::optional<Anchor>& best, const Strings& clause, Side side) {
  const bool anchored =
      std::all_of(clause.begin(), clause.end(), [side](const std::string& string) {
        return side == Side::front ? string.front() == kTextBegin : string.back() == kTextEnd;
      });
  if (!anchored) return;
  std::vector<std::string_view> common = whole_words(clause.front(), side);
  for (const std::string& string : clause) {
    const std::vector<std::string_view> words = whole_words(string, side);
    common.resize(std::min(common.size(), words.size()));
    for (std::size_t i = 0; i < common.size(); ++i) {
      if (common[i] != words[i]) common[i] = {};
    }
  }
  for (std::size_t i = 0; i < common.size(); ++i) take_if_better(best, side, i, common[i]);
}

std::optional<Anchor> anchor_of(const Pattern& pattern) {
  if (pattern.kind() == PatternKind::segments) return anchor_of_segments(pattern.text());
  const Clauses clauses = match_detail::condition_of(pattern);
  std::optional<Anchor> best;
  for (const Strings& clause : clauses) {
    take_from_clause(best, clause, Side::front);
    take_from_clause(best, clause, Side::back);
  }
  return best;
}

}  // namespace

std::size_t MatchStamps::counter_of(const Pattern& pattern) {
  const std::optional<Anchor> anchor = anchor_of(pattern);
  return anchor ? counter_at(anchor->side, anchor->place, hash_of(anchor->word)) : kCounters;
}

void MatchStamps::bump(const Pattern& pattern) {
  std::size_t bumped = kCounters;
  try {
    bumped = counter_of(pattern);
  } catch (...) {
    counter(kCounters).fetch_add(1, std::memory_order_acq_rel);
    throw;
  }
  counter(bumped).fetch_add(1, std::memory_order_acq_rel);
}

MatchStamps::Keys MatchStamps::keys_of(std::string_view topic) noexcept {
  // A ring of the last words' hashes, because the place from the back is known at the end only.
  std::array<std::uint64_t, kWordsMax> last{};
  std::size_t words = 0;
  Keys keys;
  const auto end_word = [&](const WordHash& hash) {
    if (words < kWordsMax)
      keys.counters[keys.count++] = counter_at(Side::front, words, hash.value());
    last[words++ % kWordsMax] = hash.value();
  };
  WordHash hash;
  for (const char c : topic) {
    if (fold(c) == fold('.')) {
      end_word(hash);
      hash = {};
    } else {
      hash.add(c);
    }
  }
  end_word(hash);
  for (std::size_t place = 0; place < std::min(words, kWordsMax); ++place) {
    const std::uint64_t word_hash = last[(words - 1 - place) % kWordsMax];
    keys.counters[keys.count++] = counter_at(Side::back, place, word_hash);
  }
  return keys;
}

}  // namespace busway
