#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <filesystem>
#include <functional>
#include <limits>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <semaphore>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "base/escape.hpp"
#include "busway/error.hpp"
#include "busway/sqlite.hpp"
#include "core.hpp"
#include "doorbell.hpp"
#include "schema.hpp"
#include "sqlite_consumer.hpp"
#include "store/event_query.hpp"
#include "store/store_calls.hpp"

namespace busway {
namespace sqlite {
namespace {

namespace fs = std::filesystem;

/// How long news of another process can take where its ring is lost.
constexpr auto kLookEvery = std::chrono::milliseconds(100);
constexpr auto kHouseEvery = std::chrono::seconds(2);
constexpr auto kLookForTheDeadEvery = std::chrono::seconds(1);
/// How often it is written that a name is in use, at least; and so many times in the shortest
/// expiry that one of the openings has.
constexpr std::int64_t kSayInUseEvery = 600'000'000'000;
constexpr std::int64_t kSayInUseInExpiry = 4;
/// Looks of the house that find a name expired, before it is forgotten.
constexpr int kExpiredLooks = 3;
/// Events that one transaction deletes, and pages that one gives back.
constexpr std::size_t kTrimAtOnce = 500;
constexpr std::int64_t kVacuumAtOnce = 500;
/// Events that are looked at for it in one go.
constexpr std::uint64_t kLookAtOnce = 8'192;
/// Appends after which the retention is looked at; more where much has to be looked at, so that no
/// append pays for more than a few looks.
constexpr std::uint64_t kTrimEvery = 256;

[[noreturn]] void refuse(ErrorCode code, const std::string& path, const std::string& why) {
  throw Error(code, "the store sqlite:" + escape(path) + ' ' + why);
}

std::string last_error() { return std::error_code(errno, std::generic_category()).message(); }

/// What SQLite said while the file was opened, in words of what is to be done.
[[noreturn]] void refuse(const Fault& fault, const std::string& path) {
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

/// The one name of the file, whichever it is opened by and from wherever: gate, doorbell and log
/// are named after it, and a relative one would be another file after chdir().
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

/// The entry of a new file is durable.
void sync_folder(const std::string& path) noexcept {
  const fs::path folder = fs::path(path).parent_path();
  const int descriptor = open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return;
  (void)fsync(descriptor);
  close(descriptor);
}

Durability durability_of(const StoreOptions& options, const std::string& path) {
  const Durability wanted = options.durability.value_or(Durability::power_loss);
  if (wanted == Durability::memory) {
    refuse(ErrorCode::invalid_option, path,
           "keeps events beyond the process; its durability is process_crash or power_loss");
  }
  return wanted;
}

/// Opens the file, brings it up to date, and enters an opening, whose number it returns.
std::uint64_t prepare(const std::string& path, const StoreOptions& options) {
  const bool is_new = FileIdentity::of(path) == FileIdentity{};
  if (is_new && !options.create) {
    refuse(ErrorCode::store_unavailable, path, "does not exist");
  }
  std::optional<WriteGate> gate;
  try {
    gate.emplace(path + "-gate");
  } catch (const std::system_error& error) {
    refuse(ErrorCode::store_unavailable, path,
           "cannot be written: " + escape(path) + "-gate: " + error.code().message());
  }
  if (!gate->lock(options.timeout)) {
    refuse(ErrorCode::store_unavailable, path,
           "is held by another process at " + escape(path) +
               "-gate, which did not let go of it in time");
  }
  std::uint64_t opening = 0;
  try {
    Database database(path, Database::Access::create);
    database.run("PRAGMA busy_timeout=" +
                 std::to_string(std::max<std::int64_t>(1, options.timeout.count() / 1'000'000)));
    require_ours(database, path);
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
    database.run("COMMIT");
  } catch (...) {
    gate->unlock();
    throw;
  }
  gate->unlock();
  if (is_new) sync_folder(path);
  return opening;
}

Token random_token() {
  std::random_device device;
  const std::uint64_t word = std::uint64_t{device()} << 32U | device();
  return static_cast<Token>(word >> 1U | 1U);  // positive, and not 0
}

std::string words(FileIdentity identity) {
  return std::to_string(identity.device) + '-' + std::to_string(identity.inode);
}

/// At once, as a first attempt.
void give_again(Transaction& transaction, DurableNumber number, ExceptionRow& row) {
  row.state = ExceptionState::waiting;
  row.attempts = 0;
  row.suspect = false;
  row.span = 0;
  row.until = transaction.now;
  transaction.durables.put(number, row);
}

class SqliteStore final : public Store {
 public:
  SqliteStore(const std::string& path, const StoreOptions& options, std::uint64_t opening,
              Durability durability);
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
            .vacuum = true};
  }
  [[nodiscard]] StoreStats stats() override;
  [[nodiscard]] StoreCensus census() override;
  [[nodiscard]] std::uint64_t writer() const noexcept override { return opening_; }

