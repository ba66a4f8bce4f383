// output_cache.hpp -- outputs of phases, as many and for as long as there is leave to keep them.
//
// Model      An entry is a text under a phase's name and a key. Beyond either bound of size the
//            entries that were asked for least recently go; one that is older than age_max is as if
//            it were not there. Keeping a key again renews it.
// Threads    [not-concurrent]
// Errors     None: an entry that alone is above bytes_max is not kept, and keep() says so.
// Cost       find() and keep(): a hash of the key. An entry counts with its texts and kOverhead.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "shared/rfc3339.hpp"

namespace cache {

using shared::WallTime;

struct CacheLimits {
  std::size_t entries_max = 1'000;
  std::size_t bytes_max = std::size_t{16} << 20U;
  std::chrono::nanoseconds age_max = std::chrono::hours(1);
};

struct CacheCounts {
  std::uint64_t hits = 0;
  std::uint64_t misses = 0;
  std::uint64_t kept = 0;
  std::uint64_t evicted = 0;  ///< for lack of room
  std::uint64_t expired = 0;
  std::uint64_t too_large = 0;
};

class OutputCache {
 public:
  /// What an entry costs beside its texts, about.
  static constexpr std::size_t kOverhead = 200;

  explicit OutputCache(CacheLimits limits = {}) : limits_(limits) {}
  OutputCache(const OutputCache&) = delete;
  OutputCache& operator=(const OutputCache&) = delete;

  /// The output, until the next call that changes something. A hit or a miss is counted.
  [[nodiscard]] std::optional<std::string_view> find(std::string_view phase, std::string_view key,
                                                     WallTime now);
  /// False when it is too large.
  bool keep(std::string_view phase, std::string_view key, std::string output, WallTime now);
  /// Lets go of what is too old.
  void sweep(WallTime now);
  /// Forgets the entries of a phase, or all; how many there were.
  std::size_t clear(std::optional<std::string_view> phase);

  [[nodiscard]] std::size_t entries() const noexcept { return by_use_.size(); }
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
  [[nodiscard]] const CacheLimits& limits() const noexcept { return limits_; }
  [[nodiscard]] const CacheCounts& counts() const noexcept { return counts_; }
  void set_counts(const CacheCounts& counts) noexcept { counts_ = counts; }

  struct Entry {
    std::string name;  // the size of the phase's name and ':', that name, the key
    std::size_t phase_begin = 0;
    std::size_t key_begin = 0;
    std::string output;
    WallTime kept_at{};

    [[nodiscard]] std::string_view phase() const {
      return std::string_view(name).substr(phase_begin, key_begin - phase_begin);
    }
    [[nodiscard]] std::string_view key() const { return std::string_view(name).substr(key_begin); }
    [[nodiscard]] std::size_t bytes() const noexcept {
      return name.size() + output.size() + kOverhead;
    }
  };
  /// Those that were asked for last come first; while `visit` says true.
  void for_each(const std::function<bool(const Entry&)>& visit) const;

 private:
  using Entries = std::list<Entry>;

  [[nodiscard]] static std::string name_of(std::string_view phase, std::string_view key);
  [[nodiscard]] bool too_old(const Entry& entry, WallTime now) const {
    return now - entry.kept_at > limits_.age_max;
  }
  Entries::iterator drop(Entries::iterator entry);

  CacheLimits limits_;
  CacheCounts counts_;
  Entries by_use_;                                                   // the last one asked for first
  std::unordered_map<std::string_view, Entries::iterator> by_name_;  // views of the entries' names
  std::size_t bytes_ = 0;
};

}  // namespace cache
