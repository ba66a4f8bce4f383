// A file of an older format is brought forward, a later one is refused.
#include <schema.hpp>

#include "sqlite_fixture.hpp"

namespace busway::sqlite {
namespace {

struct SqliteSchema : SqliteFolder {
  /// The steps there are, and more.
  static std::vector<const char*> steps_and(std::initializer_list<const char*> more) {
    const Steps now = schema_steps();
    std::vector<const char*> steps(now.begin(), now.end());
    steps.insert(steps.end(), more.begin(), more.end());
    return steps;
  }
  [[nodiscard]] std::int64_t number(const std::string& sql) const {
    return Database(path, Database::Access::write).number(sql);
  }
  /// Three events, the first of them settled.
  void begin() {
    const std::shared_ptr<Store> store = open();
    for (std::uint64_t n = 1; n <= 3; ++n) ASSERT_TRUE(store->append(numbered(n)).ok());
    const auto consumer = store->open(work());
    ASSERT_EQ(consumer->fetch(1).deliveries.size(), 1U);
    ASSERT_EQ(consumer->settle(std::vector<Settlement>{{.sequence = 1}}).accepted, 1U);
  }
  static DurableSpec work() {
    return {.name = "work", .patterns = {Pattern::glob("*")}, .start = Replay::beginning()};
  }
  void expect_the_rest() {
    const std::shared_ptr<Store> store = open();
    EXPECT_EQ(store->check(), std::vector<std::string>{});
    EXPECT_EQ(store->stats().events, 3U);
    std::vector<std::string> given;
    const auto consumer = store->open(work());
    for (const Leased& one : consumer->fetch(10).deliveries) given.push_back(text_of(one.event));
    EXPECT_EQ(given, (std::vector<std::string>{"2", "3"}));
  }
};

constexpr const char* kMakes = "CREATE TABLE extra(n INTEGER); INSERT INTO extra VALUES(1)";
constexpr const char* kCounts = "UPDATE extra SET n = n + 1";

TEST_F(SqliteSchema, EachStepForwardIsMadeOnceAndKeepsWhatThereIs) {
  begin();
  const std::int64_t first = schema_version();
  const std::vector<const char*> steps = steps_and({kMakes, kCounts});
  const OtherSteps later(steps);
  EXPECT_EQ(open()->info().format, "busway-sqlite " + std::to_string(first + 2));
  EXPECT_EQ(number("PRAGMA user_version"), first + 2);
  EXPECT_EQ(number("SELECT n FROM extra"), 2);
  expect_the_rest();
  EXPECT_EQ(number("SELECT n FROM extra"), 2) << "a step was made again";
}

TEST_F(SqliteSchema, AFileFromHalfWayIsBroughtTheRestOfTheWay) {
  begin();
  {
    const std::vector<const char*> steps = steps_and({kMakes});
    const OtherSteps later(steps);
    open()->close();
  }
  const std::vector<const char*> steps = steps_and({kMakes, kCounts});
  const OtherSteps later(steps);
  open()->close();
  EXPECT_EQ(number("SELECT n FROM extra"), 2);
  expect_the_rest();
}

TEST_F(SqliteSchema, ANewFileTakesAllSteps) {
  const std::vector<const char*> steps = steps_and({kMakes, kCounts});
  const OtherSteps later(steps);
  begin();
  EXPECT_EQ(number("SELECT n FROM extra"), 2);
  expect_the_rest();
}

TEST_F(SqliteSchema, AStepThatFailsTakesBackThoseBeforeItAndTheOpeningSaysSo) {
  begin();
  const std::int64_t first = schema_version();
  {
    const std::vector<const char*> steps = steps_and({kMakes, "INSERT INTO nowhere VALUES(1)"});
    const OtherSteps later(steps);
    EXPECT_TRUE(mentions(error_of(ErrorCode::store_unavailable, [&] { (void)open(); }), "nowhere"));
  }
  EXPECT_EQ(number("PRAGMA user_version"), first);
  EXPECT_EQ(number("SELECT count(*) FROM sqlite_schema WHERE name='extra'"), 0);
  expect_the_rest();
}

TEST_F(SqliteSchema, AFileOfALaterFormatIsRefusedAndLeftAsItIs) {
  begin();
  const std::vector<const char*> steps = steps_and({kMakes});
  {
    const OtherSteps later(steps);
    open()->close();
  }
  EXPECT_TRUE(
      mentions(error_of(ErrorCode::store_format, [&] { (void)open(); }), "a later version"));
  const OtherSteps later(steps);
  EXPECT_EQ(number("SELECT n FROM extra"), 1);
  expect_the_rest();
}

}  // namespace
}  // namespace busway::sqlite
