// match/string_filter.hpp -- files patterns under strings that their matches must hold.
// Layer: match
//
// Model      A pattern with clauses (condition.hpp) is filed under one clause: under one key for
//            each string of it. Keys are a whole word (topic), a beginning or end of one of a few
//            lengths, or five or three bytes anywhere. Of all clauses and keys that one is taken
//            which is rarest in what was added and observed so far: few topics have it, and few
//            patterns stand there. A look-up probes each key that the marked topic holds.
// Threads    [not-concurrent]; const functions may run side by side.
// Ownership  Values only.
// Errors     std::bad_alloc from add() leaves the filter as it was.
// Cost       A look-up takes a bit test for each byte of the topic, and the candidates found.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "busway/topic_name.hpp"
#include "match/chunked_array.hpp"
#include "match/condition.hpp"
#include "match/frequency_sketch.hpp"
#include "match/tag_table.hpp"

namespace busway::match_detail {

class StringFilter {
 public:
  using Id = std::uint32_t;  // below 2^31
  using Tag = TagTable::Tag;

  /// The keys that a pattern is filed under.
  struct Filing {
    std::uint32_t count = 0;  // 0: no clause could be used
    Tag one = 0;
    std::unique_ptr<Tag[]> many;  // if there is more than one

    [[nodiscard]] const Tag* begin() const noexcept { return many ? many.get() : &one; }
    [[nodiscard]] const Tag* end() const noexcept { return begin() + count; }
  };

  [[nodiscard]] Filing add(const Clauses& clauses, Id id);
  void remove(const Filing& filing, Id id) noexcept;

  /// Counts the keys of a marked topic, to learn which are common.
  void observe(std::string_view marked_topic) noexcept;

  [[nodiscard]] bool empty() const noexcept { return table_.size() == 0; }

  /// Those keys of a marked topic of at most kTopicBytesMax bytes that may be in use.
  struct Probes {
    static constexpr std::size_t kProbesMax = 2 * kTopicBytesMax + 64;
    std::array<Tag, kProbesMax> tags;
    std::size_t count = 0;
  };
  /// kReadBehind bytes behind the topic must be readable; they do not matter.
  static constexpr std::size_t kReadBehind = 8;
  void collect(std::string_view marked_topic, Probes& probes) const noexcept;

  /// Calls visit(id) for all ids filed under the keys, for some more than once.
  template <typename Visit>
  void find(const Probes& probes, Visit visit) const {
    for (std::size_t i = 0; i < probes.count; ++i) {
      const TagTable::Value value = table_.find(probes.tags[i]);
      if (value == TagTable::kNoValue) continue;
      if ((value & kIsList) == 0) {
        visit(value);
      } else {
        for (const Id id : lists_[value & ~kIsList]) visit(id);
      }
    }
  }

 private:
  static constexpr TagTable::Value kIsList = 0x80000000;
  static constexpr std::size_t kLoadPercentMax = 50;  // most probes miss

  // One bit for each key in use, and for keys in use since the last renewal: most keys of a topic
  // are in no pattern, and are told apart here without touching the table.
  class Presence {
   public:
    Presence() : words_(16) {}
    void add(Tag tag) noexcept {
      words_[place_of(tag)] |= std::uint64_t{1} << (tag % 64);
      ++added_;
    }
    /// Whether renew() is due, which bounds stale and shared bits.
    [[nodiscard]] bool is_crowded() const noexcept { return added_ * 16 > words_.size() * 64; }
    void renew(const TagTable& table);
    /// Keeps those tags that may be in use; returns how many.
    std::size_t keep(Tag* tags, std::size_t count) const noexcept;

   private:
    [[nodiscard]] std::size_t place_of(Tag tag) const noexcept {
      return (tag / 64) & (words_.size() - 1);
    }

    std::vector<std::uint64_t> words_;
    std::size_t added_ = 0;
  };

  struct Choice {
    Tag tag = 0;
    std::uint32_t use = 0;  // the bit of uses_ that makes look-ups probe this key
    std::uint64_t cost = UINT64_MAX;
  };

  [[nodiscard]] Choice choose(std::string_view string) const noexcept;
  template <typename Visit>
  static void for_each_key(std::string_view string, Visit visit);
  void insert(Tag tag, Id id);
  void erase(Tag tag, Id id) noexcept;

  FrequencySketch frequencies_;
  Presence present_;
  TagTable table_{kLoadPercentMax};  // an id, or the place of a list with kIsList set
  ChunkedArray<std::vector<Id>, 256> lists_;
  std::vector<std::uint32_t> free_lists_;  // never grows beyond lists_.size(), reserved with it
  std::uint32_t uses_ = 0;                 // which keys were used since the filter was empty
};

}  // namespace busway::match_detail