  using Store::append;
  void append(AppendRequest& request) noexcept override { core_->writer->append(request); }
  void append(std::span<const Event> events, std::span<AppendResult> results) noexcept override;
  [[nodiscard]] StorePage read(const StoreQuery& query) override;
  [[nodiscard]] std::optional<StoredEvent> find(const EventId& id) override;
  [[nodiscard]] std::optional<StoredStatus> status(const EventId& id) override;
  [[nodiscard]] Watch watch(std::function<void()> news) override {
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
  void listen();
  void keep_house();
  void say_in_use();
  void forget_names();
  void bury_the_dead(DurableTables& tables);
  void refresh_openings();
  void committed();
  [[nodiscard]] std::uint64_t start_of(const DurableSpec& spec, std::uint64_t last);
  /// The first event that was appended at this time or later, as far as clocks went forward.
  [[nodiscard]] static std::uint64_t first_appended(Reader& reader, std::int64_t time);
  [[nodiscard]] static std::vector<StoredDelivery> deliveries_of(
      Reader& reader, const std::vector<DurableRow>& durables, std::uint64_t sequence,
      std::string_view topic);
  /// What openings here have looked at and passed by; in the file it is a while later.
  using Seen = std::unordered_map<DurableNumber, std::uint64_t>;
  [[nodiscard]] Seen seen_here() const;
  [[nodiscard]] std::vector<DurableInfo> durables_of(Reader& reader, const Seen& seen) const;
  [[nodiscard]] StoreStats stats_of(Reader& reader) const;
  [[nodiscard]] static DurableCount count_of(Reader& reader, DurableInfo info);
  [[nodiscard]] std::vector<StoredLetter> letters_of(Reader& reader,
                                                     const StoredLetterQuery& query);
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

  const std::shared_ptr<Core> core_;
  const std::uint64_t opening_;
  const Durability durability_;
  const WallTime opened_;
  Doorbell doorbell_;
  std::mutex mutex_;
  // Guarded by mutex_.
  std::vector<std::uint64_t> openings_;  // others
  std::int64_t say_in_use_every_ = kSayInUseEvery;
  std::uint64_t appended_at_house_ = 0;  // of whoever writes
  // Of the listener.
  std::int64_t said_in_use_ = 0;
  std::uint64_t trimmed_to_ = 0;  // where the next look for what can be removed begins
  struct Expired {
    std::int64_t opened = 0;
    int looks = 0;
  };
  std::map<DurableNumber, Expired> expired_;
  std::atomic<std::uint64_t> trim_after_{kTrimEvery};  // appends
  std::atomic<bool> house_wanted_{false};
  std::atomic<bool> ending_{false};
  std::mutex close_mutex_;
  std::thread listener_;
};

SqliteStore::SqliteStore(const std::string& path, const StoreOptions& options,
                         std::uint64_t opening, Durability durability)
    : core_(std::make_shared<Core>(Writer::Settings{.path = path,
                                                    .opening = opening,
                                                    .options = options,
                                                    .durability = durability,
                                                    .identity = FileIdentity::of(path),
                                                    .committed = [this] { committed(); }})),
      opening_(opening),
      durability_(durability),
      opened_(options.clock->wall()),
      doorbell_(words(FileIdentity::of(path)), opening) {
  said_in_use_ = opened_.time_since_epoch().count();
  refresh_openings();
  {
    const std::lock_guard lock(mutex_);
    (void)doorbell_.ring(openings_, Doorbell::Ring::openings);
  }
  listener_ = std::thread([this] { listen(); });
}

StoreInfo SqliteStore::info() const {
  StoreInfo out{.provider = "sqlite",
                .address = "sqlite:" + core_->path,
                .engine = std::string("SQLite ") + sqlite3_libversion(),
                .format = "busway-sqlite " + std::to_string(kVersion),
                .durability = durability_,
                .notes = {}};
  if (sqlite3_libversion_number() < 3'051'003) {
    out.notes.emplace_back(
        "SQLite before 3.51.3 can lose commits when a checkpoint of one connection meets a commit "
        "of another; all commits and checkpoints of busway go through PATH-gate, one at a time");
  }
  out.notes.emplace_back(
      "writers that do not hold PATH-gate, the sqlite3 shell among them, are not supported while "
      "the store is in use");
  return out;
}

// -- Listening ------------------------------------------------------------------------------------

/// On the writer's thread.
void SqliteStore::committed() {
  {
    const std::lock_guard lock(mutex_);
    for (const std::uint64_t gone : doorbell_.ring(openings_, Doorbell::Ring::news)) {
      std::erase(openings_, gone);
    }
  }
  core_->watches.tell();
  if (core_->options.retention.keeps_all()) return;
  const std::uint64_t appended = core_->writer->appended();
  if (appended - appended_at_house_ < trim_after_) return;
  appended_at_house_ = appended;
  house_wanted_ = true;
  doorbell_.wake();
}

void SqliteStore::refresh_openings() {
  try {
    const Core::Borrowed reader = core_->reader();
    Statement list(reader->database,
                   "SELECT id FROM openings WHERE closed IS NULL AND id <> ? ORDER BY id DESC "
                   "LIMIT 1000");
    std::vector<std::uint64_t> others;
    list.start(opening_);
    while (list.step()) others.push_back(list.unsigned_number(0));
    const std::int64_t expiry = reader->database.number(
        "SELECT ifnull(min(expiry), 0) FROM openings WHERE closed IS NULL AND expiry > 0");
    const std::lock_guard lock(mutex_);
    openings_ = std::move(others);
    say_in_use_every_ =
        expiry > 0 ? std::min(kSayInUseEvery, expiry / kSayInUseInExpiry) : kSayInUseEvery;
  } catch (const std::exception&) {
    // Looking now and then remains.
  }
}

void SqliteStore::listen() {
  std::optional<Reader> reader;
  std::int64_t version = 0;
  auto house_at = std::chrono::steady_clock::now() + kHouseEvery;
  auto dead_at = std::chrono::steady_clock::now() + kLookForTheDeadEvery;
  while (!ending_) {
    const Doorbell::Heard heard = doorbell_.wait(kLookEvery);
    if (ending_) return;
    if (heard == Doorbell::Heard::openings) refresh_openings();
    if (heard != Doorbell::Heard::nothing) core_->watches.tell();
    if (heard != Doorbell::Heard::nothing && !house_wanted_) continue;
    try {
      if (!reader) reader.emplace(core_->path);
      const std::int64_t now = reader->database.number("PRAGMA data_version");
      if (std::exchange(version, now) != now) core_->watches.tell();
      if (std::chrono::steady_clock::now() >= dead_at) {
        bury_the_dead(reader->tables);
        dead_at = std::chrono::steady_clock::now() + kLookForTheDeadEvery;
      }
    } catch (const Fault&) {
      reader.reset();
    }
    if (house_wanted_.exchange(false) || std::chrono::steady_clock::now() >= house_at) {
      keep_house();
      house_at = std::chrono::steady_clock::now() + kHouseEvery;
    }
  }
}

/// What is out at an opening that died is to come again at once. One that was stopped lives.
void SqliteStore::bury_the_dead(DurableTables& tables) {
  {
    const std::lock_guard lock(core_->consumers_mutex);
    if (core_->consumers.empty()) return;  // nobody here would get it
  }
  std::vector<Token> dead = tables.holders(core_->now());
  std::erase_if(dead, [&](Token one) { return core_->presence.is_there(one); });
  if (dead.empty()) return;
  try {
    core_->writer->call([&](Transaction& transaction) {
      for (const Token one : dead) transaction.durables.lapse(one, transaction.now);
    });
    core_->watches.tell();
  } catch (const std::exception&) {
    // It is looked for again, and what they hold lapses by itself.
  }
}

void SqliteStore::keep_house() {
  try {
    refresh_openings();
    say_in_use();
    std::vector<std::uint64_t> gone;
    {
      const std::lock_guard lock(mutex_);
      gone = doorbell_.ring(openings_, Doorbell::Ring::news);
      for (const std::uint64_t one : gone) std::erase(openings_, one);
    }
    if (!gone.empty()) {
      core_->writer->call([&](Transaction& transaction) {
        Statement close(transaction.database, "UPDATE openings SET closed=? WHERE id=?");
        for (const std::uint64_t one : gone) close.run(transaction.now, one);
      });
    }
    if (!core_->options.retention.keeps_all()) trim_some();
    if (core_->options.durable_expiry) forget_names();
  } catch (const std::exception& error) {
    core_->log(LogLevel::warning, std::string("keeping house: ") + error.what());
  }
}

/// One transaction for all names, and only where there is something to say.
void SqliteStore::say_in_use() {
  const std::int64_t now = core_->now();
  std::int64_t every = 0;
  {
    const std::lock_guard lock(mutex_);
    every = say_in_use_every_;
  }
  // As long as this is held none of them goes away.
  const std::lock_guard lock(core_->consumers_mutex);
  const bool due = now - said_in_use_ >= every || now < said_in_use_;
  std::vector<std::pair<SqliteConsumer*, SqliteConsumer::Passed>> moved;
  for (SqliteConsumer* const one : core_->consumers) {
    if (const auto passed = one->passed()) moved.emplace_back(one, *passed);
  }
  if (core_->consumers.empty() || (!due && moved.empty())) return;
  core_->writer->call([&](Transaction& transaction) {
    for (const SqliteConsumer* const one : core_->consumers) {
      if (due) one->say_in_use(transaction);
    }
    for (const auto& [one, passed] : moved) one->write_passed(transaction, passed);
  });
  if (due) said_in_use_ = now;
  for (const auto& [one, passed] : moved) one->take(passed);
}

/// What nobody has opened for too long, as some looks in a row have found: whoever has it open has
/// had the time to say so in between, also where this opening is new, or the machine was asleep.
void SqliteStore::forget_names() {
  const std::int64_t before = core_->now() - core_->options.durable_expiry->count();
  std::map<DurableNumber, Expired> expired;
  std::vector<std::string> names;
  core_->asking([&] {
    const Core::Borrowed reader = core_->reader();
    for (const DurableRow& row : reader->tables.all()) {
      if (!row.sound || row.opened >= before) continue;
      const auto known = expired_.find(row.number);
      const bool again = known != expired_.end() && known->second.opened == row.opened;
      const int looks = again ? known->second.looks + 1 : 1;
      expired[row.number] = {row.opened, looks};
      if (looks >= kExpiredLooks) names.push_back(row.spec.name);
    }
    core_->tell_damages(reader->tables);
    return true;
  });
  expired_ = std::move(expired);
  for (const std::string& name : names) {
    core_->log(LogLevel::warning, "the durable subscription " + quote(name) +
                                      " was not opened for too long and is forgotten");
    (void)remove(name);
  }
}

// -- The log --------------------------------------------------------------------------------------

std::uint64_t SqliteStore::first_appended(Reader& reader, std::int64_t time) {
  const auto bound = [](Statement& statement) {
    statement.reset();
    const std::uint64_t value = statement.step() ? statement.unsigned_number(0) : 0;
    statement.reset();
    return value;
  };
  std::uint64_t low = bound(reader.first);
  std::uint64_t high = bound(reader.last) + 1;
  if (low == 0) return 0;
  while (low < high) {
    const std::uint64_t middle = low + (high - low) / 2;
    reader.after.start(middle - 1, std::numeric_limits<std::int64_t>::max());
    bool there = reader.after.step();
    while (there && !EventReader::head_is_sound(reader.after)) there = reader.after.step();
    if (there && reader.after.number(4) < time) {
      low = std::max(middle, reader.after.unsigned_number(0)) + 1;
    } else {
      high = middle;
    }
    reader.after.reset();
  }
  return low;
}

namespace {

/// Waits for its answer without a thread to tell it, where it has come already.
class Awaited final : public AppendRequest {
 public:
  using AppendRequest::AppendRequest;
  void done() noexcept override { answered_.release(); }
  void wait() noexcept { answered_.acquire(); }

