#include "schema.hpp"

#include <array>
#include <bit>
#include <utility>

#include "base/escape.hpp"
#include "busway/error.hpp"

namespace busway::sqlite {
namespace {

// The sums of rows are over numbers as they lie in memory.
static_assert(std::endian::native == std::endian::little, "docs/formats/sqlite.md: Checksums");

constexpr const char* kVersion1 = R"(
CREATE TABLE meta(
  name TEXT PRIMARY KEY, value INTEGER NOT NULL, sum INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE openings(
  id INTEGER PRIMARY KEY AUTOINCREMENT, instance_id TEXT NOT NULL, pid INTEGER NOT NULL,
  opened INTEGER NOT NULL, closed INTEGER, expiry INTEGER);
CREATE INDEX openings_open ON openings(id) WHERE closed IS NULL;
CREATE TABLE topics(
  id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, sum INTEGER NOT NULL);
CREATE INDEX topics_name ON topics(name);
CREATE TABLE events(
  seq INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, topic INTEGER NOT NULL, time INTEGER NOT NULL,
  appended INTEGER NOT NULL, writer INTEGER NOT NULL, sum INTEGER NOT NULL, head INTEGER NOT NULL,
  priority INTEGER, origin INTEGER, hops INTEGER, schema_version INTEGER, causation BLOB,
  source TEXT, key TEXT, user_id TEXT, session_id TEXT, instance_id TEXT, schema TEXT, entity TEXT,
  operation TEXT, correlation_id TEXT, traceparent TEXT, metadata TEXT, extensions TEXT,
  content_type TEXT, codec INTEGER, size INTEGER, payload BLOB);
CREATE TABLE times(
  block INTEGER PRIMARY KEY, oldest INTEGER NOT NULL, newest INTEGER NOT NULL,
  sum INTEGER NOT NULL);
CREATE TABLE set_aside(seq INTEGER PRIMARY KEY, found INTEGER NOT NULL, reason TEXT NOT NULL);
CREATE TABLE durables(
  id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, patterns TEXT NOT NULL,
  ordering INTEGER NOT NULL, start INTEGER NOT NULL, created INTEGER NOT NULL,
  opened INTEGER NOT NULL, note BLOB NOT NULL, sum INTEGER NOT NULL);
CREATE TABLE cursors(
  durable INTEGER PRIMARY KEY, cursor INTEGER NOT NULL, leader INTEGER NOT NULL,
  leader_until INTEGER NOT NULL, leader_span INTEGER NOT NULL, sum INTEGER NOT NULL);
CREATE TABLE safe_cursors(
  durable INTEGER PRIMARY KEY, cursor INTEGER NOT NULL, sum INTEGER NOT NULL);
CREATE TABLE leases(
  id INTEGER PRIMARY KEY AUTOINCREMENT, durable INTEGER NOT NULL, lo INTEGER NOT NULL,
  hi INTEGER NOT NULL, token INTEGER NOT NULL, until INTEGER NOT NULL, span INTEGER NOT NULL,
  done BLOB NOT NULL, sum INTEGER NOT NULL);
CREATE INDEX leases_durable ON leases(durable);
CREATE INDEX leases_token ON leases(token);
CREATE INDEX cursors_leader ON cursors(leader) WHERE leader <> 0;
CREATE TABLE exceptions(
  durable INTEGER NOT NULL, seq INTEGER NOT NULL, state INTEGER NOT NULL, token INTEGER NOT NULL,
  until INTEGER NOT NULL, span INTEGER NOT NULL, attempts INTEGER NOT NULL,
  suspect INTEGER NOT NULL, letter INTEGER NOT NULL, changed INTEGER NOT NULL, error TEXT NOT NULL,
  deaths TEXT NOT NULL, sum INTEGER NOT NULL, PRIMARY KEY(durable, seq)) WITHOUT ROWID;
CREATE INDEX exceptions_until ON exceptions(durable, until) WHERE state < 2;
CREATE INDEX exceptions_seq ON exceptions(seq);
CREATE INDEX exceptions_token ON exceptions(token) WHERE state = 1;
CREATE UNIQUE INDEX exceptions_letter ON exceptions(letter) WHERE letter > 0;
)";

constexpr std::array<const char*, 1> kSteps{kVersion1};

Steps steps_in_force = kSteps;

}  // namespace

Steps schema_steps() noexcept { return steps_in_force; }

std::int64_t schema_version() noexcept { return static_cast<std::int64_t>(steps_in_force.size()); }

OtherSteps::OtherSteps(Steps steps) noexcept : before_(std::exchange(steps_in_force, steps)) {}

OtherSteps::~OtherSteps() { steps_in_force = before_; }

void require_ours(Database& database, const std::string& path) {
  std::int64_t application = 0;
  std::int64_t version = 0;
  bool nothing_yet = false;
  try {
    application = database.number("PRAGMA application_id");
    version = database.number("PRAGMA user_version");
    nothing_yet = is_empty(database);
  } catch (const Fault& fault) {
    if (fault.kind() != SQLITE_NOTADB && fault.kind() != SQLITE_CORRUPT) throw;
    throw Error(ErrorCode::store_format,
                "the store sqlite:" + escape(path) + " is no SQLite database: " + fault.what());
  }
  if (nothing_yet) return;
  if (application != kApplicationId) {
    throw Error(ErrorCode::store_format, "the store sqlite:" + escape(path) +
                                             " is a SQLite database of another program; name a "
                                             "file that does not exist, or one made by busway");
  }
  if (version > schema_version()) {
    throw Error(ErrorCode::store_format,
                "the store sqlite:" + escape(path) + " has the format " + std::to_string(version) +
                    ", made by a later version of busway; this one reads up to " +
                    std::to_string(schema_version()));
  }
}

bool is_empty(Database& database) {
  return database.number("PRAGMA application_id") == 0 &&
         database.number("PRAGMA user_version") == 0 &&
         database.number("SELECT count(*) FROM sqlite_schema") == 0;
}

bool is_current(Database& database) {
  return database.number("PRAGMA user_version") == schema_version();
}

void make_current(Database& database) {
  const std::int64_t version = database.number("PRAGMA user_version");
  for (const char* const step : schema_steps().subspan(static_cast<std::size_t>(version))) {
    database.run(step);
  }
  database.run("PRAGMA application_id=" + std::to_string(kApplicationId));
  database.run("PRAGMA user_version=" + std::to_string(schema_version()));
}

}  // namespace busway::sqlite
