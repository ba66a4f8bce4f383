#include "match/string_filter.hpp"

#include <algorithm>
#include <bit>
#include <utility>

#include "match/hashing.hpp"

namespace busway::match_detail {
namespace {

constexpr std::array<std::uint8_t, 10> kLengths = {1, 2, 3, 4, 6, 8, 12, 16, 24, 40};
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

// Short keys are commoner than they were seen to be so far; in powers of two.
std::uint32_t commonness(std::size_t length) noexcept {
  return length >= 5 ? 0 : length >= 3 ? 2 : length == 2 ? 4 : 6;
}

}  // namespace

// Calls visit(tag, use, length) for each key of a string that may begin and end with a mark. Of the
// lengths of a beginning or end, all that fit.
template <typename Visit>
void StringFilter::for_each_key(std::string_view string, Visit visit) {
  const Salts& salt = salts();
  const bool at_begin = string.front() == kTextBegin;
  const bool at_end = string.back() == kTextEnd;
  if (at_begin && at_end) visit(text_tag(string, salt.word), kWord, string.size());
  for (std::size_t i = 0; i < kLengths.size() && kLengths[i] < string.size(); ++i) {
    const std::size_t length = kLengths[i];
    if (at_begin) visit(text_tag(string.substr(1, length), salt.begin), kBegin << i, length);
    if (at_end) {
      const std::string_view bytes = string.substr(string.size() - 1 - length, length);
      visit(text_tag(bytes, salt.end), kEnd << i, length);
    }
  }
  for (std::size_t i = 0; i + 3 <= string.size(); ++i) {
    const std::uint64_t three = load_bytes(string.data() + i, 3);
    visit(gram_tag(three, salt.three), kThree, std::size_t{3});
    if (i + 5 > string.size()) continue;
    const std::uint64_t five = load_bytes(string.data() + i, 5);
    visit(gram_tag(five, salt.five), kFive, std::size_t{5});
  }
}

// The rarest key of a string; of equally rare ones the longest. A whole word is always best.
StringFilter::Choice StringFilter::choose(std::string_view string) const noexcept {
  Choice best;
  std::size_t best_length = 0;
  for_each_key(string, [&](Tag tag, std::uint32_t use, std::size_t length) {
    const std::uint64_t seen = use == kWord ? 0 : frequencies_.seen(tag);
    const std::uint64_t cost = (seen + 1) << commonness(length);
    if (cost > best.cost || (cost == best.cost && length <= best_length)) return;
    best = {tag, use, cost};
    best_length = length;
  });
  return best;
}

void StringFilter::observe(std::string_view marked_topic) noexcept {
  for_each_key(marked_topic,
               [this](Tag tag, std::uint32_t, std::size_t) { frequencies_.count(tag); });
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
  for (const Strings& clause : clauses) {
    for (const std::string& string : clause) observe(string);
  }
  return filing;
}

void StringFilter::remove(const Filing& filing, Id id) noexcept {
  for (const Tag tag : filing) erase(tag, id);
  if (table_.size() == 0) uses_ = 0;
}

// Room for twice the keys there are, at 32 bits each, so that few keys share a bit.
void StringFilter::Presence::renew(const TagTable& table) {
  const std::size_t words = std::bit_ceil(table.size() + 16);
  std::vector<std::uint64_t> fresh(words);
  words_.swap(fresh);
  added_ = 0;
  table.for_each([this](Tag tag, TagTable::Value) { add(tag); });
}

std::size_t StringFilter::Presence::keep(Tag* tags, std::size_t count) const noexcept {
  const std::uint64_t* const words = words_.data();
  const std::size_t mask = words_.size() - 1;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const Tag tag = tags[i];
    tags[kept] = tag;
    kept += words[(tag / 64) & mask] >> (tag % 64) & 1U;
  }
  return kept;
}

void StringFilter::insert(Tag tag, Id id) {
  const TagTable::Value value = table_.find(tag);
  if (value == TagTable::kNoValue) {
    if (present_.is_crowded()) present_.renew(table_);
    table_.insert(tag, id);
    present_.add(tag);
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

// All tags are computed first and then sieved, each in a loop without branches.
void StringFilter::collect(std::string_view marked, Probes& probes) const noexcept {
  const Salts salt = salts();
  const std::string_view topic = marked.substr(1, marked.size() - 2);
  Tag* const first = probes.tags.data();
  Tag* to = first;
  if ((uses_ & kWord) != 0) *to++ = text_tag(marked, salt.word);
  for (std::size_t i = 0; i < kLengths.size() && kLengths[i] <= topic.size(); ++i) {
    const std::size_t length = kLengths[i];
    if ((uses_ & (kBegin << i)) != 0) *to++ = text_tag(topic.substr(0, length), salt.begin);
    if ((uses_ & (kEnd << i)) != 0) {
      *to++ = text_tag(topic.substr(topic.size() - length), salt.end);
    }
  }
  const auto add_grams = [&](std::size_t size, std::uint64_t mask, std::uint64_t gram_salt) {
    for (std::size_t i = 0; i + size <= marked.size(); ++i) {
      *to++ = gram_tag(load_word(marked.data() + i) & mask, gram_salt);
    }
  };
  if ((uses_ & kFive) != 0) add_grams(5, kFiveBytes, salt.five);
  if ((uses_ & kThree) != 0) add_grams(3, kThreeBytes, salt.three);
  probes.count = present_.keep(first, static_cast<std::size_t>(to - first));
  if (table_.size() < kPrefetchFrom) return;
  for (std::size_t i = 0; i < probes.count; ++i) table_.prefetch(probes.tags[i]);
}

}  // namespace busway::match_detail