 private:
  std::binary_semaphore answered_{0};
};

}  // namespace

void SqliteStore::append(std::span<const Event> events, std::span<AppendResult> results) noexcept {
  if (events.empty()) return;
  Awaited request(events, results);
  core_->writer->append_here(request);
  request.wait();
}

StorePage SqliteStore::read(const StoreQuery& query) {
  StorePage page;
  page.next = query.after;
  std::vector<std::pair<std::uint64_t, std::string>> damaged;
  core_->asking([&] {
    const Core::Borrowed reader = core_->reader();
    const std::size_t limit = query.limit != 0 ? query.limit : limits::kStorePage;
    const bool forward = query.direction == StoreQuery::Direction::oldest_first;
    constexpr std::uint64_t kLast = std::numeric_limits<std::int64_t>::max();
    TimeBlocks::Part left;
    if (forward) {
      left = {std::min(query.after, kLast - 1) + 1, std::min(query.up_to.value_or(kLast), kLast)};
    } else {
      left = {std::max<std::uint64_t>(query.up_to.value_or(1), 1),
              query.after == 0 ? kLast : std::min(query.after, kLast) - 1};
    }
    TimeBlocks::Times times;
    if (query.since) times.since = query.since->time_since_epoch().count();
    if (query.until) times.until = query.until->time_since_epoch().count();
    const bool by_time = query.since || query.until;
    if (by_time) {
      reader->last.reset();
      left.high = std::min(left.high, reader->last.step() ? reader->last.unsigned_number(0) : 0);
      reader->last.reset();
    }
    std::vector<DurableRow> durables;
    if (query.status) durables = reader->tables.all();
    std::unordered_map<std::int64_t, bool> topics;
    const auto wanted = [&](std::int64_t topic) {
      if (query.patterns.empty()) return true;
      const auto [known, first] = topics.try_emplace(topic, false);
      if (first) {
        const std::string_view name = reader->events.topics().name_of(topic);
        known->second = name.empty() || std::any_of(query.patterns.begin(), query.patterns.end(),
                                                    [name](const Pattern& pattern) {
                                                      return pattern.matches(name);
                                                    });
      }
      return known->second;
    };
    const auto read_row = [&](Statement& rows) {
      if (EventReader::head_is_sound(rows)) {
        if (query.not_by && rows.unsigned_number(5) == *query.not_by) return;
        if (!wanted(rows.number(2))) return;
      }
      EventRow row = reader->events.row_at(rows);
      if (!row.event) {
        damaged.emplace_back(row.sequence, std::move(row.damage));
        return;
      }
      if (!store_detail::fits(query, *row.event)) return;
      if (query.status &&
          store_detail::status_of(deliveries_of(*reader, durables, row.sequence,
                                                row.event->topic())) != *query.status) {
        return;
      }
      page.events.push_back({std::move(*row.event), row.sequence, row.writer});
    };
    Statement& rows = forward ? reader->after : reader->before;
    while (!left.empty() && !page.more) {
      TimeBlocks::Part part = left;
      if (by_time) {
        part = forward ? reader->times.next_up(left, times) : reader->times.next_down(left, times);
      }
      if (part.empty()) break;
      if (forward) {
        rows.start(part.low - 1, part.high);
        left.low = part.high + 1;
      } else {
        rows.start(std::min(part.high, kLast - 1) + 1, part.low);
        left.high = part.low - 1;
      }
      while (rows.step()) {
        if (page.events.size() == limit) {
          page.more = true;
          break;
        }
        page.next = rows.unsigned_number(0);
        read_row(rows);
      }
      rows.reset();
    }
    return true;
  });
  page.set_aside = damaged.size();
  core_->set_aside(damaged);
  return page;
}

std::optional<StoredEvent> SqliteStore::find(const EventId& id) {
  std::vector<std::pair<std::uint64_t, std::string>> damaged;
  auto found = core_->asking([&]() -> std::optional<StoredEvent> {
    const Core::Borrowed reader = core_->reader();
    const IdBytes bytes(id);
    if (!reader->by_id.start(bytes.bytes()).step()) return std::nullopt;
    EventRow row = reader->events.row_at(reader->by_id);
    if (row.event) return StoredEvent{std::move(*row.event), row.sequence, row.writer};
    damaged.emplace_back(row.sequence, std::move(row.damage));
    return std::nullopt;
  });
  core_->set_aside(damaged);
  return found;
}

std::vector<StoredDelivery> SqliteStore::deliveries_of(Reader& reader,
                                                       const std::vector<DurableRow>& durables,
                                                       std::uint64_t sequence,
                                                       std::string_view topic) {
  using State = StoredDelivery::State;
  const auto time = [](std::int64_t ns) { return WallTime(std::chrono::nanoseconds(ns)); };
  std::vector<StoredDelivery> out;
  for (const DurableRow& durable : durables) {
    StoredDelivery one{.durable = durable.spec.name};
    if (const auto row = reader.tables.exception(durable.number, sequence)) {
      one.attempts = row->attempts;
      one.error = row->error;
      if (row->changed != 0) one.changed = time(row->changed);
      switch (row->state) {
        case ExceptionState::dead: one.state = State::dead_lettered; break;
        case ExceptionState::leased: one.state = State::processing; break;
        case ExceptionState::waiting:
          one.state = row->attempts == 0 ? State::pending : State::retrying;
          one.due = time(row->until);
          break;
      }
      // One that is sent again is a failure until it has ended well.
      if (row->letter != 0) one.state = State::dead_lettered;
      out.push_back(std::move(one));
      continue;
    }
    const bool matches =
        std::any_of(durable.spec.patterns.begin(), durable.spec.patterns.end(),
                    [topic](const Pattern& pattern) { return pattern.matches(topic); });
    if (sequence <= durable.start || !matches) continue;
    if (sequence > reader.tables.cursor(durable.number).cursor) {
      one.state = State::pending;
    } else {
      const std::vector<LeaseRow> leases = reader.tables.leases(durable.number);
      const bool is_out = std::any_of(leases.begin(), leases.end(), [&](const LeaseRow& lease) {
        return sequence >= lease.lo && sequence <= lease.hi &&
               !lease.done.test(static_cast<std::size_t>(sequence - lease.lo));
      });
      one.state = is_out ? State::processing : State::completed;
      one.attempts = is_out ? 1 : 0;
    }
    out.push_back(std::move(one));
  }
  reader.tables.forget_damages();
  return out;
}

std::optional<StoredStatus> SqliteStore::status(const EventId& id) {
  std::optional<StoredEvent> stored = find(id);
  if (!stored) return std::nullopt;
  StoredStatus out;
  out.stored = std::move(*stored);
  core_->asking([&] {
    const Core::Borrowed reader = core_->reader();
    out.deliveries =
        deliveries_of(*reader, reader->tables.all(), out.stored.sequence, out.stored.event.topic());
    return true;
  });
  out.status = store_detail::status_of(out.deliveries);
  return out;
}

// -- Durable names --------------------------------------------------------------------------------

/// Events up to the answer are none of the name's.
std::uint64_t SqliteStore::start_of(const DurableSpec& spec, std::uint64_t last) {
  switch (spec.start.from) {
    case Replay::From::none: return last;
    case Replay::From::beginning: return 0;
    case Replay::From::sequence: return spec.start.position == 0 ? 0 : spec.start.position - 1;
    case Replay::From::last: {
      StoreQuery query{.direction = StoreQuery::Direction::newest_first,
                       .patterns = spec.patterns,
                       .limit = spec.start.count};
      if (spec.start.count == 0) return last;
      const StorePage page = read(query);
      return page.events.size() < spec.start.count ? 0 : page.events.back().sequence - 1;
    }
    case Replay::From::since: {
      StoreQuery query{.since = spec.start.time, .limit = 1};
      const StorePage page = read(query);
      return page.events.empty() ? last : page.events.front().sequence - 1;
    }
  }
  return last;
}

std::unique_ptr<StoreConsumer> SqliteStore::open(const DurableSpec& spec) {
  check_durable(spec);
  core_->require_open();
  // Looked for before, since it reads; events appended meanwhile lie behind it either way.
  std::optional<std::uint64_t> start;
  const bool reads =
      spec.start.from == Replay::From::last || spec.start.from == Replay::From::since;
  if (reads) start = start_of(spec, core_->writer->last_sequence());
  DurableRow row;
  core_->writer->call([&](Transaction& transaction) {
    DurableTables& tables = transaction.durables;
    const std::optional<DurableRow> known = tables.find(spec.name);
    if (!known) {
      row = {.spec = spec};
      row.start = start.value_or(start_of(spec, transaction.last_sequence));
      row.number = tables.add(spec, row.start, transaction.now);
      core_->tell_damages(tables);
      return;
    }
    row = *known;
    if (row.renamed) tables.rename(row);
    if (!row.sound) row.start = std::min(row.start, tables.cursor(row.number).cursor);
    row.opened = transaction.now;
    if (spec.on_change == OnChange::replace) {
      row.spec.patterns = spec.patterns;
      row.spec.order = spec.order;
    } else {
      require_same(spec, row.spec.patterns, row.spec.order);
    }
    tables.update(row);
    // A time that is damaged may lie so far ahead that nobody would come upon it.
    (void)tables.leases(row.number);
    (void)tables.living(row.number);
    (void)tables.repair(row.number);
    core_->tell_damages(tables);
    // The clock may have been set back while nobody was here.
    tables.shorten_waits(transaction.now);
    for (const Token one : tables.holders(transaction.now)) {
      if (!core_->presence.is_there(one)) tables.lapse(one, transaction.now);
    }
  });
  return std::make_unique<SqliteConsumer>(core_, row, random_token(), spec.lease);
}

bool SqliteStore::remove(std::string_view durable) {
  core_->require_open();
  bool found = false;
  core_->writer->call([&](Transaction& transaction) {
    const auto row = transaction.durables.find(durable);
    found = row.has_value();
    if (row) transaction.durables.remove(row->number);
  });
  return found;
}

SqliteStore::Seen SqliteStore::seen_here() const {
  Seen seen;
  const std::lock_guard lock(core_->consumers_mutex);
  for (const SqliteConsumer* const one : core_->consumers) {
    std::uint64_t& most = seen[one->number()];
    most = std::max(most, one->seen_to());
  }
  return seen;
}

std::vector<DurableInfo> SqliteStore::durables() {
  const Seen seen = seen_here();
  return core_->asking([&] { return durables_of(*core_->reader(), seen); });
}

std::vector<DurableInfo> SqliteStore::durables_of(Reader& reader, const Seen& seen) const {
  std::vector<DurableInfo> out;
  const std::int64_t now = core_->now();
  reader.last.reset();
  const std::uint64_t last = reader.last.step() ? reader.last.unsigned_number(0) : 0;
  reader.last.reset();
  for (const DurableRow& row : reader.tables.all()) {
    DurableInfo info;
    info.name = row.spec.name;
    info.patterns = row.spec.patterns;
    info.order = row.spec.order;
    info.created = WallTime(std::chrono::nanoseconds(row.created));
    info.opened = WallTime(std::chrono::nanoseconds(row.opened));
    const CursorRow cursor = reader.tables.cursor(row.number);
    info.cursor = cursor.cursor;
    const auto here = seen.find(row.number);
    if (here != seen.end()) info.cursor = std::max(info.cursor, here->second);
    info.lag = last - std::min(last, info.cursor);
    std::vector<Token> holders;
    if (cursor.leader != 0 && cursor.leader_until > now) holders.push_back(cursor.leader);
    for (const LeaseRow& lease : reader.tables.leases(row.number)) {
      for (std::size_t i = 0; i < lease.size(); ++i) {
        if (!lease.done.test(i)) ++info.leased;
      }
      if (lease.until > now) holders.push_back(lease.token);
    }
    for (const ExceptionRow& one : reader.tables.living(row.number)) {
      if (one.state == ExceptionState::leased) {
        ++info.leased;
        if (one.until > now) holders.push_back(one.token);
      } else {
        ++info.retrying;
      }
    }
    info.dead_letters = reader.tables.letters(row.number).size();
    std::sort(holders.begin(), holders.end());
    info.instances =
        static_cast<std::size_t>(std::unique(holders.begin(), holders.end()) - holders.begin());
    out.push_back(std::move(info));
  }
  core_->tell_damages(reader.tables);
  return out;
}

std::size_t SqliteStore::replay(std::string_view durable,
                                std::span<const std::uint64_t> sequences) {
  store_detail::check_replay(sequences);
  core_->require_open();
  std::size_t given = 0;
  bool found = false;
  core_->writer->call([&](Transaction& transaction) {
    given = 0;
    DurableTables& tables = transaction.durables;
    const std::optional<DurableRow> row = tables.find(durable);
    found = row.has_value();
    if (!found) return;
    const DurableNumber number = row->number;
    const std::uint64_t cursor = tables.cursor(number).cursor;
    const std::vector<LeaseRow> leases = tables.leases(number);
    Statement kept(transaction.database, "SELECT 1 FROM events WHERE seq=?");
    for (const std::uint64_t sequence : sequences) {
      const bool is_out = sequence > cursor ||
                          std::any_of(leases.begin(), leases.end(), [&](const LeaseRow& lease) {
                            return sequence >= lease.lo && sequence <= lease.hi &&
                                   !lease.done.test(static_cast<std::size_t>(sequence - lease.lo));
                          });
      if (is_out || !kept.start(sequence).step()) continue;
      std::optional<ExceptionRow> one = tables.exception(number, sequence);
      if (one && one->state != ExceptionState::dead) continue;
      if (!one) one.emplace().sequence = sequence;
      give_again(transaction, number, *one);
      ++given;
    }
    (void)tables.repair(number);
    core_->tell_damages(tables);
  });
  if (!found) store_detail::no_such_durable(durable);
  return given;
}

std::vector<StoredLetter> SqliteStore::letters_of(Reader& reader, const StoredLetterQuery& query) {
  std::vector<StoredLetter> out;
  for (const DurableRow& durable : reader.tables.all()) {
    if (!query.durable.empty() && query.durable != durable.spec.name) continue;
    for (ExceptionRow& row : reader.tables.letters(durable.number)) {
      if (query.id && row.letter != *query.id) continue;
      EventRow event;
      if (reader.by_sequence.start(row.sequence).step()) {
        event = reader.events.row_at(reader.by_sequence);
      }
      reader.by_sequence.reset();
      if (!event.event) continue;  // set aside where it is read
      StoredLetter letter;
      letter.id = row.letter;
      letter.durable = durable.spec.name;
      letter.sequence = row.sequence;
      letter.event = std::move(*event.event);
      letter.history = std::move(row.deaths);
      letter.redriving = row.state != ExceptionState::dead;
      if (letter.history.empty() || !store_detail::fits(query, letter)) continue;
      out.push_back(std::move(letter));
    }
  }
  core_->tell_damages(reader.tables);
  std::sort(out.begin(), out.end(),
            [](const StoredLetter& a, const StoredLetter& b) { return a.id < b.id; });
  if (query.limit != 0 && out.size() > query.limit) {
    out.erase(out.begin() + static_cast<std::ptrdiff_t>(query.limit), out.end());
  }
  return out;
}

std::vector<StoredLetter> SqliteStore::dead_letters(const StoredLetterQuery& query) {
  return core_->asking([&] {
    const Core::Borrowed reader = core_->reader();
    return letters_of(*reader, query);
  });
}

std::size_t SqliteStore::for_each_at_rest(
    const StoredLetterQuery& query,
    const std::function<void(Transaction&, DurableNumber, ExceptionRow&)>& use) {
  const std::vector<StoredLetter> letters = dead_letters(query);
  std::size_t count = 0;
  if (letters.empty()) return count;
  core_->writer->call([&](Transaction& transaction) {
    count = 0;
    for (const StoredLetter& letter : letters) {
      const auto durable = transaction.durables.find(letter.durable);
      if (!durable) continue;
      auto row = transaction.durables.exception(durable->number, letter.sequence);
      if (!row || row->letter != letter.id || row->state != ExceptionState::dead) continue;
      use(transaction, durable->number, *row);
      ++count;
    }
  });
  return count;
}

std::size_t SqliteStore::redrive(const StoredLetterQuery& query) {
  return for_each_at_rest(query, &give_again);
}

std::size_t SqliteStore::purge(const StoredLetterQuery& query) {
  return for_each_at_rest(query,
                          [](Transaction& transaction, DurableNumber number, ExceptionRow& row) {
                            transaction.durables.remove_exception(number, row.sequence);
                          });
}

// -- Keeping house --------------------------------------------------------------------------------

namespace {

/// What the database takes of its file.
std::uint64_t bytes_of(Database& database) {
  return static_cast<std::uint64_t>(
      (database.number("PRAGMA page_count") - database.number("PRAGMA freelist_count")) *
      database.number("PRAGMA page_size"));
}

}  // namespace

StoreStats SqliteStore::stats() {
  return core_->asking([&] { return stats_of(*core_->reader()); });
}

StoreStats SqliteStore::stats_of(Reader& reader) const {
  StoreStats out;
  Database& database = reader.database;
  Numbers& numbers = reader.tables.numbers();
  out.events = numbers.events();
  out.first_sequence = static_cast<std::uint64_t>(database.number("SELECT min(seq) FROM events"));
  out.last_sequence = std::max(core_->writer->last_sequence(), numbers.last_sequence());
  out.bytes = bytes_of(database);
  out.durables = static_cast<std::uint64_t>(database.number("SELECT count(*) FROM durables"));
  out.dead_letters = static_cast<std::uint64_t>(
      database.number("SELECT count(*) FROM exceptions WHERE letter > 0"));
  out.appended = core_->writer->appended();
  out.duplicates = core_->writer->duplicates();
  out.commits = core_->writer->commits();
  out.settled = core_->settled;
  out.stale = core_->stale;
  out.corrupt = static_cast<std::uint64_t>(database.number("SELECT count(*) FROM set_aside"));
  out.opened = opened_;
  return out;
}

namespace {

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

}  // namespace

StoreCensus SqliteStore::census() {
  const Seen seen = seen_here();
  return core_->asking([&] {
    StoreCensus census;
    const Core::Borrowed reader = core_->reader();
    const Snapshot snapshot(reader->database);
    census.stats = stats_of(*reader);
    Statement topics(reader->database,
                     "SELECT t.name, e.many FROM (SELECT topic, count(*) AS many FROM events GROUP "
                     "BY topic) e LEFT JOIN topics t ON t.id = e.topic");
    while (topics.step()) {
      census.topics.push_back({std::string(topics.text(0)), topics.unsigned_number(1)});
    }
    store_detail::sort_topics(census.topics);
    for (DurableInfo& info : durables_of(*reader, seen)) {
      census.durables.push_back(count_of(*reader, std::move(info)));
    }
    return census;
  });
}

DurableCount SqliteStore::count_of(Reader& reader, DurableInfo info) {
  DurableCount count{.backlog = info.leased + info.retrying};
  std::uint64_t first = std::numeric_limits<std::uint64_t>::max();
  if (const auto row = reader.tables.find(info.name)) {
    for (const LeaseRow& lease : reader.tables.leases(row->number)) {
      for (std::size_t i = 0; i < lease.size() && lease.lo + i < first; ++i) {
        if (!lease.done.test(i)) first = lease.lo + i;
      }
    }
    if (const auto lowest = reader.tables.lowest_living(row->number)) {
      first = std::min(first, *lowest);
    }
  }
  Statement behind(reader.database,
                   "SELECT topic, count(*), min(seq) FROM events WHERE seq > ? GROUP BY topic");
  behind.start(info.cursor);
  while (behind.step()) {
    const std::string_view topic = reader.events.topics().name_of(behind.number(0));
    if (std::none_of(info.patterns.begin(), info.patterns.end(),
                     [topic](const Pattern& one) { return one.matches(topic); })) {
      continue;
    }
    count.backlog += behind.unsigned_number(1);
    first = std::min(first, behind.unsigned_number(2));
  }
  Statement time(reader.database, "SELECT time FROM events WHERE seq >= ? ORDER BY seq LIMIT 1");
  if (count.backlog != 0 && time.start(first).step()) {
    count.oldest = WallTime(std::chrono::nanoseconds(time.number(0)));
  }
  count.info = std::move(info);
  return count;
}

namespace {

/// Which events the durable names still need.
class Needs {
 public:
  explicit Needs(DurableTables& tables) {
    for (DurableRow& row : tables.all()) {
      const DurableNumber number = row.number;
      names_.push_back({std::move(row), tables.cursor(number).cursor, tables.leases(number)});
    }
  }
  /// An event of an unknown topic may be anybody's, and a name that is damaged may want anything:
  /// it goes when all have come upon it.
  [[nodiscard]] bool has(std::uint64_t sequence, std::string_view topic) const {
    return std::any_of(names_.begin(), names_.end(), [&](const Name& name) {
      const bool is_out =
          std::any_of(name.leases.begin(), name.leases.end(), [&](const LeaseRow& lease) {
            return sequence >= lease.lo && sequence <= lease.hi &&
                   !lease.done.test(static_cast<std::size_t>(sequence - lease.lo));
          });
      if (is_out || sequence <= name.cursor) return is_out;
      return topic.empty() || !name.row.sound ||
             std::any_of(name.row.spec.patterns.begin(), name.row.spec.patterns.end(),
                         [topic](const Pattern& one) { return one.matches(topic); });
    });
  }

