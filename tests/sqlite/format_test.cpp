// The file as a stranger reads it, who has docs/formats/sqlite.md and SQLite and nothing of busway.
#include <sqlite3.h>

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "sqlite_fixture.hpp"

#define XXH_INLINE_ALL  // NOLINT(readability-identifier-naming)
#include <xxhash.h>

namespace busway {
namespace {

/// Its numbers as little-endian bytes, whatever the machine.
class Bytes {
 public:
  Bytes& number(std::int64_t value, std::size_t size = 8) {
    for (std::size_t i = 0; i < size; ++i) {
      all_ += static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * i));
    }
    return *this;
  }
  /// 16 bytes, as two numbers, high part first.
  Bytes& id(const std::string& bytes) {
    for (const std::size_t part : {0U, 8U}) {
      for (std::size_t i = 0; i < 8; ++i) all_ += bytes.empty() ? '\0' : bytes[part + 7 - i];
    }
    return *this;
  }
  Bytes& text(std::string_view text) {
    all_ += text;
    return *this;
  }
  [[nodiscard]] std::uint64_t sum(std::uint64_t seed = 0) const {
    return XXH64(all_.data(), all_.size(), seed);
  }

 private:
  std::string all_;
};

struct Row {
  std::map<std::string, std::int64_t> numbers;  // NULL: none
  std::map<std::string, std::string> texts;     // and BLOBs
  std::map<std::string, int> types;
  [[nodiscard]] std::int64_t number(const std::string& name, std::int64_t of_null = 0) const {
    const auto found = numbers.find(name);
    return found == numbers.end() ? of_null : found->second;
  }
  [[nodiscard]] std::string text(const std::string& name) const {
    const auto found = texts.find(name);
    return found == texts.end() ? std::string() : found->second;
  }
};

struct SqliteFormat : SqliteFolder {
  std::shared_ptr<testing::ManualClock> clock = std::make_shared<testing::ManualClock>();

  [[nodiscard]] std::vector<Row> rows(const std::string& sql) const {
    std::vector<Row> out;
    sqlite3* database = nullptr;
    EXPECT_EQ(sqlite3_open(path.c_str(), &database), SQLITE_OK);
    sqlite3_stmt* list = nullptr;
    EXPECT_EQ(sqlite3_prepare_v2(database, sql.c_str(), -1, &list, nullptr), SQLITE_OK) << sql;
    while (sqlite3_step(list) == SQLITE_ROW) {
      Row row;
      for (int i = 0; i < sqlite3_column_count(list); ++i) {
        const std::string name = sqlite3_column_name(list, i);
        const int type = row.types[name] = sqlite3_column_type(list, i);
        if (type == SQLITE_INTEGER) {
          row.numbers[name] = sqlite3_column_int64(list, i);
        } else if (type != SQLITE_NULL) {
          const void* const bytes = sqlite3_column_blob(list, i);
          const auto size = static_cast<std::size_t>(sqlite3_column_bytes(list, i));
          row.texts[name] = std::string(static_cast<const char*>(bytes), size);
        }
      }
      out.push_back(std::move(row));
    }
    sqlite3_finalize(list);
    sqlite3_close(database);
    EXPECT_FALSE(out.empty()) << sql;
    return out;
  }

