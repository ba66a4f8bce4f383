#include "opening.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "base/escape.hpp"
#include "busway/error.hpp"
#include "busway/log.hpp"
#include "busway/sqlite.hpp"
#include "log_tail.hpp"
#include "schema.hpp"
#include "sqlite_store.hpp"
#include "write_gate.hpp"
#include "writer.hpp"

namespace busway {
namespace sqlite {
namespace {

namespace fs = std::filesystem;

/// Closed openings of which the file tells, and how many older ones go at one opening.
constexpr int kClosedKept = 100;
constexpr int kForgottenAtOnce = 500;

[[noreturn]] void refuse(ErrorCode code, const std::string& path, const std::string& why) {
  throw Error(code, "the store sqlite:" + escape(path) + ' ' + why);
}

/// Nothing in the file needs the row of one that is closed: tokens name a byte of the gate, and
/// the writer of an event is a number that no other opening gets, as AUTOINCREMENT sees to it.
void forget_closed(Database& database) {
  Statement forget(database,
                   "DELETE FROM openings WHERE id IN (SELECT id FROM openings "
                   "WHERE closed IS NOT NULL ORDER BY id DESC LIMIT ? OFFSET ?)");
  forget.run(std::int64_t{kForgottenAtOnce}, std::int64_t{kClosedKept});
}

[[noreturn]] void refuse_empty(const std::string& path) {
  refuse(ErrorCode::store_unavailable, path, "is empty; no store was made in it");
}

bool has_bytes(const std::string& path) {
  struct stat file {};
  return stat(path.c_str(), &file) == 0 && file.st_size != 0;
}

/// A file that nobody has opened as a store yet may be none: it is looked at before anything is
/// made beside it. What cannot be said without writing is said later.
void look_first(const std::string& path, const StoreOptions& options) {
  // SQLite makes files beside one in WAL mode, even to read it, unless told that nobody writes it.
  const bool is_whole = !has_bytes(path + "-wal") && !has_bytes(path + "-journal");
  try {
    Database database(path, is_whole ? Database::Access::frozen : Database::Access::read);
    require_ours(database, path);
    if (is_empty(database) && !options.create) refuse_empty(path);
  } catch (const Fault&) {
    return;
  }
}

}  // namespace

void refuse(const Fault& fault, const std::string& path) {
  switch (fault.kind()) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED: refuse(ErrorCode::store_unavailable, path, "is locked by another program");
    case SQLITE_READONLY:
    case SQLITE_PERM:
      refuse(ErrorCode::store_unavailable, path,
             "cannot be written; a store needs a file and a folder that it may write");
    case SQLITE_NOTADB: refuse(ErrorCode::store_format, path, "is no SQLite database");
    case SQLITE_CORRUPT:
      refuse(ErrorCode::store_format, path,
             std::string("is a damaged SQLite database: ") + fault.what());
    default:
      refuse(ErrorCode::store_unavailable, path, std::string("cannot be opened: ") + fault.what());
  }
}

void refuse(const std::system_error& error, const std::string& path) {
  const bool thread = error.code() == std::errc::resource_unavailable_try_again;
  refuse(ErrorCode::store_unavailable, path,
         "cannot be written: " + (thread ? std::string("a thread") : escape(path) + "-gate") +
             ": " + words_of(error.code()));
}

void require_place(const std::string& path) {
  if (path.empty()) refuse(ErrorCode::invalid_option, path, "has no path; write sqlite:PATH");
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) {
    refuse(ErrorCode::store_unavailable, path, "is a folder; name a file in it");
  }
  const fs::path folder = fs::path(path).parent_path();
  if (!folder.empty() && !fs::is_directory(folder, ignored)) {
    refuse(ErrorCode::store_unavailable, path,
           "is in a folder that does not exist; make " + escape(folder.string()) + " first");
  }
}

std::string place_of(const std::string& path) {
  constexpr int kLinksMax = 40;
  try {
    fs::path place = fs::absolute(path);
    // By hand, since the file that a link names may be still to be made.
    for (int links = 0; fs::is_symlink(place); ++links) {
      if (links == kLinksMax) refuse(ErrorCode::store_unavailable, path, "is a ring of links");
      place = place.parent_path() / fs::read_symlink(place);
    }
    return (fs::canonical(place.parent_path()) / place.filename()).string();
  } catch (const fs::filesystem_error& error) {
    refuse(ErrorCode::store_unavailable, path, "cannot be found: " + error.code().message());
  }
}

