// core.hpp -- what a store in a file and its consumers share: the writer, readers, watches.
// Layer: store
//
// Model      Readers are connections that are taken for a question and given back.
// Threads    [any-thread]
// Ownership  Shared by the store and each consumer.
// Errors     reader() throws Error(store_unavailable, stopped).
// Cost       A reader is opened when none is free.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "busway/store_watches.hpp"
#include "durable_tables.hpp"
#include "event_rows.hpp"
#include "presence.hpp"
#include "time_blocks.hpp"
#include "writer.hpp"

namespace busway::sqlite {

/// A connection that reads, and what it has prepared.
struct Reader {
  Reader(const std::string& path, Database::Access access);
  Database database;
  EventReader events;
  DurableTables tables;
  TimeBlocks times;
  Statement by_id;
  Statement by_sequence;
  Statement after;   // seq > ?, up to ?, oldest first
  Statement before;  // seq < ?, down to ?, newest first
  Statement first;
  Statement last;
};

class SqliteConsumer;

struct Core;

/// Sentences for the log, said where this ends. Made before a lock is taken, so that it ends with
/// none held: a log function may use the store.
class Words {
 public:
  explicit Words(const Core& core) noexcept : core_(core) {}
  Words(const Words&) = delete;
  Words& operator=(const Words&) = delete;
  ~Words();

  void add(LogLevel level, std::string text) { list_.emplace_back(level, std::move(text)); }
  void add_damages(std::vector<std::string> damages) {
    for (std::string& one : damages) add(LogLevel::error, std::move(one));
  }

 private:
  const Core& core_;
  std::vector<std::pair<LogLevel, std::string>> list_;
};

struct Core {
  explicit Core(Writer::Settings settings) : path(settings.path), options(settings.options) {
    presence.emplace(path + "-gate");
    writer.emplace(std::move(settings));
  }
  /// Reads only.
  Core(std::string of, StoreOptions with, Database::Access how)
      : path(std::move(of)), options(std::move(with)), access(how) {}
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  class Borrowed {
   public:
    Borrowed(Core& core, std::unique_ptr<Reader> reader)
        : core_(core), reader_(std::move(reader)) {}
    Borrowed(const Borrowed&) = delete;
    Borrowed& operator=(const Borrowed&) = delete;
    ~Borrowed() {
      if (std::uncaught_exceptions() > exceptions_) reader_->database.end_statements();
      core_.give_back(std::move(reader_));
    }
    Reader* operator->() const noexcept { return reader_.get(); }
    Reader& operator*() const noexcept { return *reader_; }

   private:
    Core& core_;
    std::unique_ptr<Reader> reader_;
    const int exceptions_ = std::uncaught_exceptions();  // under way when it was borrowed
  };
  [[nodiscard]] Borrowed reader();
  void give_back(std::unique_ptr<Reader> reader) noexcept;

  [[nodiscard]] std::int64_t now() const noexcept {
    return options.clock->wall().time_since_epoch().count();
  }
  void require_open() const;
  /// Open, and not for reading only.
  void require_writable() const;
  void tell_progress(std::uint64_t done, std::uint64_t whole) const {
    if (options.progress) options.progress({done, whole});
  }
  void log(LogLevel level, const std::string& message) const noexcept;
  using Damaged = std::vector<std::pair<std::uint64_t, std::string>>;
  /// Notes events that are damaged, and says so, once each.
  void set_aside(const Damaged& damaged, Words& words);
  /// The same for a read, which does not fail where nothing can be written now.
  void try_set_aside(const Damaged& damaged) noexcept;
  /// Says what rows of durable names a reader has found damaged. Not within a transaction.
  void tell_damages(DurableTables& tables);
  /// The same for what SQLite said, as an Error.
  [[noreturn]] void fail(const Fault& fault) const;
  /// Runs the function, whose Fault it turns into an Error.
  template <class F>
  auto asking(const F& function) const {
    require_open();
    try {
      return function();
    } catch (const Fault& fault) {
      fail(fault);
    }
  }

  const std::string path;
  const StoreOptions options;
  const Database::Access access = Database::Access::write;
  std::optional<Presence> presence;  // none of one that reads only
  StoreWatches watches;
  std::atomic<std::uint64_t> settled{0};
  std::atomic<std::uint64_t> stale{0};
  std::atomic<std::uint64_t> corrupt{0};
  std::atomic<bool> closed{false};
  std::mutex consumers_mutex;
  std::vector<SqliteConsumer*> consumers;  // guarded by consumers_mutex
  std::optional<Writer> writer;            // last: its thread uses the rest; none as presence

 private:
  [[nodiscard]] Damaged fresh_of(const Damaged& damaged);
  void note(Damaged fresh, Words& words, Writer::Patience patience);

  std::mutex readers_mutex_;
  std::vector<std::unique_ptr<Reader>> free_;  // guarded by readers_mutex_
};

}  // namespace busway::sqlite