 private:
  struct Name {
    DurableRow row;
    std::uint64_t cursor = 0;
    std::vector<LeaseRow> leases;
  };
  std::vector<Name> names_;
};

}  // namespace

/// The last event that is beyond the limits; 0: none is.
std::uint64_t SqliteStore::beyond(Reader& reader, const Retention& retention) const {
  Numbers& numbers = reader.tables.numbers();
  const std::uint64_t last = numbers.last_sequence();
  std::uint64_t up_to = 0;
  // The newest have no gaps between them: what is removed is always older than what is kept, but
  // for what somebody needs.
  const auto keep_newest = [&](std::uint64_t count) {
    if (last > count) up_to = std::max(up_to, last - count);
  };
  if (retention.max_events) keep_newest(*retention.max_events);
  if (retention.max_bytes) {
    const std::uint64_t bytes = bytes_of(reader.database);
    const std::uint64_t events = numbers.events();
    if (bytes > *retention.max_bytes && events != 0) {
      keep_newest(*retention.max_bytes / (bytes / events + 1));
    }
  }
  if (retention.max_age) {
    const std::uint64_t first_kept =
        first_appended(reader, core_->now() - retention.max_age->count());
    if (first_kept > 1) up_to = std::max(up_to, first_kept - 1);
  }
  return up_to;
}

/// Looks at events beyond `from` for some that nobody needs, and deletes them. What it looks at and
/// leaves costs no transaction.
SqliteStore::Trimmed SqliteStore::trim_once(std::uint64_t from, std::uint64_t up_to) {
  Trimmed out{.to = from};
  std::vector<std::pair<std::uint64_t, std::string>> found;
  core_->asking([&] {
    const Core::Borrowed reader = core_->reader();
    const Needs needs(reader->tables);
    Statement list(reader->database,
                   "SELECT seq, 0, topic, 0, appended, writer, 0, head, "
                   "EXISTS(SELECT 1 FROM exceptions x WHERE x.seq = events.seq) "
                   "FROM events WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?");
    list.start(from, up_to, kLookAtOnce);
    while (found.size() < kTrimAtOnce && list.step()) {
      ++out.looked;
      out.to = list.unsigned_number(0);
      if (list.number(8) != 0) continue;
      std::string topic;
      if (EventReader::head_is_sound(list)) {
        topic = reader->events.topics().name_of(list.number(2));
      }
      if (!needs.has(out.to, topic)) found.emplace_back(out.to, std::move(topic));
    }
    out.more = out.looked == kLookAtOnce || found.size() == kTrimAtOnce;
    core_->tell_damages(reader->tables);
    return true;
  });
  if (found.empty()) return out;
  core_->writer->call([&](Transaction& transaction) {
    // It may be needed by now: by a name that is new, or a letter that is sent again.
    const Needs needs(transaction.durables);
    Statement has_row(transaction.database, "SELECT 1 FROM exceptions WHERE seq=?");
    Statement remove(transaction.database, "DELETE FROM events WHERE seq=?");
    std::vector<std::uint64_t> sequences;
    for (const auto& [sequence, topic] : found) {
      if (!has_row.start(sequence).step() && !needs.has(sequence, topic)) {
        sequences.push_back(sequence);
      }
      has_row.reset();
    }
    Numbers& numbers = transaction.durables.numbers();
    std::uint64_t removed = 0;
    for (const std::uint64_t one : sequences) {
      remove.run(one);
      removed += static_cast<std::uint64_t>(transaction.database.changes());
    }
    // No sequence is ever given twice.
    if (!sequences.empty() && sequences.back() == transaction.last_sequence) {
      numbers.keep_last_sequence(transaction.last_sequence);
    }
    numbers.count_removed(removed);
    Statement first(transaction.database, "SELECT ifnull(min(seq), ?) FROM events");
    if (first.start(transaction.last_sequence).step()) {
      TimeBlocks(transaction.database).forget_below(first.unsigned_number(0));
    }
    out.removed = removed;
  });
  return out;
}

TrimResult SqliteStore::trim(const Retention& retention) {
  TrimResult result;
  if (retention.keeps_all()) return result;
  const std::uint64_t up_to = core_->asking([&] {
    const Core::Borrowed reader = core_->reader();
    return beyond(*reader, retention);
  });
  Trimmed one{.more = up_to != 0};
  while (one.more) {
    one = trim_once(one.to, up_to);
    result.removed += one.removed;
    result.held += one.looked - one.removed;
  }
  return result;
}

/// Now and then, and not much at a time: what is held is looked at again in another round.
void SqliteStore::trim_some() {
  const std::uint64_t up_to = core_->asking([&] {
    const Core::Borrowed reader = core_->reader();
    return beyond(*reader, core_->options.retention);
  });
  std::uint64_t looked = 0;
  Trimmed one{.to = trimmed_to_, .more = trimmed_to_ < up_to};
  while (one.more && (looked < kLookAtOnce || one.removed != 0)) {
    one = trim_once(one.to, up_to);
    looked += one.looked;
  }
  trimmed_to_ = one.more ? one.to : 0;
  trim_after_ = std::max(kTrimEvery, looked);
}

std::vector<std::string> SqliteStore::check() {
  std::vector<std::string> faults;
  core_->asking([&] {
    const Core::Borrowed reader = core_->reader();
    Statement integrity(reader->database, "PRAGMA integrity_check(100)");
    while (integrity.step()) {
      if (integrity.text(0) != "ok") faults.emplace_back(integrity.text(0));
    }
    const auto times = reader->times.all(faults);
    Statement rows(reader->database,
                   "SELECT " + std::string(kEventColumns) + " FROM events ORDER BY seq");
    while (rows.step()) {
      const EventRow row = reader->events.row_at(rows);
      if (!row.event) {
        faults.push_back("event " + std::to_string(row.sequence) + ": " + row.damage);
        continue;
      }
      const auto block = times.find(row.sequence / TimeBlocks::kEvents);
      const std::int64_t time = row.event->time().time_since_epoch().count();
      if (block != times.end() && (time < block->second.first || time > block->second.second)) {
        faults.push_back("event " + std::to_string(row.sequence) + " is of a time that its block " +
                         "does not have; it is not found by it");
      }
    }
    for (auto& found : {TopicNames::check(reader->database), reader->tables.numbers().check()}) {
      faults.insert(faults.end(), found.begin(), found.end());
    }
    DurableTables& tables = reader->tables;
    for (const DurableRow& row : tables.all()) {
      (void)tables.cursor(row.number);
      (void)tables.leases(row.number);
      (void)tables.living(row.number);
      (void)tables.letters(row.number);
      for (const std::string& damage : tables.damages()) {
        faults.push_back("durable subscription " + quote(row.spec.name) + ": " + damage);
      }
      tables.forget_damages();
    }
    return true;
  });
  return faults;
}

namespace {

/// A new file, which goes with all that SQLite made beside it unless it is kept.
class NewFile {
 public:
  NewFile(const std::string& path, mode_t mode)
      : path_(path),
        descriptor_(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode)) {
    if (descriptor_ >= 0) {
      made_ = FileIdentity::of(path_);
      journal_was_there_ = FileIdentity::of(path_ + "-journal") != FileIdentity{};
      return;
    }
    if (errno == EEXIST) {
      throw Error(ErrorCode::already_exists, "backup: " + escape(path_) + " exists already");
    }
    fail("cannot be made");
  }
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;
  ~NewFile() {
    ::close(descriptor_);
    if (kept_ || FileIdentity::of(path_) != made_) return;
    (void)unlink(path_.c_str());
    if (!journal_was_there_) (void)unlink((path_ + "-journal").c_str());
  }

