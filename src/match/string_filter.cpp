#include "match/string_filter.hpp"

#include <algorithm>
#include <utility>

#include "match/hashing.hpp"

namespace busway::match_detail {
namespace {

constexpr TagTable::Value kIsList = 0x80000000;
constexpr std::array<std::uint8_t, 12> kLengths = {1, 2, 3, 4, 5, 6, 8, 12, 16, 24, 32, 48};
constexpr std::size_t kPrefetchFrom = 16384;  // smaller tables are in the cache anyway

using Tag = StringFilter::Tag;

// The bits of uses_: beginnings and ends by length, then the other keys.
constexpr std::uint32_t kBegin = 1;
constexpr std::uint32_t kEnd = kBegin << kLengths.size();
constexpr std::uint32_t kWord = kEnd << kLengths.size();
constexpr std::uint32_t kFive = kWord << 1U;
constexpr std::uint32_t kThree = kFive << 1U;

struct Salts {
  std::uint64_t word, begin, end, five, three;
};

const Salts& salts() {
  static const Salts salts = [] {
    const std::uint64_t seed = process_seed();
    const auto salt = [seed](std::uint64_t n) { return mix(seed + n, 0x9E3779B97F4A7C15) | 1U; };
    return Salts{salt(1), salt(2), salt(3), salt(4), salt(5)};
  }();
  return salts;
}

Tag text_tag(std::string_view bytes, std::uint64_t salt) noexcept {
  return static_cast<Tag>(hash_text(bytes, salt) >> 32U);
}

// Three or five bytes as a number, times an odd salt: the upper half depends on all of them.
Tag gram_tag(std::uint64_t bytes, std::uint64_t salt) noexcept {
  const std::uint64_t product = (bytes + 1) * salt;
  return static_cast<Tag>((product ^ (product << 23U)) >> 32U) ^ static_cast<Tag>(product >> 41U);
}

constexpr std::uint64_t kThreeBytes = 0xFFFFFF;
constexpr std::uint64_t kFiveBytes = 0xFFFFFFFFFF;

// How much a key lets through, in powers of two: a guess, long strings are rarer than short ones.
std::uint32_t commonness(std::size_t length) noexcept {
  return length >= 5 ? 1 : length >= 3 ? 3 : length == 2 ? 5 : 7;
}

}  // namespace

std::size_t StringFilter::load(Tag tag) const noexcept {
  const TagTable::Value value = table_.find(tag);
  if (value == TagTable::kNoValue) return 0;
  return (value & kIsList) != 0 ? lists_[value & ~kIsList].size() : 1;
}

void StringFilter::consider(Choice& best, Tag tag, std::uint32_t use,
                            std::uint32_t common) const noexcept {
  const std::uint64_t cost = (load(tag) + 1) << common;
  if (cost < best.cost) best = {tag, use, cost};
}

// The best key for a string that may begin and end with a mark.
StringFilter::Choice StringFilter::choose(std::string_view string) const noexcept {
  Choice best;
  const bool at_begin = string.front() == kTextBegin;
  const bool at_end = string.back() == kTextEnd;
  if (at_begin && at_end) {
    consider(best, text_tag(string, salts().word), kWord, 0);
    return best;
  }
  for (std::size_t i = kLengths.size(); i > 0; --i) {
    const std::size_t length = kLengths[i - 1];
    if (length + 1 > string.size()) continue;
    if (at_begin) {
      const std::string_view bytes = string.substr(1, length);
      consider(best, text_tag(bytes, salts().begin), kBegin << (i - 1), commonness(length));
      break;
    }
    if (at_end) {
      const std::string_view bytes = string.substr(string.size() - 1 - length, length);
      consider(best, text_tag(bytes, salts().end), kEnd << (i - 1), commonness(length));
      break;
    }
  }
  for (std::size_t i = 0; i + 5 <= string.size(); ++i) {
    const std::uint64_t bytes = load_bytes(string.data() + i, 5);
    consider(best, gram_tag(bytes, salts().five), kFive, commonness(5));
  }
  if (string.size() >= 5) return best;
  for (std::size_t i = 0; i + 3 <= string.size(); ++i) {
    const std::uint64_t bytes = load_bytes(string.data() + i, 3);
    consider(best, gram_tag(bytes, salts().three), kThree, commonness(3));
  }
  return best;
}

StringFilter::Filing StringFilter::add(const Clauses& clauses, Id id) {
  std::array<Choice, kLiteralsMax> best{};
  std::size_t best_count = 0;
  std::uint64_t best_cost = UINT64_MAX;
  for (const Strings& clause : clauses) {
    std::array<Choice, kLiteralsMax> choices{};
    std::size_t count = 0;
    std::uint64_t cost = 0;
    for (const std::string& string : clause) {
      const Choice choice = choose(string);
      if (choice.cost >= UINT64_MAX - cost) {
        cost = UINT64_MAX;
        break;
      }
      cost += choice.cost;
      choices[count++] = choice;
    }
    if (cost >= best_cost) continue;
    best = choices;
    best_count = count;
    best_cost = cost;
  }

  // Strings may share a key; the pattern stands under it once.
  std::array<Tag, kLiteralsMax> tags{};
  std::uint32_t uses = 0;
  for (std::size_t i = 0; i < best_count; ++i) {
    tags[i] = best[i].tag;
    uses |= best[i].use;
  }
  auto* const first = tags.data();
  std::sort(first, first + best_count);
  const auto count = static_cast<std::size_t>(std::unique(first, first + best_count) - first);

  Filing filing;
  if (count > 1) {
    filing.many = std::make_unique<Tag[]>(count);
    std::copy_n(first, count, filing.many.get());
  }
  filing.one = tags[0];
  for (; filing.count < count; ++filing.count) {
    try {
      insert(tags[filing.count], id);
    } catch (...) {
      remove(filing, id);
      throw;
    }
  }
  uses_ |= uses;
  return filing;
}

void StringFilter::remove(const Filing& filing, Id id) noexcept {
  for (const Tag tag : filing) erase(tag, id);
  if (table_.size() == 0) uses_ = 0;
}

void StringFilter::insert(Tag tag, Id id) {
  const TagTable::Value value = table_.find(tag);
  if (value == TagTable::kNoValue) {
    table_.insert(tag, id);
    return;
  }
  if ((value & kIsList) != 0) {
    lists_[value & ~kIsList].push_back(id);
    return;
  }
  if (free_lists_.empty()) {
    const std::uint32_t place = lists_.add();
    if (free_lists_.capacity() < lists_.size()) free_lists_.reserve(std::size_t{2} * lists_.size());
    free_lists_.push_back(place);
  }
  const std::uint32_t place = free_lists_.back();
  lists_[place].assign({value, id});
  free_lists_.pop_back();
  table_.replace(tag, value, place | kIsList);
}

void StringFilter::erase(Tag tag, Id id) noexcept {
  const TagTable::Value value = table_.find(tag);
  if ((value & kIsList) == 0) {
    table_.erase(tag, id);
    return;
  }
  const std::uint32_t place = value & ~kIsList;
  std::vector<Id>& list = lists_[place];
  *std::find(list.begin(), list.end(), id) = list.back();
  list.pop_back();
  if (list.size() > 1) return;
  table_.replace(tag, value, list.front());
  list = {};
  free_lists_.push_back(place);
}

void StringFilter::collect(std::string_view marked, Probes& probes) const noexcept {
  const Salts& salt = salts();
  const std::string_view topic = marked.substr(1, marked.size() - 2);
  const auto add = [&probes](Tag tag) { probes.tags[probes.count++] = tag; };
  if ((uses_ & kWord) != 0) add(text_tag(marked, salt.word));
  for (std::size_t i = 0; i < kLengths.size() && kLengths[i] <= topic.size(); ++i) {
    const std::size_t length = kLengths[i];
    if ((uses_ & (kBegin << i)) != 0) add(text_tag(topic.substr(0, length), salt.begin));
    if ((uses_ & (kEnd << i)) != 0) {
      add(text_tag(topic.substr(topic.size() - length), salt.end));
    }
  }
  if ((uses_ & (kFive | kThree)) != 0) {
    const bool fives = (uses_ & kFive) != 0;
    const bool threes = (uses_ & kThree) != 0;
    for (std::size_t i = 0; i + 3 <= marked.size(); ++i) {
      const std::size_t left = marked.size() - i;
      const std::uint64_t bytes =
          left >= 8 ? load_word(marked.data() + i) : load_bytes(marked.data() + i, left);
      if (threes) add(gram_tag(bytes & kThreeBytes, salt.three));
      if (fives && left >= 5) add(gram_tag(bytes & kFiveBytes, salt.five));
    }
  }
  if (table_.size() < kPrefetchFrom) return;
  for (std::size_t i = 0; i < probes.count; ++i) table_.prefetch(probes.tags[i]);
}

void StringFilter::find(const Probes& probes, std::vector<Id>& out) const {
  for (std::size_t i = 0; i < probes.count; ++i) {
    const TagTable::Value value = table_.find(probes.tags[i]);
    if (value == TagTable::kNoValue) continue;
    if ((value & kIsList) == 0) {
      out.push_back(value);
    } else {
      const std::vector<Id>& list = lists_[value & ~kIsList];
      out.insert(out.end(), list.begin(), list.end());
    }
  }
}

}  // namespace busway::match_detail
