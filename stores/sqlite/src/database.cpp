#include "database.hpp"

#include <string>
#include <system_error>

namespace busway::sqlite {
namespace {

/// Of the call that has just ended so.
std::string reason_of(sqlite3* handle, int result) {
  std::string why = sqlite3_errmsg(handle);
  if (const int error = sqlite3_system_errno(handle);
      error != 0 && ((result & 0xff) == SQLITE_IOERR || (result & 0xff) == SQLITE_CANTOPEN)) {
    why += " (" + words_of({error, std::generic_category()}) + ')';
  }
  return why;
}

std::string frozen_name(const std::string& path) {
  std::string name = "file:";
  for (const char one : path) {
    // Those that mean something in such a name.
    if (one == '%' || one == '?' || one == '#') {
      name += one == '%' ? "%25" : one == '?' ? "%3f" : "%23";
    } else {
      name += one;
    }
  }
  return name + "?immutable=1";
}

}  // namespace

std::string words_of(const std::error_code& error) {
  std::string words = error.message();
  if (error == std::errc::too_many_files_open ||
      error == std::errc::too_many_files_open_in_system) {
    words += "; close some, or allow more, ulimit -n for one";
  } else if (error == std::errc::resource_unavailable_try_again) {
    words += "; allow more threads, ulimit -u for one";
  }
  return words;
}

Database::Database(const std::string& path, Access access) {
  int flags = SQLITE_OPEN_NOMUTEX;
  flags |= access <= Access::read ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
  if (access == Access::create) flags |= SQLITE_OPEN_CREATE;
  if (access == Access::frozen) flags |= SQLITE_OPEN_URI;
  const std::string name = access == Access::frozen ? frozen_name(path) : path;
  const int result = sqlite3_open_v2(name.c_str(), &handle_, flags, nullptr);
  if (result != SQLITE_OK) {
    const std::string why =
        handle_ != nullptr ? reason_of(handle_, result) : sqlite3_errstr(result);
    const int code = handle_ != nullptr ? sqlite3_extended_errcode(handle_) : result;
    sqlite3_close(handle_);
    throw Fault(code, why);
  }
  sqlite3_extended_result_codes(handle_, 1);
  sqlite3_db_config(handle_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  sqlite3_db_config(handle_, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  // Before anything else: the switch to WAL asks for the file, and so does recovery.
  sqlite3_busy_timeout(handle_, 5'000);
}

Database::~Database() { sqlite3_close_v2(handle_); }

void Database::end_statements() noexcept {
  for (sqlite3_stmt* one = nullptr; (one = sqlite3_next_stmt(handle_, one)) != nullptr;) {
    if (sqlite3_stmt_busy(one) != 0) sqlite3_reset(one);
  }
}

void Database::run(const std::string& sql) {
  const int result = sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr);
  if (result != SQLITE_OK) fail(result);
}

std::uint64_t Database::bytes() {
  return static_cast<std::uint64_t>(
      (number("PRAGMA page_count") - number("PRAGMA freelist_count")) * number("PRAGMA page_size"));
}

std::int64_t Database::number(const std::string& sql) {
  Statement statement(*this, sql);
  return statement.step() ? statement.number(0) : 0;
}

std::string Database::text(const std::string& sql) {
  Statement statement(*this, sql);
  return statement.step() ? std::string(statement.text(0)) : std::string();
}

void Database::fail(int result) const { throw Fault(result, reason_of(handle_, result)); }

Statement::Statement(Database& database, std::string_view sql) : database_(database) {
  const int result = sqlite3_prepare_v3(database.handle(), sql.data(), static_cast<int>(sql.size()),
                                        SQLITE_PREPARE_PERSISTENT, &handle_, nullptr);
  if (result != SQLITE_OK) database.fail(result);
}

void Statement::failed(int result) {
  // The reason must be read before the statement forgets it.
  try {
    database_.fail(result);
  } catch (...) {
    sqlite3_reset(handle_);
    throw;
  }
}

}  // namespace busway::sqlite
