// peers/raw_sqlite.hpp -- SQLite by itself, with the tables and settings of busway's store: what
// the store is measured beside.
//
// Model      The rows are those of the store; nothing is checked, summed or remembered.
#pragma once

#include <sqlite3.h>

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <semaphore>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "busway/sqlite.hpp"

namespace busway::bench {

class RawSqlite {
 public:
  RawSqlite(const std::string& path, bool full) {
    open_sqlite_store(path)->close();  // makes the tables
    require(sqlite3_open(path.c_str(), &database_));
    run("PRAGMA busy_timeout=5000");
    run("PRAGMA journal_mode=WAL");
    run(full ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL");
    run("PRAGMA wal_autocheckpoint=2000");
    run("PRAGMA cache_size=-16384");
    run("INSERT OR IGNORE INTO topics(id, name, sum) VALUES(1, 'bench.event', 0)");
    insert_ = prepare(
        "INSERT INTO events(seq, id, topic, time, appended, writer, sum, head, instance_id, "
        "content_type, payload) VALUES(?,?,1,?,?,1,0,0,'bench','application/octet-stream',?) "
        "ON CONFLICT(id) DO NOTHING");
    select_ = prepare(
        "SELECT seq, id, topic, time, appended, writer, sum, head, priority, origin, hops, "
        "schema_version, causation, source, key, user_id, session_id, instance_id, schema, entity, "
        "operation, correlation_id, traceparent, metadata, extensions, content_type, codec, "
        "size, payload FROM events WHERE seq > ? ORDER BY seq LIMIT ?");
    lease_ = prepare(
        "INSERT INTO leases(durable, lo, hi, token, until, span, done, sum) "
        "VALUES(1,?,?,1,1,1,x'00',0)");
    cursor_ = prepare("REPLACE INTO cursors VALUES(1,?,0,0,0,0)");
    settle_ = prepare("DELETE FROM leases WHERE durable=1 AND lo=?");
  }
  RawSqlite(const RawSqlite&) = delete;
  RawSqlite& operator=(const RawSqlite&) = delete;
  ~RawSqlite() {
    for (sqlite3_stmt* one : {insert_, select_, lease_, cursor_, settle_}) {
      sqlite3_finalize(one);
    }
    sqlite3_close(database_);
  }

  void begin() { run("BEGIN IMMEDIATE"); }
  void commit() { run("COMMIT"); }

  void insert(const std::string& payload) {
    ++sequence_;
    std::uint8_t id[16] = {};
    for (int i = 0; i < 8; ++i) id[i] = static_cast<std::uint8_t>(sequence_ >> (56 - 8 * i));
    id[15] = 1;
    sqlite3_reset(insert_);
    sqlite3_bind_int64(insert_, 1, sequence_);
    sqlite3_bind_blob(insert_, 2, id, 16, SQLITE_TRANSIENT);
    sqlite3_bind_int64(insert_, 3, sequence_);
    sqlite3_bind_int64(insert_, 4, sequence_);
    sqlite3_bind_blob(insert_, 5, payload.data(), static_cast<int>(payload.size()), SQLITE_STATIC);
    step(insert_);
  }

  /// Another process may have inserted; within begin() and commit().
  void continue_behind_others() {
    sqlite3_stmt* const last = prepare("SELECT max(seq) FROM events");
    if (sqlite3_step(last) == SQLITE_ROW) sequence_ = sqlite3_column_int64(last, 0);
    sqlite3_finalize(last);
  }

  enum class AtEnd : unsigned char { begin_anew, stay };
  /// Reads up to `max` events behind the cursor and leases them; the bytes of their payloads.
  std::size_t claim(int max) {
    return claim(max, AtEnd::begin_anew, [](const std::string&) {});
  }
  template <class Each>
  std::size_t claim(int max, AtEnd at_end, const Each& each) {
    begin();
    sqlite3_reset(select_);
    sqlite3_bind_int64(select_, 1, at_);
    sqlite3_bind_int(select_, 2, max);
    const std::int64_t from = at_ + 1;
    std::size_t bytes = 0;
    while (sqlite3_step(select_) == SQLITE_ROW) {
      at_ = sqlite3_column_int64(select_, 0);
      const std::string payload(static_cast<const char*>(sqlite3_column_blob(select_, 28)),
                                static_cast<std::size_t>(sqlite3_column_bytes(select_, 28)));
      bytes += payload.size();
      each(payload);
    }
    sqlite3_reset(select_);
    if (at_ < from) {
      commit();
      if (at_end == AtEnd::begin_anew) at_ = 0;
      return 0;
    }
    sqlite3_reset(lease_);
    sqlite3_bind_int64(lease_, 1, from);
    sqlite3_bind_int64(lease_, 2, at_);
    step(lease_);
    sqlite3_reset(cursor_);
    sqlite3_bind_int64(cursor_, 1, at_);
    step(cursor_);
    leased_ = from;
    commit();
    return bytes;
  }
  void settle() {
    begin();
    sqlite3_reset(settle_);
    sqlite3_bind_int64(settle_, 1, leased_);
    step(settle_);
    commit();
  }

 private:
  static void require(int result) {
    if (result != SQLITE_OK) throw std::runtime_error(sqlite3_errstr(result));
  }
  void run(const char* sql) { require(sqlite3_exec(database_, sql, nullptr, nullptr, nullptr)); }
  sqlite3_stmt* prepare(const char* sql) {
    sqlite3_stmt* made = nullptr;
    require(sqlite3_prepare_v2(database_, sql, -1, &made, nullptr));
    return made;
  }
  void step(sqlite3_stmt* statement) {
    if (sqlite3_step(statement) != SQLITE_DONE) throw std::runtime_error(sqlite3_errmsg(database_));
    sqlite3_reset(statement);
  }

  sqlite3* database_ = nullptr;
  sqlite3_stmt* insert_ = nullptr;
  sqlite3_stmt* select_ = nullptr;
  sqlite3_stmt* lease_ = nullptr;
  sqlite3_stmt* cursor_ = nullptr;
  sqlite3_stmt* settle_ = nullptr;
  std::int64_t sequence_ = 0;
  std::int64_t at_ = 0;
  std::int64_t leased_ = 0;
};

/// Many threads, one writer: whoever inserts waits for the commit of its turn.
class RawGroupCommit {
 public:
  RawGroupCommit(const std::string& path, bool full)
      : raw_(path, full), writer_([this] { write(); }) {}
  RawGroupCommit(const RawGroupCommit&) = delete;
  RawGroupCommit& operator=(const RawGroupCommit&) = delete;
  ~RawGroupCommit() {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
    }
    wanted_.notify_one();
    writer_.join();
  }

  void insert(const std::string& payload) {
    Turn turn{&payload};
    bool first = false;
    {
      const std::lock_guard lock(mutex_);
      first = waiting_.empty();
      waiting_.push_back(&turn);
    }
    if (first) wanted_.notify_one();
    turn.done.acquire();
  }

 private:
  struct Turn {
    const std::string* payload;
    std::binary_semaphore done{0};
  };
  void write() {
    for (std::vector<Turn*> turns;; turns.clear()) {
      {
        std::unique_lock lock(mutex_);
        wanted_.wait(lock, [this] { return !waiting_.empty() || ending_; });
        if (waiting_.empty()) return;
        turns.swap(waiting_);
      }
      raw_.begin();
      for (const Turn* one : turns) raw_.insert(*one->payload);
      raw_.commit();
      for (Turn* one : turns) one->done.release();
    }
  }

  RawSqlite raw_;
  std::mutex mutex_;
  std::condition_variable wanted_;
  std::vector<Turn*> waiting_;
  bool ending_ = false;
  std::thread writer_;
};

}  // namespace busway::bench
