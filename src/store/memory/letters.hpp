// store/memory/letters.hpp -- the dead letters of a memory store.
// Layer: store
//
// Model      One letter for each delivery that was given up; ids grow and are never used again.
// Threads    [not-concurrent]; guarded by the store's mutex.
// Ownership  Owns the letters; their events stay in the log, which keeps them.
// Errors     None but std::bad_alloc.
// Cost       A query looks at every letter from its `after` on.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "busway/stored_letter.hpp"
#include "store/memory/log.hpp"

namespace busway::store_detail {

class MemoryLetters {
 public:
  /// Without its event, which is the log's.
  struct Letter {
    std::string durable;
    std::uint64_t sequence = 0;
    std::vector<StoredLetter::Death> history;
    bool redriving = false;
  };
  enum class Which : unsigned char { all, at_rest };

  void bury(std::string_view durable, std::uint64_t sequence, StoredLetter::Death death);
  /// The delivery has ended well: its letter, if there is one, is no more.
  void forget(std::string_view durable, std::uint64_t sequence);
  void forget_all_of(std::string_view durable);

  [[nodiscard]] std::vector<std::uint64_t> select(const StoredLetterQuery& query,
                                                  const MemoryLog& log, Which which) const;
  [[nodiscard]] Letter& at(std::uint64_t id) { return letters_.at(id); }
  [[nodiscard]] const Letter* find(std::string_view durable, std::uint64_t sequence) const;
  [[nodiscard]] Letter* find(std::string_view durable, std::uint64_t sequence);
  void erase(std::uint64_t id);

  [[nodiscard]] std::size_t size() const noexcept { return letters_.size(); }
  [[nodiscard]] std::size_t count_of(std::string_view durable) const;
  void add_sequences(std::vector<std::uint64_t>& held) const;

 private:
  std::map<std::uint64_t, Letter> letters_;
  /// By sequence and name; looked up by a view of the name.
  struct ByDelivery {
    using is_transparent = void;
    template <class A, class B>
    bool operator()(const A& a, const B& b) const noexcept {
      if (a.first != b.first) return a.first < b.first;
      return std::string_view(a.second) < std::string_view(b.second);
    }
  };
  using Key = std::pair<std::uint64_t, std::string_view>;
  std::map<std::pair<std::uint64_t, std::string>, std::uint64_t, ByDelivery> ids_;
  std::uint64_t last_id_ = 0;
};

}  // namespace busway::store_detail