  /// Something in each table.
  std::shared_ptr<Store> filled() {
    std::shared_ptr<Store> store = open({.clock = clock});
    Event rare("number.made", bytes("x"),
               {.source = "shop", .id = EventId{1, 1}, .time = WallTime(WallTime::duration(7))});
    EXPECT_TRUE(store->append(rare).ok());
    std::vector<Event> events{Event("none.made")};
    for (std::uint64_t n = 3; n <= 2'100; ++n) events.push_back(numbered(n));
    std::vector<AppendResult> results(events.size());
    store->append(events, results);
    return store;
  }
  static DurableSpec spec(const std::string& name, DurableOrder order = DurableOrder::relaxed) {
    return {.name = name,
            .patterns = {Pattern::glob("*")},
            .start = Replay::beginning(),
            .order = order};
  }
};

TEST_F(SqliteFormat, TheSumsOfAllTablesAreOfTheBytesThatAreWrittenDown) {
  const std::shared_ptr<Store> store = filled();
  const auto work = store->open(spec("work"));
  work->keep_note(std::string_view("a\0b", 3));
  EXPECT_EQ(work->fetch(20).deliveries.size(), 20U);
  const std::vector<Settlement> ends{
      {.sequence = 1},
      {.sequence = 2, .kind = Settlement::Kind::retry, .after = std::chrono::seconds(9)},
      {.sequence = 3, .kind = Settlement::Kind::dead_letter, .reason = "no \xc3\xa9"}};
  EXPECT_EQ(work->settle(ends).accepted, 3U);
  const auto ordered = store->open(spec("ordered", DurableOrder::strict));
  EXPECT_FALSE(ordered->fetch(1).deliveries.empty());
  EXPECT_TRUE(store->open(spec("gone")));
  EXPECT_TRUE(store->remove("gone"));

  struct Table {
    std::string name;
    std::vector<std::string> numbers;
    std::vector<std::string> texts;
  };
  for (const Table& table : std::vector<Table>{
           {"topics", {"id"}, {"name"}},
           {"meta", {"value"}, {"name"}},
           {"times", {"block", "oldest", "newest"}, {}},
           {"durables",
            {"id", "ordering", "start", "created", "opened"},
            {"name", "patterns", "note"}},
           {"cursors", {"durable", "cursor", "leader", "leader_until", "leader_span"}, {}},
           {"safe_cursors", {"durable", "cursor"}, {}},
           {"leases", {"durable", "lo", "hi", "token", "until", "span"}, {"done"}},
           {"exceptions",
            {"durable", "seq", "state", "token", "until", "span", "attempts", "suspect", "letter",
             "changed"},
            {"error", "deaths"}}}) {
    for (const Row& row : rows("SELECT * FROM " + table.name)) {
      Bytes numbers;
      for (const std::string& one : table.numbers) numbers.number(row.number(one));
      std::uint64_t sum = numbers.sum();
      for (const std::string& one : table.texts) sum = Bytes().text(row.text(one)).sum(sum);
      EXPECT_EQ(row.number("sum"), static_cast<std::int64_t>(sum)) << table.name;
    }
  }
}

TEST_F(SqliteFormat, TheSumsOfAnEventAreOfTheBytesThatAreWrittenDown) {
  (void)filled();
  for (const Row& row : rows("SELECT events.*, name FROM events JOIN topics ON topics.id = topic "
                             "WHERE codec IS NULL")) {
    Bytes record;
    record.number(row.number("seq")).id(row.text("id")).id(row.text("causation"));
    record.number(row.number("time"))
        .number(row.number("schema_version", 1), 2)
        .number(row.number("hops"), 2)
        .number(row.number("priority", 1), 1)
        .number(row.number("origin"), 1)
        .number(row.types.at("payload") == SQLITE_NULL ? 0 : 1, 1);
    const std::vector<std::string> texts{"name",       "source",         "key",         "user_id",
                                         "session_id", "instance_id",    "schema",      "entity",
                                         "operation",  "correlation_id", "traceparent", "metadata",
                                         "extensions", "content_type",   "payload"};
    for (const std::string& one : texts) {
      record.number(static_cast<std::int64_t>(row.text(one).size()), 4);
    }
    for (const std::string& one : texts) record.text(row.text(one));
    const std::uint64_t sum = Bytes()
                                  .number(static_cast<std::int64_t>(record.sum()))
                                  .number(row.number("appended"))
                                  .number(row.number("writer"))
                                  .number(row.number("codec"))
                                  .sum();
    ASSERT_EQ(row.number("sum"), static_cast<std::int64_t>(sum)) << row.number("seq");
    const std::uint64_t head = Bytes()
                                   .number(row.number("seq"))
                                   .number(row.number("topic"))
                                   .number(row.number("appended"))
                                   .number(row.number("writer"))
                                   .sum();
    ASSERT_EQ(row.number("head"), static_cast<std::int32_t>(head)) << row.number("seq");
  }
}

TEST_F(SqliteFormat, ANoteIsABlobAndADeathHasATimeInNanosecondsAndACodeByName) {
  const std::shared_ptr<Store> store = filled();
  const auto work = store->open(spec("work"));
  EXPECT_EQ(rows("SELECT note FROM durables").front().types.at("note"), SQLITE_BLOB)
      << "an empty one, too";
  work->keep_note(std::string_view("a\0b", 3));
  const Row durable = rows("SELECT * FROM durables").front();
  EXPECT_EQ(durable.types.at("note"), SQLITE_BLOB);
  EXPECT_EQ(durable.text("note"), std::string("a\0b", 3));

  EXPECT_FALSE(work->fetch(5).deliveries.empty());
  const std::vector<Settlement> ends{
      {.sequence = 1, .kind = Settlement::Kind::retry, .reason = "not yet"},
      {.sequence = 2,
       .kind = Settlement::Kind::dead_letter,
       .code = ErrorCode::timed_out,
       .reason = "too slow"}};
  EXPECT_EQ(work->settle(ends).accepted, 2U);
  const std::int64_t now = clock->wall().time_since_epoch().count();
  const Row dead = rows("SELECT * FROM exceptions WHERE state = 2").front();
  EXPECT_EQ(nlohmann::json::parse(dead.text("deaths")),
            (nlohmann::json{
                {{"time", now}, {"code", "timed_out"}, {"reason", "too slow"}, {"attempts", 1}}}));
  EXPECT_EQ(dead.number("changed"), now);
  const Row waits = rows("SELECT * FROM exceptions WHERE seq = 1").front();
  EXPECT_EQ(waits.text("deaths"), "") << "none so far: no JSON";
  EXPECT_EQ(waits.text("error"), "not yet");
}

}  // namespace
}  // namespace busway
