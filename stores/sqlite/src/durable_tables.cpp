#include "durable_tables.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/escape.hpp"
#include "busway/error.hpp"
#include "busway/event_record.hpp"

namespace busway::sqlite {
namespace {

/// The sum of a row: its numbers in order, then its texts.
template <std::size_t N>
std::int64_t sum_of(const std::array<std::int64_t, N>& numbers,
                    std::initializer_list<std::string_view> texts = {}) {
  std::uint64_t sum = checksum(std::as_bytes(std::span(numbers)));
  for (const std::string_view text : texts) {
    sum = checksum(std::as_bytes(std::span(text.data(), text.size())), sum);
  }
  return static_cast<std::int64_t>(sum);
}

std::int64_t to_signed(std::uint64_t value) noexcept { return static_cast<std::int64_t>(value); }

std::string_view text_of(std::span<const std::byte> bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string patterns_text(const std::vector<Pattern>& patterns) {
  Json list = Json::array();
  for (const Pattern& one : patterns) list.push_back(to_string(one));
  return list.dump();
}

constexpr std::size_t kNamesAtOnce = 64;
constexpr auto kLookForDamageEvery = std::chrono::seconds(1);

/// What the sum of a row of `durables` would be under this name.
std::int64_t durable_sum(const Statement& row, std::string_view name) {
  return sum_of(
      std::array{row.number(0), row.number(3) & 0xff, row.number(4), row.number(5), row.number(6)},
      {name, row.text(2), text_of(row.blob(7))});
}

std::int64_t sum_of(const DurableRow& row, std::string_view patterns) {
  return sum_of(std::array{row.number, static_cast<std::int64_t>(row.spec.order),
                           to_signed(row.start), row.created, row.opened},
                {row.spec.name, patterns, row.note});
}

std::int64_t sum_of(DurableNumber number, const CursorRow& row) {
  return sum_of(
      std::array{number, to_signed(row.cursor), row.leader, row.leader_until, row.leader_span});
}

std::int64_t sum_of(DurableNumber number, const LeaseRow& row) {
  return sum_of(
      std::array{number, to_signed(row.lo), to_signed(row.hi), row.token, row.until, row.span},
      {text_of(row.done.bytes())});
}

std::int64_t sum_of(DurableNumber number, const ExceptionRow& row, std::string_view deaths) {
  return sum_of(
      std::array<std::int64_t, 10>{number, to_signed(row.sequence),
                                   static_cast<std::int64_t>(row.state), row.token, row.until,
                                   row.span, std::int64_t{row.attempts}, std::int64_t{row.suspect},
                                   to_signed(row.letter), row.changed},
      {row.error, deaths});
}

std::vector<StoredLetter::Death> deaths_of(std::string_view text) {
  std::vector<StoredLetter::Death> deaths;
  for (const Json& one : Json::parse(text)) {
    StoredLetter::Death death;
    death.time = WallTime(std::chrono::nanoseconds(one.at("time").get<std::int64_t>()));
    death.code =
        parse_error_code(one.at("code").get<std::string>()).value_or(ErrorCode::handler_failed);
    death.reason = one.at("reason").get<std::string>();
    death.attempts = one.at("attempts").get<unsigned>();
    deaths.push_back(std::move(death));
  }
  return deaths;
}

/// Rows, whatever their sums say; an exception without its deaths.
LeaseRow lease_in(const Statement& row) {
  return {.id = row.number(0),
          .lo = row.unsigned_number(1),
          .hi = row.unsigned_number(2),
          .token = row.number(3),
          .until = row.number(4),
          .span = row.number(5),
          .done = RangeBits(row.blob(6))};
}

ExceptionRow exception_in(const Statement& row) {
  return {.sequence = row.unsigned_number(0),
          .state = static_cast<ExceptionState>(row.number(1)),
          .token = row.number(2),
          .until = row.number(3),
          .span = row.number(4),
          .attempts = static_cast<unsigned>(row.number(5)),
          .suspect = row.number(6) != 0,
          .letter = row.unsigned_number(7),
          .changed = row.number(8),
          .error = std::string(row.text(9))};
}

constexpr const char* kDurableColumns =
    "SELECT id, name, patterns, ordering, start, created, opened, note, sum FROM durables";
constexpr const char* kExceptionColumns =
    "SELECT seq, state, token, until, span, attempts, suspect, letter, changed, error, deaths, sum "
    "FROM exceptions WHERE durable=?";
constexpr const char* kExceptionsOfAll =
    "SELECT seq, state, token, until, span, attempts, suspect, letter, changed, error, deaths, "
    "sum, durable FROM exceptions ";
constexpr int kDurableOfAll = 12;  // the column of the name

}  // namespace

std::string deaths_text(const std::vector<StoredLetter::Death>& deaths) {
  Json list = Json::array();
  for (const StoredLetter::Death& one : deaths) {
    list.push_back({{"time", one.time.time_since_epoch().count()},
                    {"code", to_string(one.code)},
                    {"reason", one.reason},
                    {"attempts", one.attempts}});
  }
  return list.dump(-1, ' ', false, Json::error_handler_t::replace);
}

bool RangeBits::all(std::size_t size) const noexcept {
  for (std::size_t at = 0; at < size / 8; ++at) {
    if (bytes_[at] != std::byte{0xff}) return false;
  }
  for (std::size_t at = size / 8 * 8; at < size; ++at) {
    if (!test(at)) return false;
  }
  return true;
}

DurableTables::DurableTables(Database& database)
    : database_(database),
      find_name_(database, std::string(kDurableColumns) + " WHERE name=?"),
      find_number_(database, std::string(kDurableColumns) + " WHERE id=?"),
      version_(database, "SELECT sum FROM durables WHERE id=?"),
      all_(database, std::string(kDurableColumns) + " ORDER BY name"),
      add_(database,
           "INSERT INTO durables(name, patterns, ordering, start, created, opened, note, sum) "
           "VALUES(?,?,?,?,?,?,x'',0) RETURNING id"),
      update_(database,
              "UPDATE durables SET patterns=?, ordering=?, opened=?, note=?, sum=? WHERE id=?"),
      rename_(database, "UPDATE durables SET name=? WHERE id=?"),
      cursor_(database,
              "SELECT cursor, leader, leader_until, leader_span, sum FROM cursors WHERE durable=?"),
      put_cursor_(database,
                  "REPLACE INTO cursors(durable, cursor, leader, leader_until, leader_span, sum) "
                  "VALUES(?,?,?,?,?,?)"),
      safe_(database, "SELECT cursor, sum FROM safe_cursors WHERE durable=?"),
      put_safe_(database, "REPLACE INTO safe_cursors(durable, cursor, sum) VALUES(?,?,?)"),
      lowest_lease_(database, "SELECT min(lo) FROM leases WHERE durable=?"),
      lowest_exception_(database, "SELECT min(seq) FROM exceptions WHERE durable=? AND state < 2"),
      leases_(database,
              "SELECT id, lo, hi, token, until, span, done, sum FROM leases WHERE durable=? ORDER "
              "BY lo"),
      lease_(
          database,
          "SELECT id, lo, hi, token, until, span, done, sum FROM leases WHERE durable=? AND id=?"),
      add_lease_(database,
                 "INSERT INTO leases(durable, lo, hi, token, until, span, done, sum) "
                 "VALUES(?,?,?,?,?,?,?,?)"),
      add_lease_at_(database,
                    "UPDATE leases SET lo=?, hi=?, until=?, span=?, done=?, sum=? WHERE id=? AND "
                    "durable=? AND token=?"),
      update_lease_(database, "UPDATE leases SET until=?, span=?, done=?, sum=? WHERE id=?"),
      remove_lease_(database, "DELETE FROM leases WHERE id=?"),
      exception_(database, std::string(kExceptionColumns) + " AND seq=?"),
      // With the state as a value SQLite would prepare it anew each time: which index fits depends
      // on it.
      due_waiting_(database, std::string(kExceptionColumns) +
                                 " AND state=0 AND state < 2 AND until <= ? ORDER BY seq LIMIT ?"),
      due_leased_(database, std::string(kExceptionColumns) +
                                " AND state=1 AND state < 2 AND until <= ? ORDER BY seq LIMIT ?"),
      with_token_(database, std::string(kExceptionColumns) + " AND state=1 AND token=?"),
      living_(database, std::string(kExceptionColumns) + " AND state < 2 ORDER BY seq"),
      letters_(database, std::string(kExceptionsOfAll) +
                             "WHERE letter > 0 AND letter > ?1 AND (?2 = 0 OR durable = ?2) "
                             "ORDER BY letter"),
      exceptions_between_(database, std::string(kExceptionsOfAll) + "WHERE seq >= ? AND seq <= ?"),
      count_letters_(database, "SELECT count(*) FROM exceptions WHERE durable=? AND letter > 0"),
      put_(database,
           "REPLACE INTO exceptions(durable, seq, state, token, until, span, attempts, suspect, "
           "letter, changed, error, deaths, sum) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?)"),
      remove_exception_(database, "DELETE FROM exceptions WHERE durable=? AND seq=?"),
      next_due_(database,
                "SELECT min(until) FROM exceptions WHERE durable=? AND state < 2 AND state=0 AND "
                "until > ?"),
      lowest_waiting_(database,
                      "SELECT min(seq) FROM exceptions WHERE durable=? AND state=0 AND until > ?"),
      holders_(database,
               "SELECT token FROM leases WHERE until > ?1 UNION SELECT token FROM exceptions WHERE "
               "state=1 AND until > ?1 UNION SELECT leader FROM cursors WHERE leader <> 0 AND "
               "leader_until > ?1"),
      leases_of_(database, "SELECT durable, id FROM leases WHERE token=?"),
      exceptions_of_(database, "SELECT durable, seq FROM exceptions WHERE state=1 AND token=?"),
      led_by_(database, "SELECT durable FROM cursors WHERE leader=? AND leader <> 0"),
      leased_tokens_(database,
                     "SELECT DISTINCT token FROM exceptions WHERE durable=? AND state=1 AND state "
                     "< 2 AND until > ?"),
      longest_(database,
               std::string(kExceptionColumns) + " AND state < 2 ORDER BY until DESC LIMIT 1"),
      has_living_(database, "SELECT 1 FROM exceptions WHERE durable=? AND state < 2 LIMIT 1"),
      // SQLite does not read what it is only asked the length of.
      event_bytes_(database,
                   "SELECT max(ifnull(size, 0), length(payload)) FROM events WHERE seq=?"),
      numbers_(database) {}

// -- Names ----------------------------------------------------------------------------------------

DurableRow DurableTables::durable_at(Statement& row, std::string_view name) {
  DurableRow out;
  out.number = row.number(0);
  out.spec.name = std::string(name.empty() ? row.text(1) : name);
  out.spec.order = static_cast<DurableOrder>(row.number(3) & 0xff);
  out.start = row.unsigned_number(4);
  out.created = row.number(5);
  out.opened = row.number(6);
  out.note = std::string(text_of(row.blob(7)));
  const std::string patterns(row.text(2));
  out.sound = sum_of(out, patterns) == row.number(8);
  try {
    for (const Json& one : Json::parse(patterns)) {
      out.spec.patterns.push_back(Pattern::parse(one.get<std::string>()));
    }
  } catch (const std::exception&) {
    out.spec.patterns.clear();
  }
  // It is known by its name and takes its patterns from whoever opens it anew.
  if (!out.sound) out.note.clear();
  out.sound = out.sound && !out.spec.patterns.empty();
  if (!out.sound) {
    damages_.push_back("the durable subscription " + quote(out.spec.name) +
                       " does not pass its checksum; open it with on_change = replace");
  }
  return out;
}

std::optional<DurableRow> DurableTables::find(std::string_view name) {
  std::optional<DurableRow> out;
  if (find_name_.start(name).step()) out = durable_at(find_name_, name);
  find_name_.reset();
  return out ? std::move(out) : find_renamed(name);
}

/// Where there are many names it is not looked for each time that one is opened for the first time.
std::optional<DurableRow> DurableTables::find_renamed(std::string_view name) {
  const auto now = std::chrono::steady_clock::now();
  if (names_ > kNamesAtOnce && now < looked_for_damage_ + kLookForDamageEvery) return std::nullopt;
  looked_for_damage_ = now;
  std::optional<DurableRow> out;
  std::vector<std::string> suspects;
  names_ = 0;
  all_.reset();
  while (!out && all_.step()) {
    ++names_;
    const std::string stands_as(all_.text(1));
    if (durable_sum(all_, name) == all_.number(8)) {
      out = durable_at(all_, name);
      out->renamed = true;
      suspects = {"the name of the durable subscription " + quote(name) + " stood as " +
                  quote(stands_as) + " and does not pass its checksum; it goes on"};
    } else if (durable_sum(all_, stands_as) != all_.number(8)) {
      suspects.push_back("the durable subscription " + quote(stands_as) +
                         " does not pass its checksum, not even under the name " + quote(name) +
                         ", which is not there; it may be the one");
    }
  }
  all_.reset();
  damages_.insert(damages_.end(), suspects.begin(), suspects.end());
  return out;
}

std::optional<DurableRow> DurableTables::find(DurableNumber number) {
  std::optional<DurableRow> out;
  if (find_number_.start(number).step()) out = durable_at(find_number_);
  find_number_.reset();
  return out;
}

std::int64_t DurableTables::version(DurableNumber number) {
  const std::int64_t sum = version_.start(number).step() ? version_.number(0) | 1 : 0;
  version_.reset();
  return sum;
}

std::vector<DurableRow> DurableTables::all() {
  std::vector<DurableRow> out;
  all_.reset();
  while (all_.step()) out.push_back(durable_at(all_));
  all_.reset();
  return out;
}

DurableNumber DurableTables::add(const DurableSpec& spec, std::uint64_t start, std::int64_t now) {
  DurableRow row{.spec = spec, .start = start, .created = now, .opened = now};
  const std::string patterns = patterns_text(spec.patterns);
  add_.start(std::string_view(spec.name), std::string_view(patterns),
             static_cast<std::int64_t>(spec.order), start, now, now);
  if (add_.step()) row.number = add_.number(0);
  (void)add_.step();
  add_.reset();
  update(row);
  put_cursor(row.number, {.cursor = start});
  put_safe_cursor(row.number);
  return row.number;
}

void DurableTables::update(const DurableRow& row) {
  const std::string patterns = patterns_text(row.spec.patterns);
  update_.run(std::string_view(patterns), static_cast<std::int64_t>(row.spec.order), row.opened,
              std::as_bytes(std::span(row.note.data(), row.note.size())), sum_of(row, patterns),
              row.number);
}

void DurableTables::rename(const DurableRow& row) {
  rename_.run(std::string_view(row.spec.name), row.number);
}

void DurableTables::remove(DurableNumber number) {
  const std::string id = std::to_string(number);
  for (const char* const table : {"cursors", "safe_cursors", "leases", "exceptions"}) {
    database_.run("DELETE FROM " + std::string(table) + " WHERE durable=" + id);
  }
  database_.run("DELETE FROM durables WHERE id=" + id);
}

// -- Cursors --------------------------------------------------------------------------------------

CursorRow DurableTables::cursor(DurableNumber number) {
  CursorRow row;
  bool sound = false;
  if (cursor_.start(number).step()) {
    row = {cursor_.unsigned_number(0), cursor_.number(1), cursor_.number(2), cursor_.number(3)};
    sound = sum_of(number, row) == cursor_.number(4);
  }
  cursor_.reset();
  if (sound) return row;
  damages_.emplace_back("a cursor does not pass its checksum; it goes back to the last safe one");
  return {.cursor = safe_cursor(number)};
}

void DurableTables::put_cursor(DurableNumber number, const CursorRow& row) {
  put_cursor_.run(number, row.cursor, row.leader, row.leader_until, row.leader_span,
                  sum_of(number, row));
}

std::uint64_t DurableTables::safe_cursor(DurableNumber number) {
  std::uint64_t cursor = 0;
  bool sound = false;
  if (safe_.start(number).step()) {
    cursor = safe_.unsigned_number(0);
    sound = sum_of(std::array{number, to_signed(cursor)}) == safe_.number(1);
  }
  safe_.reset();
  if (sound) return cursor;
  const std::optional<DurableRow> row = find(number);
  return row && row->sound ? row->start : 0;
}

void DurableTables::put_safe_cursor(DurableNumber number) {
  std::uint64_t safe = cursor(number).cursor;
  for (Statement* const lowest : {&lowest_lease_, &lowest_exception_}) {
    if (lowest->start(number).step() && !lowest->is_null(0)) {
      safe = std::min(safe, lowest->unsigned_number(0) - 1);
    }
    lowest->reset();
  }
  put_safe_.run(number, safe, sum_of(std::array{number, to_signed(safe)}));
}

bool DurableTables::repair(DurableNumber number) {
  const auto mine = [number](const auto& one) { return one.first == number; };
  const bool bad_rows = std::any_of(bad_exceptions_.begin(), bad_exceptions_.end(), mine);
  if (!bad_rows && std::none_of(bad_leases_.begin(), bad_leases_.end(), mine)) return false;
  // It goes back over all that is out: what else is damaged must not stay behind.
  (void)leases(number);
  (void)living(number);
  for (const auto& [durable, id] : bad_leases_) {
    if (durable != number) continue;
    if (lease_.start(number, id).step()) {
      const LeaseRow row = lease_in(lease_);
      const std::int64_t sum = lease_.number(7);
      go_back_with(number, [&](DurableNumber other) { return sum_of(other, row) == sum; });
    }
    lease_.reset();
    remove_lease(id);
  }
  for (const auto& [durable, sequence] : bad_exceptions_) {
    if (durable != number) continue;
    if (exception_.start(number, sequence).step()) {
      const ExceptionRow row = exception_in(exception_);
      const std::string deaths(exception_.text(10));
      const std::int64_t sum = exception_.number(11);
      go_back_with(number, [&](DurableNumber other) { return sum_of(other, row, deaths) == sum; });
    }
    exception_.reset();
    remove_exception(number, sequence);
  }
  std::erase_if(bad_leases_, mine);
  std::erase_if(bad_exceptions_, mine);
  go_back(number);
  return true;
}

void DurableTables::go_back_with(DurableNumber number,
                                 const std::function<bool(DurableNumber)>& passes) {
  Statement names(database_, "SELECT id FROM durables");
  while (names.step()) {
    const DurableNumber other = names.number(0);
    if (other != number && passes(other)) go_back(other);
  }
}

void DurableTables::take_back_strays() {
  const std::vector<std::string> found = strays();
  if (found.empty()) return;
  damages_.insert(damages_.end(), found.begin(), found.end());
  take_back_all();
}

void DurableTables::go_back(DurableNumber number) {
  CursorRow row = cursor(number);
  row.cursor = std::min(row.cursor, safe_cursor(number));
  put_cursor(number, row);
}

std::uint64_t DurableTables::sure_cursor(DurableNumber number) {
  const std::uint64_t known = cursor(number).cursor;
  bool sound = true;
  leases_.start(number);
  while (leases_.step()) sound = lease_at(number, leases_).has_value() && sound;
  leases_.reset();
  return sound ? known : std::min(known, safe_cursor(number));
}

std::vector<std::string> DurableTables::strays() {
  std::vector<std::string> out;
  for (const char* const table : {"cursors", "leases", "exceptions"}) {
    // From name to name, and not from row to row.
    const std::string next = std::string("(SELECT min(durable) FROM ") + table;
    std::string sql = "WITH RECURSIVE d(n) AS (SELECT ";
    sql.append(next).append(") UNION ALL SELECT ").append(next);
    sql.append(
        " WHERE durable > d.n) FROM d WHERE d.n IS NOT NULL) SELECT n FROM d WHERE n IS NOT ");
    sql.append("NULL AND n NOT IN (SELECT id FROM durables) LIMIT 1");
    if (Statement(database_, sql).step()) {
      out.push_back(std::string("rows of ") + table +
                    " are of no durable name: their number is damaged");
    }
  }
  return out;
}

void DurableTables::take_back_all() {
  for (const DurableRow& row : all()) go_back(row.number);
  for (const char* const table : {"cursors", "leases", "exceptions"}) {
    database_.run(std::string("DELETE FROM ") + table +
                  " WHERE durable NOT IN (SELECT id FROM durables)");
  }
}

// -- Leases ---------------------------------------------------------------------------------------

std::optional<LeaseRow> DurableTables::lease_at(DurableNumber number, Statement& row) {
  LeaseRow out = lease_in(row);
  if (sum_of(number, out) == row.number(7)) return out;
  damages_.emplace_back("a lease does not pass its checksum; what it held is given out again");
  const std::pair bad(number, out.id);
  if (std::find(bad_leases_.begin(), bad_leases_.end(), bad) == bad_leases_.end()) {
    bad_leases_.push_back(bad);
  }
  return std::nullopt;
}

std::vector<LeaseRow> DurableTables::leases(DurableNumber number) {
  std::vector<LeaseRow> out;
  leases_.start(number);
  while (leases_.step()) {
    if (auto one = lease_at(number, leases_)) out.push_back(std::move(*one));
  }
  leases_.reset();
  return out;
}

std::optional<LeaseRow> DurableTables::lease(DurableNumber number, std::int64_t id) {
  auto out = lease_.start(number, id).step() ? lease_at(number, lease_) : std::nullopt;
  lease_.reset();
  return out;
}

std::int64_t DurableTables::add_lease(DurableNumber number, const LeaseRow& row) {
  add_lease_.run(number, row.lo, row.hi, row.token, row.until, row.span, row.done.bytes(),
                 sum_of(number, row));
  return sqlite3_last_insert_rowid(database_.handle());
}

std::int64_t DurableTables::add_lease_at(std::int64_t id, DurableNumber number,
                                         const LeaseRow& row) {
  add_lease_at_.run(row.lo, row.hi, row.until, row.span, row.done.bytes(), sum_of(number, row), id,
                    number, row.token);
  return sqlite3_changes(database_.handle()) == 1 ? id : add_lease(number, row);
}

void DurableTables::update_lease(DurableNumber number, const LeaseRow& row) {
  update_lease_.run(row.until, row.span, row.done.bytes(), sum_of(number, row), row.id);
}

void DurableTables::remove_lease(std::int64_t id) { remove_lease_.run(id); }

// -- Exceptions -----------------------------------------------------------------------------------

std::optional<ExceptionRow> DurableTables::exception_at(DurableNumber number, Statement& row) {
  ExceptionRow out = exception_in(row);
  const std::string_view deaths = row.text(10);
  if (sum_of(number, out, deaths) == row.number(11)) {
    if (!deaths.empty()) out.deaths = deaths_of(deaths);
    return out;
  }
  damages_.push_back("the state of event " + std::to_string(out.sequence) +
                     " does not pass its checksum; it is given out again");
  const std::pair bad(number, out.sequence);
  if (std::find(bad_exceptions_.begin(), bad_exceptions_.end(), bad) == bad_exceptions_.end()) {
    bad_exceptions_.push_back(bad);
  }
  return std::nullopt;
}

std::vector<ExceptionRow> DurableTables::exceptions_of(DurableNumber number, Statement& rows) {
  std::vector<ExceptionRow> out;
  while (rows.step()) {
    if (auto one = exception_at(number, rows)) out.push_back(std::move(*one));
  }
  rows.reset();
  return out;
}

std::optional<ExceptionRow> DurableTables::exception(DurableNumber number, std::uint64_t sequence) {
  auto out =
      exception_.start(number, sequence).step() ? exception_at(number, exception_) : std::nullopt;
  exception_.reset();
  return out;
}

std::vector<ExceptionRow> DurableTables::due(DurableNumber number, ExceptionState state,
                                             std::int64_t until, std::size_t limit) {
  Statement& rows = state == ExceptionState::waiting ? due_waiting_ : due_leased_;
  rows.start(number, until, static_cast<std::int64_t>(limit));
  return exceptions_of(number, rows);
}

std::vector<ExceptionRow> DurableTables::with_token(DurableNumber number, Token token) {
  with_token_.start(number, token);
  return exceptions_of(number, with_token_);
}

std::vector<ExceptionRow> DurableTables::living(DurableNumber number) {
  living_.start(number);
  return exceptions_of(number, living_);
}

void DurableTables::each_letter(std::uint64_t after, DurableNumber of,
                                const std::function<bool(DurableNumber, ExceptionRow*)>& use) {
  letters_.start(std::min<std::uint64_t>(after, std::numeric_limits<std::int64_t>::max()), of);
  while (letters_.step()) {
    const DurableNumber number = letters_.number(kDurableOfAll);
    auto one = exception_at(number, letters_);
    if (!use(number, one ? &*one : nullptr)) break;
  }
  letters_.reset();
}

void DurableTables::each_exception(std::uint64_t from, std::uint64_t to,
                                   const std::function<void(DurableNumber, ExceptionRow*)>& use) {
  exceptions_between_.start(from, to);
  while (exceptions_between_.step()) {
    const DurableNumber number = exceptions_between_.number(kDurableOfAll);
    auto one = exception_at(number, exceptions_between_);
    use(number, one ? &*one : nullptr);
  }
  exceptions_between_.reset();
}

std::size_t DurableTables::count_letters(DurableNumber number) {
  count_letters_.start(number);
  const std::size_t count = count_letters_.step() ? count_letters_.unsigned_number(0) : 0;
  count_letters_.reset();
  return count;
}

void DurableTables::put(DurableNumber number, const ExceptionRow& row) {
  const std::string deaths = row.deaths.empty() ? std::string() : deaths_text(row.deaths);
  put_.run(number, row.sequence, static_cast<std::int64_t>(row.state), row.token, row.until,
           row.span, std::int64_t{row.attempts}, std::int64_t{row.suspect}, row.letter, row.changed,
           std::string_view(row.error), std::string_view(deaths), sum_of(number, row, deaths));
}

void DurableTables::remove_exception(DurableNumber number, std::uint64_t sequence) {
  remove_exception_.run(number, sequence);
}

std::optional<std::int64_t> DurableTables::next_due(DurableNumber number, std::int64_t now) {
  std::optional<std::int64_t> out;
  if (next_due_.start(number, now).step() && !next_due_.is_null(0)) out = next_due_.number(0);
  next_due_.reset();
  return out;
}

std::optional<std::uint64_t> DurableTables::lowest_waiting(DurableNumber number, std::int64_t now) {
  std::optional<std::uint64_t> out;
  if (lowest_waiting_.start(number, now).step() && !lowest_waiting_.is_null(0)) {
    out = lowest_waiting_.unsigned_number(0);
  }
  lowest_waiting_.reset();
  return out;
}

std::size_t DurableTables::bytes_of(std::uint64_t sequence) {
  std::size_t bytes = 0;
  if (event_bytes_.start(sequence).step()) {
    bytes = static_cast<std::size_t>(std::max<std::int64_t>(event_bytes_.number(0), 0));
  }
  event_bytes_.reset();
  return bytes;
}

std::vector<Token> DurableTables::holders(std::int64_t now) {
  std::vector<Token> out;
  holders_.start(now);
  while (holders_.step()) out.push_back(holders_.number(0));
  holders_.reset();
  return out;
}

void DurableTables::lapse(Token token, std::int64_t now) {
  using Rows = std::vector<std::pair<DurableNumber, std::int64_t>>;
  const auto rows_of = [token](Statement& statement) {
    Rows rows;
    statement.start(token);
    while (statement.step()) rows.emplace_back(statement.number(0), statement.number(1));
    statement.reset();
    return rows;
  };
  const Rows leases = rows_of(leases_of_);
  const Rows exceptions = rows_of(exceptions_of_);
  for (const Rows* const rows : {&leases, &exceptions}) {
    for (const auto& [number, row] : *rows) {
      if (version(number) == 0) return take_back_strays();
    }
  }
  for (const auto& [number, id] : leases) {
    std::optional<LeaseRow> row = lease(number, id);
    if (!row) {
      (void)repair(number);  // else it is found again and again
    } else if (row->until > now) {
      row->until = now;
      update_lease(number, *row);
    }
  }
  for (const auto& [number, sequence] : exceptions) {
    std::optional<ExceptionRow> row = exception(number, static_cast<std::uint64_t>(sequence));
    if (!row) {
      (void)repair(number);
    } else if (row->until > now) {
      row->until = now;
      put(number, *row);
    }
  }
  std::vector<DurableNumber> led;
  led_by_.start(token);
  while (led_by_.step()) led.push_back(led_by_.number(0));
  led_by_.reset();
  for (const DurableNumber number : led) {
    CursorRow row = cursor(number);
    if (row.leader != token || row.leader_until <= now) continue;
    row.leader_until = now;
    put_cursor(number, row);
  }
}

std::optional<std::uint64_t> DurableTables::lowest_living(DurableNumber number) {
  std::optional<std::uint64_t> out;
  if (lowest_exception_.start(number).step() && !lowest_exception_.is_null(0)) {
    out = lowest_exception_.unsigned_number(0);
  }
  lowest_exception_.reset();
  return out;
}

void DurableTables::shorten_waits(std::int64_t now) {
  for (const DurableRow& durable : all()) shorten_waits(durable.number, now);
}

void DurableTables::shorten_waits(DurableNumber number, std::int64_t now) {
  CursorRow row = cursor(number);
  if (row.leader != 0 && row.leader_until - now > row.leader_span) {
    row.leader_until = now + row.leader_span;
    put_cursor(number, row);
  }
  for (LeaseRow& lease : leases(number)) {
    if (lease.until - now <= lease.span) continue;
    lease.until = now + lease.span;
    update_lease(number, lease);
  }
  for (ExceptionRow& one : living(number)) {
    if (one.until - now <= one.span) continue;
    one.until = now + one.span;
    put(number, one);
  }
}

bool DurableTables::has_living(DurableNumber number) {
  const bool has = has_living_.start(number).step();
  has_living_.reset();
  return has;
}

bool DurableTables::waits_too_long(DurableNumber number, std::int64_t now) {
  longest_.start(number);
  const std::vector<ExceptionRow> longest = exceptions_of(number, longest_);
  return !longest.empty() && longest.front().until - now > longest.front().span + kSetBack;
}

std::vector<Token> DurableTables::holders(DurableNumber number, std::int64_t now) {
  std::vector<Token> out;
  for (const LeaseRow& one : leases(number)) {
    if (one.until > now) out.push_back(one.token);
  }
  leased_tokens_.start(number, now);
  while (leased_tokens_.step()) out.push_back(leased_tokens_.number(0));
  leased_tokens_.reset();
  const CursorRow row = cursor(number);
  if (row.leader != 0 && row.leader_until > now) out.push_back(row.leader);
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

}  // namespace busway::sqlite
