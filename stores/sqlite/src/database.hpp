// database.hpp -- a connection to SQLite and its prepared statements, as objects.
// Layer: store
//
// Model      Statements are prepared once and used again. A Fault carries SQLite's extended result
//            code; what it means for the caller is decided above.
// Threads    [not-concurrent]: each connection belongs to one thread at a time.
// Ownership  A Statement refers to its Database.
// Errors     Fault.
// Cost       SQLite's.
#pragma once

#include <sqlite3.h>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace busway::sqlite {

class Fault : public std::runtime_error {
 public:
  Fault(int code, const std::string& what) : std::runtime_error(what), code_(code) {}
  [[nodiscard]] int code() const noexcept { return code_; }
  /// Without what SQLite adds to it.
  [[nodiscard]] int kind() const noexcept { return code_ & 0xff; }

 private:
  int code_;
};

/// What the system said, and what can be done where a limit was reached.
[[nodiscard]] std::string words_of(const std::error_code& error);

class Database {
 public:
  /// frozen: a file that nobody writes, on a medium where nothing can be made beside it.
  enum class Access : unsigned char { frozen, read, write, create };

  Database(const std::string& path, Access access);
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  ~Database();

  void run(const std::string& sql);
  /// Of one row with one column; 0 without a row.
  [[nodiscard]] std::int64_t number(const std::string& sql);
  [[nodiscard]] std::string text(const std::string& sql);
  /// What it takes of its file.
  [[nodiscard]] std::uint64_t bytes();
  /// Those that stand in the middle of their rows, as after an error: each keeps a snapshot open.
  void end_statements() noexcept;
  [[nodiscard]] int changes() const noexcept { return sqlite3_changes(handle_); }
  [[nodiscard]] bool in_transaction() const noexcept {
    return sqlite3_get_autocommit(handle_) == 0;
  }
  [[nodiscard]] sqlite3* handle() const noexcept { return handle_; }
  /// Throws the Fault of the call that has just ended so.
  [[noreturn]] void fail(int result) const;

 private:
  sqlite3* handle_ = nullptr;
};

/// All that is read within it is of one moment.
class Snapshot {
 public:
  explicit Snapshot(Database& database) : database_(database) { database.run("BEGIN"); }
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;
  ~Snapshot() {
    try {
      database_.run("ROLLBACK");
    } catch (const std::exception&) {
      // It has ended by itself.
    }
  }

 private:
  Database& database_;
};

class Statement {
 public:
  Statement(Database& database, std::string_view sql);
  Statement(Statement&& other) noexcept
      : database_(other.database_), handle_(std::exchange(other.handle_, nullptr)) {}
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;
  Statement& operator=(Statement&&) = delete;
  ~Statement() { sqlite3_finalize(handle_); }

  /// Ready for new values; all are NULL.
  void reset() noexcept {
    sqlite3_reset(handle_);
    sqlite3_clear_bindings(handle_);
  }
  void bind(int at, std::int64_t value) { check(sqlite3_bind_int64(handle_, at, value)); }
  void bind(int at, std::uint64_t value) { bind(at, static_cast<std::int64_t>(value)); }
  void bind(int at, int value) { bind(at, static_cast<std::int64_t>(value)); }
  /// The text must stay until reset().
  void bind(int at, std::string_view text) {
    check(sqlite3_bind_text64(handle_, at, text.data() != nullptr ? text.data() : "", text.size(),
                              SQLITE_STATIC, SQLITE_UTF8));
  }
  void bind_if(int at, std::string_view text) {
    if (!text.empty()) bind(at, text);
  }
  void bind(int at, std::span<const std::byte> bytes) {
    check(sqlite3_bind_blob64(handle_, at,
                              bytes.empty() ? "" : static_cast<const void*>(bytes.data()),
                              bytes.size(), SQLITE_STATIC));
  }

  /// Binds all in order, then runs to the end.
  template <class... Values>
  void run(const Values&... values) {
    reset();
    int at = 0;
    (bind(++at, values), ...);
    while (step()) {
    }
    sqlite3_reset(handle_);
  }
  /// Binds all in order; then step().
  template <class... Values>
  Statement& start(const Values&... values) {
    reset();
    int at = 0;
    (bind(++at, values), ...);
    return *this;
  }
  /// True: there is a row.
  bool step() {
    const int result = sqlite3_step(handle_);
    if (result == SQLITE_ROW) return true;
    if (result == SQLITE_DONE) return false;
    failed(result);
  }

  [[nodiscard]] bool is_null(int column) const noexcept {
    return sqlite3_column_type(handle_, column) == SQLITE_NULL;
  }
  [[nodiscard]] std::int64_t number(int column) const noexcept {
    return sqlite3_column_int64(handle_, column);
  }
  [[nodiscard]] std::uint64_t unsigned_number(int column) const noexcept {
    return static_cast<std::uint64_t>(number(column));
  }
  /// Good until the next step() or reset().
  [[nodiscard]] std::string_view text(int column) const noexcept {
    const auto* const chars = sqlite3_column_text(handle_, column);
    if (chars == nullptr) return {};
    return {reinterpret_cast<const char*>(chars),
            static_cast<std::size_t>(sqlite3_column_bytes(handle_, column))};
  }
  [[nodiscard]] std::span<const std::byte> blob(int column) const noexcept {
    const void* const data = sqlite3_column_blob(handle_, column);
    return {static_cast<const std::byte*>(data),
            static_cast<std::size_t>(sqlite3_column_bytes(handle_, column))};
  }

 private:
  void check(int result) {
    if (result != SQLITE_OK) failed(result);
  }
  [[noreturn]] void failed(int result);

  Database& database_;
  sqlite3_stmt* handle_ = nullptr;
};

}  // namespace busway::sqlite