std::error_code sync_folder(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const int descriptor = open(folder.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return {errno, std::generic_category()};
  std::error_code failed;
  if (fsync(descriptor) != 0) failed = {errno, std::generic_category()};
  close(descriptor);
  return failed;
}

Durability durability_of(const StoreOptions& options, const std::string& path) {
  const Durability wanted = options.durability.value_or(Durability::power_loss);
  if (wanted == Durability::memory) {
    refuse(ErrorCode::invalid_option, path,
           "keeps events beyond the process; its durability is process_crash or power_loss");
  }
  return wanted;
}

std::uint64_t prepare(const std::string& path, const StoreOptions& options) {
  const bool is_new = FileIdentity::of(path) == FileIdentity{};
  if (is_new && !options.create) {
    refuse(ErrorCode::store_unavailable, path, "does not exist");
  }
  if (!is_new && FileIdentity::of(path + "-gate") == FileIdentity{}) look_first(path, options);
  std::optional<WriteGate> gate;
  gate.emplace(path + "-gate");
  if (!gate->lock(options.timeout)) {
    refuse(ErrorCode::store_unavailable, path,
           "is held by another process at " + escape(path) +
               "-gate, which did not let go of it in time");
  }
  std::uint64_t opening = 0;
  std::uint64_t lost = 0;
  bool made_in_empty = false;
  // What there is to say is said with the gate open.
  const auto leave = [&] {
    gate->unlock();
    if (made_in_empty) {
      options.log(LogLevel::info, "the file " + escape(path) + " was empty; a store is made in it",
                  {});
    }
    if (lost == 0) return;
    // The two look the same: a commit that was cut short while others went on, and a damaged one.
    options.log(LogLevel::warning,
                "the store sqlite:" + escape(path) + ": " + std::to_string(lost) +
                    " commits at the end of its log cannot be read; after a failed sync, a power "
                    "failure, or the death of a process beside others that is one nobody had an "
                    "answer of, else the log is damaged and acknowledged events are lost",
                {});
  };
  try {
    Database database(path, Database::Access::create);
    database.run("PRAGMA busy_timeout=" +
                 std::to_string(std::max<std::int64_t>(1, options.timeout.count() / 1'000'000)));
    require_ours(database, path);
    const bool was_empty = !is_new && is_empty(database);
    if (was_empty && !options.create) refuse_empty(path);
    lost = unreadable_commits(database, path);
    database.run("PRAGMA auto_vacuum=INCREMENTAL");
    if (const std::string mode = database.text("PRAGMA journal_mode=WAL"); mode != "wal") {
      refuse(ErrorCode::store_unavailable, path,
             "is where SQLite cannot keep a write-ahead log (journal mode " + mode +
                 "); use a local file system");
    }
    database.run("PRAGMA synchronous=FULL");
    database.run("PRAGMA wal_autocheckpoint=0");
    database.run("BEGIN IMMEDIATE");
    if (!is_current(database)) make_current(database);
    Statement add(database,
                  "INSERT INTO openings(instance_id, pid, opened, expiry) VALUES(?,?,?,"
                  "nullif(?, 0))");
    add.run(std::string_view(options.instance_id), std::int64_t{getpid()},
            options.clock->wall().time_since_epoch().count(),
            std::int64_t{options.durable_expiry ? options.durable_expiry->count() : 0});
    opening = static_cast<std::uint64_t>(sqlite3_last_insert_rowid(database.handle()));
    forget_closed(database);
    database.run("COMMIT");
    made_in_empty = was_empty;
  } catch (...) {
    leave();
    throw;
  }
  leave();
  // Who may not write the file shall not hold up those who may.
  struct stat file {};
  if (stat(path.c_str(), &file) == 0) {
    (void)chmod((path + "-gate").c_str(), file.st_mode & static_cast<mode_t>(0666));
  }
  if (durability_of(options, path) != Durability::power_loss) return opening;
  // Not only of a new file: whoever made it may have died, or have wanted less.
  if (const std::error_code failed = sync_folder(path)) {
    refuse(ErrorCode::store_unavailable, path,
           "is in a folder that cannot be synced (" + words_of(failed) +
               "), so that the file could be gone after a power failure; mend the disk, or ask for "
               "the durability process_crash");
  }
  return opening;
}

Database::Access prepare_to_read(const std::string& path) {
  if (FileIdentity::of(path) == FileIdentity{}) {
    refuse(ErrorCode::store_unavailable, path, "does not exist");
  }
  const auto look = [&](Database::Access access) {
    Database database(path, access);
    require_ours(database, path);
    if (!is_current(database)) {
      refuse(ErrorCode::store_format, path,
             "is of an earlier version or empty; open it once where it can be written");
    }
    return access;
  };
  try {
    return look(Database::Access::read);
  } catch (const Fault& fault) {
    if (fault.kind() != SQLITE_CANTOPEN && fault.kind() != SQLITE_READONLY) throw;
  }
  if (has_bytes(path + "-wal")) {
    refuse(ErrorCode::store_unavailable, path,
           "has a log beside it, " + escape(path) +
               "-wal, that cannot be read where nothing can be written; copy both files into a "
               "folder that can be written, and open the copy");
  }
  return look(Database::Access::frozen);
}

}  // namespace sqlite

std::shared_ptr<Store> open_sqlite_store(const std::string& path, const StoreOptions& given) {
  StoreOptions options = given;
  if (options.clock == nullptr) options.clock = Clock::system();
  if (!options.log) options.log = log_to_stderr;
  sqlite::require_place(path);
  const std::string place = sqlite::place_of(path);
  const Durability durability = sqlite::durability_of(options, place);
  try {
    if (options.read_only) {
      const auto access = sqlite::prepare_to_read(place);
      return std::make_shared<sqlite::SqliteStore>(place, options, access);
    }
    const std::uint64_t opening = sqlite::prepare(place, options);
    return std::make_shared<sqlite::SqliteStore>(place, options, opening, durability);
  } catch (const sqlite::Fault& fault) {
    sqlite::refuse(fault, place);
  } catch (const std::system_error& error) {
    sqlite::refuse(error, place);
  }
}

}  // namespace busway
