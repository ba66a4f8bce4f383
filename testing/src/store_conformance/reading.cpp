// Looking back: ranges, pages, fields, the status of an event.
#include <algorithm>
#include <array>
#include <functional>
#include <vector>

#include "busway/limits.hpp"
#include "support.hpp"

namespace busway::testing::conformance {
namespace {

using Direction = StoreQuery::Direction;
using Sequences = std::vector<std::uint64_t>;

Sequences sequences_of(const StorePage& page) {
  Sequences sequences;
  for (const StoredEvent& one : page.events) sequences.push_back(one.sequence);
  return sequences;
}

/// Page by page, each of at most `limit`.
Sequences all_pages(Store& store, StoreQuery query, std::size_t limit) {
  query.limit = limit;
  Sequences all;
  for (int pages = 0; pages < 10'000; ++pages) {
    const StorePage page = store.read(query);
    BUSWAY_CHECK(page.events.size() <= limit);
    BUSWAY_CHECK_EQ(page.set_aside, 0U);
    for (const StoredEvent& one : page.events) all.push_back(one.sequence);
    if (!page.more) return all;
    BUSWAY_CHECK(page.next != query.after);
    query.after = page.next;
  }
  fail(__FILE__, __LINE__, "pages come to an end", "10,000 pages");
}

void directions(StoreHarness& harness) {
  Place place(harness);
  const Sequences s = place.put(place.events(10));
  Store& store = place.other();
  StoreQuery query;
  BUSWAY_CHECK(sequences_of(store.read(query)) == s);
  query.after = s[2];
  query.up_to = s[5];
  BUSWAY_CHECK(sequences_of(store.read(query)) == (Sequences{s[3], s[4], s[5]}));
  query = {};
  query.direction = Direction::newest_first;
  BUSWAY_CHECK(sequences_of(store.read(query)) == Sequences(s.rbegin(), s.rend()));
  query.after = s[5];
  query.up_to = s[2];
  BUSWAY_CHECK(sequences_of(store.read(query)) == (Sequences{s[4], s[3], s[2]}));
  query = {};
  query.after = s[9];
  const StorePage nothing = store.read(query);
  BUSWAY_CHECK_EQ(nothing.events.size(), 0U);
  BUSWAY_CHECK(!nothing.more);
  BUSWAY_CHECK_EQ(nothing.next, s[9]);  // where news will come
  query.after = 0;
  query.limit = 4;
  query.direction = Direction::newest_first;
  BUSWAY_CHECK(sequences_of(store.read(query)) == (Sequences{s[9], s[8], s[7], s[6]}));
}

void pages(StoreHarness& harness) {
  Place place(harness);
  Sequences odd;
  for (std::size_t n = 0; n < 120; ++n) {
    const std::uint64_t sequence = place.put(place.event(n % 2 == 1 ? "odd" : "even", n));
    if (n % 2 == 1) odd.push_back(sequence);
  }
  const std::array patterns{Pattern::parse("odd")};
  StoreQuery query;
  query.patterns = patterns;
  for (const std::size_t limit : {1U, 7U, 60U, 1'000U}) {
    query.direction = Direction::oldest_first;
    BUSWAY_CHECK(all_pages(place.store(), query, limit) == odd);
    query.direction = Direction::newest_first;
    BUSWAY_CHECK(all_pages(place.store(), query, limit) == Sequences(odd.rbegin(), odd.rend()));
  }
  query.direction = Direction::oldest_first;
  query.limit = 5;
  const StorePage page = place.store().read(query);
  BUSWAY_CHECK_EQ(page.events.size(), 5U);
  BUSWAY_CHECK(page.more);
}

void a_page_of_its_own(StoreHarness& harness) {
  Place place(harness);
  place.put(place.events(limits::kStorePage + 5));
  const StorePage page = place.store().read({});
  BUSWAY_CHECK(page.more);
  BUSWAY_CHECK(page.events.size() <= limits::kStorePage);
  BUSWAY_CHECK(!page.events.empty());
  BUSWAY_CHECK_EQ(all_pages(place.store(), {}, 100'000).size(), limits::kStorePage + 5);
}

void an_empty_log(StoreHarness& harness) {
  Place place(harness);
  StoreQuery query;
  BUSWAY_CHECK_EQ(place.store().read(query).events.size(), 0U);
  BUSWAY_CHECK(!place.store().read(query).more);
  query.direction = Direction::newest_first;
  BUSWAY_CHECK_EQ(place.store().read(query).events.size(), 0U);
  BUSWAY_CHECK(!place.store().find(new_id()).has_value());
  BUSWAY_CHECK(!place.store().status(new_id()).has_value());
  const StoreStats stats = place.store().stats();
  BUSWAY_CHECK_EQ(stats.events, 0U);
  BUSWAY_CHECK_EQ(stats.first_sequence, 0U);
  BUSWAY_CHECK_EQ(stats.last_sequence, 0U);
}

void by_topic(StoreHarness& harness) {
  Place place(harness);
  const std::uint64_t created = place.put(place.event("order.created"));
  const std::uint64_t paid = place.put(place.event("order.paid"));
  const std::uint64_t user = place.put(place.event("user.created"));
  const auto of = [&](std::vector<Pattern> patterns) {
    StoreQuery query;
    query.patterns = patterns;
    return sequences_of(place.store().read(query));
  };
  BUSWAY_CHECK(of({Pattern::parse("order.*")}) == (Sequences{created, paid}));
  BUSWAY_CHECK(of({Pattern::parse("order.paid"), Pattern::parse("re:^user")}) ==
               (Sequences{paid, user}));
  BUSWAY_CHECK(of({Pattern::parse("nothing")}).empty());
}

void by_time(StoreHarness& harness) {
  Place place(harness);
  const WallTime begin = place.now();
  Sequences s;
  for (const int offset : {0, 10, 5, 20}) {  // times need not grow with the log
    s.push_back(place.put(Event("timed", {}, {.id = new_id(), .time = begin + seconds(offset)})));
  }
  StoreQuery query;
  query.since = begin + seconds(5);
  BUSWAY_CHECK(sequences_of(place.store().read(query)) == (Sequences{s[1], s[2], s[3]}));
  query.until = begin + seconds(20);
  BUSWAY_CHECK(sequences_of(place.store().read(query)) == (Sequences{s[1], s[2]}));
  query.since.reset();
  BUSWAY_CHECK(sequences_of(place.store().read(query)) == (Sequences{s[0], s[1], s[2]}));
  query.direction = Direction::newest_first;
  BUSWAY_CHECK(sequences_of(place.store().read(query)) == (Sequences{s[2], s[1], s[0]}));
}

void by_each_field(StoreHarness& harness) {
  Place place(harness);
  const Event plain("plain", {}, {.id = new_id(), .time = place.now()});
  const Event full("full", {},
                   {.source = "shop",
                    .origin = Origin::database,
                    .user_id = "ann",
                    .session_id = "s1",
                    .instance_id = "i1",
                    .schema = "schema1",
                    .entity = "order",
                    .operation = "create",
                    .correlation_id = "c1",
                    .id = new_id(),
                    .time = place.now()});
  const std::uint64_t of_plain = place.put(plain);
  const std::uint64_t of_full = place.put(full);
  const auto check = [&](const std::function<void(StoreQuery&)>& set, const Sequences& expected) {
    StoreQuery query;
    set(query);
    BUSWAY_CHECK(sequences_of(place.store().read(query)) == expected);
  };
  using Field = std::optional<std::string_view> StoreQuery::*;
  const std::vector<std::pair<Field, std::string_view>> fields{
      {&StoreQuery::source, "shop"},      {&StoreQuery::user_id, "ann"},
      {&StoreQuery::session_id, "s1"},    {&StoreQuery::instance_id, "i1"},
      {&StoreQuery::schema, "schema1"},   {&StoreQuery::entity, "order"},
      {&StoreQuery::operation, "create"}, {&StoreQuery::correlation_id, "c1"}};
  for (const auto& one : fields) {
    const Field field = one.first;  // clang 14 captures no structured bindings
    const std::string_view value = one.second;
    check([&](StoreQuery& query) { query.*field = value; }, {of_full});
    check([&](StoreQuery& query) { query.*field = "x"; }, {});
    check([&](StoreQuery& query) { query.*field = "x' OR '1'='1"; }, {});
    check([&](StoreQuery& query) { query.*field = ""; }, {of_plain});
  }
  check([&](StoreQuery& query) { query.origin = Origin::database; }, {of_full});
  check([&](StoreQuery& query) { query.origin = Origin::internal; }, {of_plain});
  check([&](StoreQuery& query) { query.origin = Origin::plugin; }, {});
  check(
      [&](StoreQuery& query) {
        query.user_id = "ann";
        query.entity = "user";
      },
      {});
}

void not_by_a_writer(StoreHarness& harness) {
  Place place(harness);
  Store& first = place.store();
  Store& second = place.other();
  const AppendResult of_first = first.append(place.event());
  const AppendResult of_second = second.append(place.event());
  StoreQuery query;
  query.not_by = first.writer();
  const bool two = &first != &second;
  BUSWAY_CHECK_EQ(two, first.writer() != second.writer());
  const Sequences expected = two ? Sequences{of_second.sequence} : Sequences{};
  BUSWAY_CHECK(sequences_of(first.read(query)) == expected);
  query.not_by = 0;  // nobody's
  while (query.not_by == first.writer() || query.not_by == second.writer()) ++*query.not_by;
  BUSWAY_CHECK(sequences_of(first.read(query)) ==
               (Sequences{of_first.sequence, of_second.sequence}));
}

StoredDelivery delivery_of(Store& store, const Event& event, std::string_view durable) {
  const std::optional<StoredStatus> status = store.status(event.id());
  BUSWAY_CHECK(status.has_value());
  check_same(status->stored.event, event);
  for (const StoredDelivery& one : status->deliveries) {
    if (one.durable == durable) return one;
  }
  fail(__FILE__, __LINE__, "status() names each subscription that matches", std::string(durable));
}

EventStatus status_of(Store& store, const Event& event) {
  return store.status(event.id()).value().status;
}

void status_of_each_state(StoreHarness& harness) {
  using State = StoredDelivery::State;
  Place place(harness);
  Store& store = place.store();
  const auto consumer = place.open("mailer", "order.*");
  const Event other = place.event("user.created");
  const Event event = place.event("order.created");
  place.put(other);
  place.put(event);
  BUSWAY_CHECK_EQ(status_of(store, other), EventStatus::completed);  // none matches
  BUSWAY_CHECK_EQ(store.status(other.id())->deliveries.size(), 0U);
  BUSWAY_CHECK_EQ(status_of(store, event), EventStatus::pending);
  BUSWAY_CHECK_EQ(delivery_of(store, event, "mailer").state, State::pending);
  BUSWAY_CHECK(!delivery_of(store, event, "mailer").lease_until.has_value());
  BUSWAY_CHECK(store.status(event.id())->appended != WallTime{});

  const WallTime given = place.now();
  Leased leased = take_one(*consumer);
  StoredDelivery delivery = delivery_of(place.other(), event, "mailer");
  BUSWAY_CHECK_EQ(delivery.state, State::processing);
  BUSWAY_CHECK_EQ(delivery.attempts, 1U);
  // A server need not tell when a lease ends.
  if (delivery.lease_until) BUSWAY_CHECK(*delivery.lease_until > given);
  BUSWAY_CHECK_EQ(status_of(store, event), EventStatus::processing);

  const WallTime failed = place.now();
  settle(*consumer, retry(leased.sequence, seconds(100), ErrorCode::timed_out, "too slow"));
  delivery = delivery_of(store, event, "mailer");
  BUSWAY_CHECK_EQ(delivery.state, State::retrying);
  BUSWAY_CHECK_EQ(delivery.attempts, 1U);
  BUSWAY_CHECK(delivery.changed.has_value());
  BUSWAY_CHECK(*delivery.changed >= failed - milliseconds(1));
  BUSWAY_CHECK(!delivery.lease_until.has_value());
  BUSWAY_CHECK(delivery.due.has_value());
  BUSWAY_CHECK(*delivery.due >= failed + seconds(99));
  BUSWAY_CHECK(delivery.error.find("too slow") != std::string::npos);
  BUSWAY_CHECK_EQ(status_of(store, event), EventStatus::processing);
}

void status_at_the_end(StoreHarness& harness) {
  using State = StoredDelivery::State;
  Place place(harness);
  Store& store = place.store();
  const auto good = place.open("good");
  const auto bad = place.open("bad");
  const Event event = place.event();
  place.put(event);
  finish(*good, 1);
  BUSWAY_CHECK_EQ(delivery_of(store, event, "good").state, State::completed);
  BUSWAY_CHECK_EQ(delivery_of(store, event, "bad").state, State::pending);
  BUSWAY_CHECK_EQ(status_of(store, event), EventStatus::processing);

  settle(*bad, bury(take_one(*bad).sequence, ErrorCode::handler_failed, "broken"));
  const StoredDelivery delivery = delivery_of(store, event, "bad");
  BUSWAY_CHECK_EQ(delivery.state, State::dead_lettered);
  BUSWAY_CHECK_EQ(delivery.attempts, 1U);
  BUSWAY_CHECK(delivery.changed.has_value());
  BUSWAY_CHECK(delivery.error.find("broken") != std::string::npos);
  BUSWAY_CHECK_EQ(status_of(store, event), EventStatus::failed);

  BUSWAY_CHECK_EQ(store.redrive({}), 1U);
  BUSWAY_CHECK_EQ(status_of(store, event), EventStatus::failed);  // until it has ended well
  finish(*bad, 1);
  BUSWAY_CHECK_EQ(status_of(store, event), EventStatus::completed);
  BUSWAY_CHECK_EQ(delivery_of(store, event, "bad").state, State::completed);

  // A name that begins later has nothing to do with it.
  const auto late = place.open("late");
  BUSWAY_CHECK_EQ(store.status(event.id())->deliveries.size(), 2U);
}

void by_status(StoreHarness& harness) {
  Place place(harness);
  const auto consumer = place.open("mailer");
  const Sequences s = place.put(place.events(5));
  const std::vector<Leased> leased = take(*consumer, 4);
  settle(*consumer, done(leased[0].sequence));
  settle(*consumer, retry(leased[1].sequence, seconds(100)));
  settle(*consumer, bury(leased[2].sequence));
  const auto of = [&](EventStatus status) {
    StoreQuery query;
    query.status = status;
    return sequences_of(place.store().read(query));
  };
  BUSWAY_CHECK(of(EventStatus::completed) == Sequences{s[0]});
  BUSWAY_CHECK(of(EventStatus::processing) == (Sequences{s[1], s[3]}));
  BUSWAY_CHECK(of(EventStatus::failed) == Sequences{s[2]});
  BUSWAY_CHECK(of(EventStatus::pending) == Sequences{s[4]});
}

}  // namespace

Cases reading_cases() {
  static constexpr ConformanceCase kCases[] = {
      {"TheLogIsReadInBothDirections", &directions},
      {"PagesFollowEachOtherWithoutGapOrOverlap", &pages},
      {"APageWithoutALimitHasTheStoresOwn", &a_page_of_its_own},
      {"AnEmptyLogIsEmpty", &an_empty_log},
      {"EventsAreFoundByTopic", &by_topic},
      {"EventsAreFoundByTime", &by_time, &StoreFeatures::query, "query"},
      {"EventsAreFoundByEachField", &by_each_field, &StoreFeatures::query, "query"},
      {"EventsOfOneWriterAreLeftOut", &not_by_a_writer},
      {"TheStatusFollowsADelivery", &status_of_each_state},
      {"TheStatusAtTheEndIsThatOfAllDeliveries", &status_at_the_end},
      {"EventsAreFoundByStatus", &by_status, &StoreFeatures::query, "query"},
  };
  return kCases;
}

}  // namespace busway::testing::conformance
