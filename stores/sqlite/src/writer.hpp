// writer.hpp -- all that is written goes through here: what is queued is taken into one
// transaction, again and again.
// Layer: store
//
// Model      One thread writes at a time. Whoever finds nobody writing and waits for the answer
//            anyway does it itself; what is queued meanwhile, and what nobody waits for, is done by
//            a thread of the writer's own. Large payloads are compressed, then: the gate, BEGIN
//            IMMEDIATE, all operations, COMMIT, a checkpoint when the log has grown, the gate open,
//            answers. What is too much for one transaction goes on in the next one, also within a
//            request, so that others have their turn between them. An operation that fails by
//            itself is taken out and the rest is done again, so that nobody fails for another. What
//            fails in COMMIT is `unknown` where the file may hold it.
// Threads    append(), call() [any-thread]; operations and answers on whichever thread writes.
// Ownership  Owns the connection that writes, and the gate.
// Errors     As answers. call() throws what its function threw, or Error(store_unavailable,
//            stopped).
// Cost       A transaction; with synchronous = FULL one fdatasync, shared by all in it.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "busway/append_request.hpp"
#include "busway/clock.hpp"
#include "busway/log.hpp"
#include "busway/store_provider.hpp"
#include "database.hpp"
#include "durable_tables.hpp"
#include "event_rows.hpp"
#include "own_files.hpp"
#include "time_blocks.hpp"
#include "write_gate.hpp"

namespace busway::sqlite {

/// A connection's statement that reads events, and what belongs to it.
struct EventScan {
  Statement& after;  // kAfter
  EventReader& events;
  DurableTables& tables;
};

/// What an operation has to do with.
struct Transaction {
  Database& database;
  DurableTables& durables;
  EventScan scan;
  std::int64_t now = 0;         ///< nanoseconds since the epoch
  std::size_t quiet_calls = 0;  ///< whose commit is no news to anybody
  std::optional<std::uint64_t> last = std::nullopt;

  /// That was given before this transaction. To be asked before events are removed.
  [[nodiscard]] std::uint64_t last_sequence() {
    if (!last) last = durables.numbers().last_sequence();
    return *last;
  }
};

class Writer {
 public:
  struct Settings {
    std::string path;
    std::uint64_t opening = 0;
    StoreOptions options;
    Durability durability = Durability::power_loss;
    FileIdentity identity;
    /// After each commit that is news, on this thread, with the gate open.
    std::function<void()> committed;
  };
  explicit Writer(Settings settings);
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
  ~Writer() { close(); }

  void append(AppendRequest& request) noexcept;
  /// The same for a request that the caller waits for: may be answered when this returns.
  void append_here(AppendRequest& request) noexcept;

  /// Runs the function in a transaction and waits until it is durable. The function may run more
  /// than once, each time from the beginning, and must not keep what a run before has done. What it
  /// throws as Error takes back what it did.
  enum class Patience : unsigned char {
    whole,
    little  ///< no wait for a gate that did not open in time when it was last asked for
  };
  void call(std::function<void(Transaction&)> function, Patience patience = Patience::whole);

  /// Answers all that is queued; then ends.
  void close() noexcept;

  /// As its connection says, not as it was asked for.
  [[nodiscard]] Durability durability() const noexcept { return durability_; }
  [[nodiscard]] std::int64_t synchronous() const noexcept { return synchronous_; }
  [[nodiscard]] std::uint64_t appended() const noexcept { return appended_; }
  [[nodiscard]] std::uint64_t duplicates() const noexcept { return duplicates_; }
  [[nodiscard]] std::uint64_t commits() const noexcept { return commits_; }
  /// The time of the last transaction, for whoever looks whether the clock was set back.
  [[nodiscard]] std::int64_t last_now() const noexcept { return last_now_; }
  /// The last sequence that this or, as far as was seen, another opening has given.
  [[nodiscard]] std::uint64_t last_sequence() const noexcept { return last_sequence_; }