  void keep() {
    if (fsync(descriptor_) != 0) fail("cannot be synced");
    kept_ = true;
  }

 private:
  [[noreturn]] void fail(const char* what) const {
    const std::string why = last_error();
    throw Error(ErrorCode::io_error, "backup: " + escape(path_) + ' ' + what + ": " + why);
  }

  const std::string path_;
  const int descriptor_;
  FileIdentity made_;
  bool journal_was_there_ = false;
  bool kept_ = false;
};

}  // namespace

void SqliteStore::backup(const std::string& path) {
  require_place(path);
  core_->require_open();
  struct stat original {};
  const bool known = stat(core_->path.c_str(), &original) == 0;
  // A copy is for whoever may read the original, and for nobody else.
  NewFile file(path, known ? original.st_mode & 0777U : S_IRUSR | S_IWUSR);
  core_->asking([&] {
    // A connection of its own: it writes another file.
    Database database(core_->path, Database::Access::write);
    database.run("PRAGMA wal_autocheckpoint=0");
    Statement copy(database, "VACUUM INTO ?");
    copy.run(std::string_view(path));
    return true;
  });
  file.keep();
  sync_folder(path);
}

void SqliteStore::vacuum() {
  core_->require_open();
  for (;;) {
    std::int64_t left = 0;
    core_->writer->call([&](Transaction& transaction) {
      transaction.database.run("PRAGMA incremental_vacuum(" + std::to_string(kVacuumAtOnce) + ")");
      left = transaction.database.number("PRAGMA freelist_count");
    });
    if (left == 0) return;
  }
}

void SqliteStore::close() noexcept {
  const std::lock_guard one_at_a_time(close_mutex_);
  if (ending_.exchange(true)) return;
  core_->closed = true;  // whoever begins a call from now on is refused
  doorbell_.wake();
  if (listener_.joinable()) listener_.join();
  {
    const std::lock_guard lock(core_->consumers_mutex);
    for (SqliteConsumer* const one : core_->consumers) one->give_back();
    core_->consumers.clear();
  }
  try {
    core_->writer->call([&](Transaction& transaction) {
      Statement close(transaction.database, "UPDATE openings SET closed=? WHERE id=?");
      close.run(transaction.now, opening_);
    });
  } catch (const std::exception&) {
    // Whoever rings finds that nobody listens.
  }
  core_->writer->close();
  core_->watches.tell();
}

}  // namespace
}  // namespace sqlite

std::shared_ptr<Store> open_sqlite_store(const std::string& path, const StoreOptions& given) {
  StoreOptions options = given;
  if (options.clock == nullptr) options.clock = Clock::system();
  if (!options.log) options.log = log_to_stderr;
  sqlite::require_place(path);
  const std::string place = sqlite::place_of(path);
  const Durability durability = sqlite::durability_of(options, place);
  try {
    const std::uint64_t opening = sqlite::prepare(place, options);
    return std::make_shared<sqlite::SqliteStore>(place, options, opening, durability);
  } catch (const sqlite::Fault& fault) {
    sqlite::refuse(fault, place);
  }
}

}  // namespace busway
