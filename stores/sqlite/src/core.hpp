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
    ~Borrowed() { core_.give_back(std::move(reader_)); }
    Reader* operator->() const noexcept { return reader_.get(); }
    Reader& operator*() const noexcept { return *reader_; }

   private:
    Core& core_;
    std::unique_ptr<Reader> reader_;
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
  /// Notes events that are damaged, and says so, once each.
  void set_aside(const std::vector<std::pair<std::uint64_t, std::string>>& damaged);
  /// Says what rows of durable names were found damaged.
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
  std::mutex readers_mutex_;
  std::vector<std::unique_ptr<Reader>> free_;  // guarded by readers_mutex_
};

}  // namespace busway::sqlite