 private:
  struct Call;
  struct Pending {
    AppendRequest* request = nullptr;
    std::size_t from = 0;  // events before it have their answer
    std::size_t to = 0;    // those before it are of this transaction
  };
  struct Batch {
    std::vector<Pending> appends;
    std::vector<Call*> calls;
    std::size_t requests = 1;  // there were, at the beginning
    [[nodiscard]] bool empty() const noexcept { return appends.empty() && calls.empty(); }
  };
  enum class Outcome : unsigned char {
    committed,
    failed,
    unknown,
    taken_back  // its only call has failed by itself
  };

  void read_settings();
  void enqueue(AppendRequest& request) noexcept;
  /// Payloads become JSON on the thread that appends. One that cannot has its answer from here on.
  static void write_out(const AppendRequest& request) noexcept;
  void run();
  [[nodiscard]] bool take(Batch& batch);
  /// Where several threads publish at a time, one that does it itself would have a commit for its
  /// event alone, while the others wait to share the next one.
  enum class Crowd : unsigned char { any, waits };
  /// True: this thread writes from now on, until stop_writing().
  [[nodiscard]] bool start_writing(Crowd crowd) noexcept;
  /// What is left goes on before all that is queued.
  void stop_writing(Batch& left) noexcept;
  /// Leaves in the batch what is for another transaction.
  void commit(Batch& batch);
  /// Says of each request which of its events are of this transaction, and packs those. Returns the
  /// requests of which none is.
  [[nodiscard]] Batch split(Batch& batch);
  void commit_part(Batch& batch);
  /// False: the only call of the batch failed by itself. Throws Fault with culprit set where one
  /// operation alone is to blame.
  [[nodiscard]] bool run_all(Batch& batch);
  void append_all(const Pending& pending);
  /// Leaves the request that was stored in part.
  void answer(Batch& batch, Outcome outcome, const std::string& why) noexcept;
  static void refuse(std::span<AppendResult> results, Appended answer,
                     const std::string& why) noexcept;
  void roll_back() noexcept;
  void checkpoint() noexcept;
  void fold_log() noexcept;
  [[nodiscard]] std::string sentence(const std::string& why) const;
  [[nodiscard]] std::chrono::nanoseconds patience_for(const Batch& batch) const;

  const Settings settings_;
  WriteGate gate_;
  Database database_;
  std::optional<OwnFiles> files_;  // from when all of them are there
  Statement begin_;
  Statement commit_;
  Statement savepoint_;
  Statement back_to_savepoint_;
  Statement release_;
  Statement is_set_aside_;
  EventWriter events_;
  DurableTables durables_;
  EventReader reader_;
  Statement after_;
  TimeBlocks times_;
  Durability durability_ = Durability::process_crash;
  std::int64_t synchronous_ = 0;

  std::mutex mutex_;
  std::condition_variable wanted_;
  // Guarded by mutex_.
  std::vector<Pending> appends_;
  std::vector<Call*> calls_;
  bool sleeping_ = false;
  bool writing_ = false;  // somebody is
  bool crowded_ = false;  // several requests were written, or came, in the last turn
  bool closing_ = false;
  bool closed_ = false;

  // Of the thread that writes.
  AppendRequest* culprit_append_ = nullptr;
  Call* culprit_call_ = nullptr;
  std::size_t quiet_calls_ = 0;
  bool is_stuck_ = false;  // the gate did not open in time
  std::uint64_t next_sequence_ = 0;
  std::int64_t now_ = 0;
  int log_pages_ = 0;          // of the write-ahead log, after the last commit
  int checkpointed_at_ = 0;    // log_pages_ at the last checkpoint
  bool log_has_more_ = false;  // than was checkpointed

  std::atomic<std::uint64_t> appended_{0};
  std::atomic<std::uint64_t> duplicates_{0};
  std::atomic<std::uint64_t> commits_{0};
  std::atomic<std::uint64_t> last_sequence_{0};
  std::atomic<std::int64_t> last_now_{0};
  std::thread thread_;
};

}  // namespace busway::sqlite
