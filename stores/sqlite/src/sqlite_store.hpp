// sqlite_store.hpp -- the store in one SQLite file: what its files share.
// Layer: store
//
// Model      sqlite_store.cpp opens, listens and closes; log.cpp reads events; names.cpp has the
//            durable names and their letters; counting.cpp counts; house.cpp keeps house.
// Threads    [any-thread]; committed() on the writer's turn, listen() and what it calls on a thread
//            of its own.
// Ownership  Owns the core, which consumers share, and the listener's thread.
// Errors     As Store.
// Cost       One thread, ten looks a second.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "busway/store.hpp"
#include "core.hpp"
#include "doorbell.hpp"

namespace busway::sqlite {

/// How often it is written that a name is in use, at least.
inline constexpr std::int64_t kSayInUseEvery = 600'000'000'000;
/// Appends after which the retention is looked at; more where much has to be looked at, so that no
/// append pays for more than a few looks.
inline constexpr std::uint64_t kTrimEvery = 256;

class SqliteStore final : public Store {
 public:
  SqliteStore(const std::string& path, const StoreOptions& options, std::uint64_t opening,
              Durability durability);
  /// For reading only.
  SqliteStore(const std::string& path, const StoreOptions& options, Database::Access access);
  SqliteStore(const SqliteStore&) = delete;
  SqliteStore& operator=(const SqliteStore&) = delete;
  ~SqliteStore() override { SqliteStore::close(); }

  [[nodiscard]] StoreInfo info() const override;
  [[nodiscard]] StoreFeatures features() const noexcept override {
    return {.persistent = true,
            .shared = true,
            .atomic_batch = false,
            .dedupe_always = true,
            .ordered_log = true,
            .query = true,
            .trim = true,
            .backup = true,
            .check = true,
            .vacuum = true,
            .presence = true};
  }
  [[nodiscard]] StoreStats stats() override;
  [[nodiscard]] StoreCensus census() override;
  [[nodiscard]] std::uint64_t writer() const noexcept override { return opening_; }

  using Store::append;
  void append(AppendRequest& request) noexcept override;
  void append(std::span<const Event> events, std::span<AppendResult> results) noexcept override;
  [[nodiscard]] StorePage read(const StoreQuery& query) override;
  [[nodiscard]] std::optional<StoredEvent> find(const EventId& id) override;
  [[nodiscard]] std::optional<StoredStatus> status(const EventId& id) override;
  [[nodiscard]] Watch watch(std::function<void(StoreNews)> news) override {
    core_->require_open();
    return core_->watches.add(std::move(news));
  }

  [[nodiscard]] std::unique_ptr<StoreConsumer> open(const DurableSpec& spec) override;
  bool remove(std::string_view durable) override;
  [[nodiscard]] std::vector<DurableInfo> durables() override;
  std::size_t replay(std::string_view durable, std::span<const std::uint64_t> sequences) override;
  [[nodiscard]] std::vector<StoredLetter> dead_letters(const StoredLetterQuery& query) override;
  std::size_t redrive(const StoredLetterQuery& query) override;
  std::size_t purge(const StoredLetterQuery& query) override;

  TrimResult trim(const Retention& retention) override;
  [[nodiscard]] std::vector<std::string> check() override;
  void backup(const std::string& path) override;
  void vacuum() override;
  void close() noexcept override;

 private:
  /// No value: there is none, or it is damaged.
  [[nodiscard]] std::optional<EventRow> row_of(const EventId& id);
  void listen();
  void keep_house();
  void say_in_use();
  void forget_names();
  void bury_the_dead(DurableTables& tables);
  void look_for_hidden();
  void take_back_strays();
  void refresh_openings();
  void committed();
  void give_all_back();
  [[nodiscard]] std::uint64_t start_of(const DurableSpec& spec, std::uint64_t last);
  /// The first event that was appended at this time or later, as far as clocks went forward.
  [[nodiscard]] static std::uint64_t first_appended(Reader& reader, std::int64_t time);
  /// What openings here have looked at and passed by; in the file it is a while later.
  using Seen = std::unordered_map<DurableNumber, std::uint64_t>;
  [[nodiscard]] Seen seen_here() const;
  [[nodiscard]] std::vector<DurableInfo> durables_of(Reader& reader, const Seen& seen) const;
  [[nodiscard]] StoreStats stats_of(Reader& reader) const;
  [[nodiscard]] static std::vector<DurableCount> counts_of(Reader& reader,
                                                           std::vector<DurableInfo> infos);
  /// Of `behind` events beyond its cursor, the first of which is `first`.
  [[nodiscard]] static DurableCount count_of(Reader& reader, const DurableInfo& info,
                                             std::uint64_t behind, std::uint64_t first);
  /// One at a time, so that no more than one is in memory for whoever keeps none.
  using UseLetter = std::function<void(DurableNumber, StoredLetter&)>;
  void each_letter(const StoredLetterQuery& query, const UseLetter& use);
  /// False: some are of no name.
  [[nodiscard]] bool each_letter_of(Reader& reader, const StoredLetterQuery& query,
                                    const UseLetter& use) const;
  /// Letters that are not under way, each in the transaction; returns how many.
  std::size_t for_each_at_rest(
      const StoredLetterQuery& query,
      const std::function<void(Transaction&, DurableNumber, ExceptionRow&)>& use);
  [[nodiscard]] std::uint64_t beyond(Reader& reader, const Retention& retention) const;
  struct Trimmed {
    std::uint64_t to = 0;
    std::uint64_t looked = 0;
    std::uint64_t removed = 0;
    bool more = false;
  };
  [[nodiscard]] Trimmed trim_once(std::uint64_t from, std::uint64_t up_to);
  void trim_some();
  void tell_held(std::uint64_t held);
  [[nodiscard]] std::string what_is_held() const;

  const std::shared_ptr<Core> core_;
  const std::uint64_t opening_;
  const WallTime opened_;
  Doorbell doorbell_;
  std::mutex mutex_;
  // Guarded by mutex_.
  std::vector<std::uint64_t> openings_;  // others
  std::int64_t say_in_use_every_ = kSayInUseEvery;
  std::uint64_t appended_at_house_ = 0;  // of whoever writes
  // Of the listener.
  std::int64_t said_in_use_ = 0;
  int houses_ = 0;
  std::uint64_t trimmed_to_ = 0;        // where the next look for what can be removed begins
  std::uint64_t holding_ = 0;           // what was found since the beginning that must stay
  std::atomic<std::uint64_t> held_{0};  // the same of the last round that was whole
  struct Expired {
    std::int64_t opened = 0;
    int looks = 0;
  };
  std::map<DurableNumber, Expired> expired_;
  std::atomic<std::uint64_t> trim_after_{kTrimEvery};  // appends
  std::atomic<bool> house_wanted_{false};
  std::atomic<bool> ending_{false};
  std::atomic<std::thread::id> listening_{};  // who listens
  std::mutex close_mutex_;
  bool over_ = false;  // guarded by close_mutex_
  std::thread listener_;
};

}  // namespace busway::sqlite
