// Dead letters: what is kept of them, finding, sending again, forgetting.
#include <algorithm>
#include <array>
#include <vector>

#include "busway/limits.hpp"
#include "support.hpp"

namespace busway::testing::conformance {
namespace {

using Ids = std::vector<std::uint64_t>;

/// Takes the next event and gives it up.
void give_up(StoreConsumer& consumer, ErrorCode code = ErrorCode::handler_failed,
             std::string reason = "it failed for good") {
  settle(consumer, bury(take_one(consumer).sequence, code, std::move(reason)));
}

Ids ids_of(Store& store, const StoredLetterQuery& query = {}) {
  Ids ids;
  for (const StoredLetter& letter : store.dead_letters(query)) ids.push_back(letter.id);
  return ids;
}

void kept_whole(StoreHarness& harness) {
  Place place(harness);
  const auto consumer = place.open("mailer");
  const Event event("order.created", bytes("data"),
                    {.source = "shop", .key = "k", .id = new_id(), .time = place.now()});
  const std::uint64_t sequence = place.put(event);
  settle(*consumer, retry(take_one(*consumer).sequence));
  const WallTime begin = place.now();
  give_up(*consumer, ErrorCode::timed_out, "after 30 s\nline two");
  check_nothing(*consumer);

  const std::vector<StoredLetter> letters = place.other().dead_letters({});
  BUSWAY_CHECK_EQ(letters.size(), 1U);
  const StoredLetter& letter = letters[0];
  BUSWAY_CHECK(letter.id != 0);
  BUSWAY_CHECK_EQ(letter.durable, "mailer");
  BUSWAY_CHECK_EQ(letter.sequence, sequence);
  check_same(letter.event, event);
  BUSWAY_CHECK(!letter.redriving);
  BUSWAY_CHECK_EQ(letter.history.size(), 1U);
  BUSWAY_CHECK_EQ(letter.history[0].code, ErrorCode::timed_out);
  BUSWAY_CHECK_EQ(letter.history[0].reason, "after 30 s\nline two");
  BUSWAY_CHECK_EQ(letter.history[0].attempts, 2U);
  BUSWAY_CHECK(letter.history[0].time >= begin - milliseconds(1));
  BUSWAY_CHECK(letter.history[0].time <= place.now() + milliseconds(1));
  BUSWAY_CHECK_EQ(place.store().stats().dead_letters, 1U);
}

void kept_across_a_restart(StoreHarness& harness) {
  Place place(harness);
  {
    const auto consumer = place.open("mailer");
    place.put(place.events(2));
    give_up(*consumer);
    give_up(*consumer);
    StoredLetterQuery first;
    first.limit = 1;
    BUSWAY_CHECK_EQ(place.store().redrive(first), 1U);
  }
  const Ids before = ids_of(place.store());
  place.reopen();
  BUSWAY_CHECK(ids_of(place.store()) == before);
  const auto consumer = place.open("mailer");
  const Leased again = take_one(*consumer);
  BUSWAY_CHECK(again.redriven);
  settle(*consumer, done(again.sequence));
  BUSWAY_CHECK_EQ(ids_of(place.store()).size(), 1U);
}

void queries(StoreHarness& harness) {
  Place place(harness);
  const auto mailer = place.open("mailer", "*");
  const auto biller = place.open("biller", "order.*");
  place.put(place.event("order.created", 0));
  place.put(place.event("user.created", 1));
  place.put(place.event("order.paid", 2));

  give_up(*mailer, ErrorCode::timed_out);
  const nanoseconds apart = place.is_manual() ? nanoseconds(seconds(10)) : milliseconds(20);
  place.pass(apart);
  const WallTime between = place.now();
  place.pass(apart);
  give_up(*mailer, ErrorCode::handler_failed);
  give_up(*biller, ErrorCode::handler_failed);
  give_up(*biller, ErrorCode::payload_type);
  Store& store = place.store();
  const Ids all = ids_of(store);
  BUSWAY_CHECK_EQ(all.size(), 4U);
  BUSWAY_CHECK(std::is_sorted(all.begin(), all.end()));

  const auto expect = [&](const StoredLetterQuery& query, const Ids& ids) {
    BUSWAY_CHECK(ids_of(store, query) == ids);
  };
  StoredLetterQuery query;
  query.durable = "mailer";
  expect(query, {all[0], all[1]});
  query.durable = "nobody";
  expect(query, {});
  query = {};
  query.code = ErrorCode::handler_failed;
  expect(query, {all[1], all[2]});
  query = {};
  query.since = between;
  expect(query, {all[1], all[2], all[3]});
  query = {};
  query.until = between;
  expect(query, {all[0]});
  query = {};
  const std::array orders{Pattern::parse("order.*")};
  query.patterns = orders;
  expect(query, {all[0], all[2], all[3]});
  query = {};
  query.id = all[2];
  expect(query, {all[2]});
  query = {};
  query.after = all[1];
  query.limit = 1;
  expect(query, {all[2]});
  query = {};
  query.durable = "biller";
  query.code = ErrorCode::payload_type;
  query.patterns = orders;
  expect(query, {all[3]});
  query.code = ErrorCode::timed_out;
  expect(query, {});
}

void sent_again_and_done(StoreHarness& harness) {
  Place place(harness);
  const auto consumer = place.open("mailer");
  const std::vector<std::uint64_t> sequences = place.put(place.events(3));
  settle(*consumer, retry(take_one(*consumer).sequence));
  give_up(*consumer);
  give_up(*consumer);
  finish(*consumer, 1);
  StoredLetterQuery query;
  query.id = ids_of(place.store()).front();
  BUSWAY_CHECK_EQ(place.other().redrive(query), 1U);
  BUSWAY_CHECK_EQ(place.store().redrive(query), 0U);  // under way
  BUSWAY_CHECK_EQ(place.store().purge(query), 0U);
  BUSWAY_CHECK(place.store().dead_letters(query).at(0).redriving);

  const Leased again = take_one(*consumer);
  BUSWAY_CHECK_EQ(again.sequence, sequences[0]);
  BUSWAY_CHECK_EQ(again.attempt, 1U);
  BUSWAY_CHECK(again.redriven);
  check_nothing(*consumer);
  settle(*consumer, retry(again.sequence));  // it stays until the delivery has ended well
  BUSWAY_CHECK_EQ(ids_of(place.store()).size(), 2U);
  const Leased second = take_one(*consumer);
  BUSWAY_CHECK_EQ(second.attempt, 2U);
  BUSWAY_CHECK(second.redriven);
  settle(*consumer, done(second.sequence));
  BUSWAY_CHECK_EQ(ids_of(place.store()).size(), 1U);
  BUSWAY_CHECK_EQ(place.store().dead_letters({}).at(0).sequence, sequences[1]);
  check_nothing(*consumer);
}

void dies_again(StoreHarness& harness) {
  Place place(harness);
  const auto consumer = place.open("mailer");
  place.put(place.event());
  give_up(*consumer, ErrorCode::handler_failed, "death 1");
  const std::uint64_t id = ids_of(place.store()).front();
  for (std::size_t death = 2; death <= limits::kDeathsMax + 4; ++death) {
    BUSWAY_CHECK_EQ(place.store().redrive({}), 1U);
    give_up(*consumer, death % 2 == 0 ? ErrorCode::timed_out : ErrorCode::handler_failed,
            "death " + std::to_string(death));
    const std::vector<StoredLetter> letters = place.store().dead_letters({});
    BUSWAY_CHECK_EQ(letters.size(), 1U);
    BUSWAY_CHECK_EQ(letters[0].id, id);
    BUSWAY_CHECK(!letters[0].redriving);
    BUSWAY_CHECK_EQ(letters[0].history.size(), std::min(death, limits::kDeathsMax));
    BUSWAY_CHECK_EQ(letters[0].history.back().reason, "death " + std::to_string(death));
  }
  const StoredLetter letter = place.store().dead_letters({}).at(0);
  BUSWAY_CHECK_EQ(letter.history.front().reason, "death 5");
  StoredLetterQuery query;
  query.code = ErrorCode::handler_failed;  // that of the last death counts
  BUSWAY_CHECK_EQ(place.store().dead_letters(query).size(), 0U);
}

void sent_again_and_lapsed(StoreHarness& harness) {
  Place place(harness);
  DurableSpec spec = place.spec("mailer");
  spec.lease = place.lease();
  const auto dead = place.store().open(spec);
  place.put(place.event());
  give_up(*dead);
  BUSWAY_CHECK_EQ(place.store().redrive({}), 1U);
  BUSWAY_CHECK(take_one(*dead).redriven);
  place.pass(place.lease());
  const auto next = place.store().open(spec);
  BUSWAY_CHECK(place.store().dead_letters({}).at(0).redriving);
  const Leased again = take_one(*next);
  BUSWAY_CHECK(again.redriven);
  BUSWAY_CHECK_EQ(again.attempt, 2U);
  settle(*next, done(again.sequence));
  BUSWAY_CHECK_EQ(ids_of(place.store()).size(), 0U);
}

void forgotten(StoreHarness& harness) {
  Place place(harness);
  const auto consumer = place.open("mailer");
  place.put(place.events(5));
  for (int i = 0; i < 5; ++i) {
    give_up(*consumer, i < 3 ? ErrorCode::timed_out : ErrorCode::handler_failed);
  }
  const Ids all = ids_of(place.store());
  StoredLetterQuery query;
  query.code = ErrorCode::timed_out;
  query.limit = 2;
  BUSWAY_CHECK_EQ(place.store().purge(query), 2U);
  BUSWAY_CHECK(ids_of(place.store()) == (Ids{all[2], all[3], all[4]}));
  query = {};
  query.id = all[3];
  BUSWAY_CHECK_EQ(place.store().redrive(query), 1U);
  BUSWAY_CHECK_EQ(place.store().purge({}), 2U);  // not the one under way
  BUSWAY_CHECK(ids_of(place.store()) == Ids{all[3]});
  finish(*consumer, 1);
  check_nothing(*consumer);
  BUSWAY_CHECK_EQ(place.store().purge({}), 0U);

  place.put(place.event());
  give_up(*consumer);
  BUSWAY_CHECK(ids_of(place.store()).front() > all[4]);  // an id is never used again
}

void of_each_name(StoreHarness& harness) {
  Place place(harness);
  const auto first = place.open("first");
  const auto second = place.open("second");
  place.put(place.event());
  give_up(*first);
  give_up(*second);
  BUSWAY_CHECK_EQ(ids_of(place.store()).size(), 2U);
  StoredLetterQuery query;
  query.durable = "first";
  BUSWAY_CHECK_EQ(place.store().redrive(query), 1U);
  check_nothing(*second);
  BUSWAY_CHECK(finish(*first, 1)[0].redriven);
  BUSWAY_CHECK(place.store().remove("second"));
  BUSWAY_CHECK_EQ(ids_of(place.store()).size(), 0U);
}

void many_sent_again(StoreHarness& harness) {
  Place place(harness);
  const auto consumer = place.open("mailer");
  const std::size_t count = place.many(500);
  place.put(place.events(count));
  std::vector<Settlement> all;
  for (const Leased& one : take(*consumer, count)) all.push_back(bury(one.sequence));
  BUSWAY_CHECK_EQ(consumer->settle(all).accepted, count);
  BUSWAY_CHECK_EQ(place.store().redrive({}), count);
  const std::vector<Leased> again = finish(*consumer, count);
  BUSWAY_CHECK(std::is_sorted(again.begin(), again.end(), [](const Leased& a, const Leased& b) {
    return a.sequence < b.sequence;
  }));
  BUSWAY_CHECK_EQ(ids_of(place.store()).size(), 0U);
}

}  // namespace

Cases letter_cases() {
  static constexpr ConformanceCase kCases[] = {
      {"ADeadLetterKeepsEventReasonAndAttempts", &kept_whole},
      {"DeadLettersAreKeptAcrossARestart", &kept_across_a_restart, &StoreFeatures::persistent,
       "persistent"},
      {"DeadLettersAreFoundByNameTopicTimeCodeAndId", &queries},
      {"ALetterStaysUntilItsDeliveryHasEndedWell", &sent_again_and_done},
      {"EachDeathIsALineOfItsHistoryAndTheLastSixteenStay", &dies_again},
      {"ALetterUnderWaySurvivesTheDeathOfItsHandler", &sent_again_and_lapsed},
      {"PurgedLettersAreForgottenButNotThoseUnderWay", &forgotten},
      {"EachNameHasItsOwnLetters", &of_each_name},
      {"ManyLettersAreSentAgainInOrder", &many_sent_again},
  };
  return kCases;
}

}  // namespace busway::testing::conformance
