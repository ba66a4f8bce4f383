// store/memory/state.hpp -- all of one memory store, and the mutex that guards it.
// Layer: store
//
// Model      Shared by the store and its consumers, so that either may go first.
// Threads    What is below the mutex is read and written with it held. Nothing is called back with
//            it held.
// Ownership  Owns log, letters and names.
// Errors     check_open() throws Error(stopped).
// Cost       trim() looks at all that is kept; tidy() calls it so seldom that an append pays for a
//            few entries.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "busway/store.hpp"
#include "busway/store_provider.hpp"
#include "busway/store_watches.hpp"
#include "match/pattern_index.hpp"
#include "store/memory/durable.hpp"
#include "store/memory/letters.hpp"
#include "store/memory/log.hpp"

namespace busway::store_detail {

struct MemoryState {
  explicit MemoryState(const StoreOptions& given);

  using Name = std::shared_ptr<MemoryDurable>;

  [[nodiscard]] WallTime now() const noexcept { return options.clock->wall(); }

  // -- With the mutex held ------------------------------------------------------------------------

  void check_open() const;
  void add(const Name& name);
  void index(MemoryDurable& name);
  void drop(std::string_view name);
  [[nodiscard]] StoredStatus status_of(const MemoryLog::Entry& entry);
  /// The events that go are put into `gone`, to end when the mutex is not held.
  TrimResult trim(const Retention& retention, std::vector<Event>& gone);
  /// Forgets names that nobody has opened for durable_expiry; returns them.
  std::vector<std::string> expire();
  /// What a store does by itself now and then; returns the names it has forgotten.
  std::vector<std::string> tidy(std::vector<Event>& gone);

  StoreOptions options;
  const std::uint64_t writer;
  StoreWatches watches;

  std::mutex mutex;
  bool closed = false;
  MemoryLog log;
  MemoryLetters letters;
  std::map<std::string, Name, std::less<>> names;
  StoreStats counts;  // of those that only grow
  std::uint64_t last_token = 0;

 private:
  [[nodiscard]] std::vector<MemoryDurable*> matching(std::string_view topic) const;
  [[nodiscard]] std::vector<std::size_t> beyond(const Retention& retention) const;

  PatternIndex patterns_;  // of all names; the values are their addresses
  std::map<const MemoryDurable*, std::vector<PatternIndex::Handle>> handles_;
  std::uint64_t tidied_at_ = 0;  // the last sequence then
};

}  // namespace busway::store_detail
