// Who gets what: names, openings that share one, order, patterns, closing and reopening.
#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <unordered_set>
#include <vector>

#include "busway/limits.hpp"
#include "support.hpp"

namespace busway::testing::conformance {
namespace {

std::vector<std::size_t> numbers_of(const std::vector<Leased>& all) {
  std::vector<std::size_t> numbers;
  numbers.reserve(all.size());
  for (const Leased& one : all) numbers.push_back(number_of(one.event));
  return numbers;
}

/// 0, 1, ... count - 1.
std::vector<std::size_t> counting_to(std::size_t count) {
  std::vector<std::size_t> numbers;
  for (std::size_t n = 0; n < count; ++n) numbers.push_back(n);
  return numbers;
}

void two_names(StoreHarness& harness) {
  Place place(harness);
  const auto mailer = place.open("mailer");
  const auto biller = place.other().open(place.spec("biller"));
  place.put(place.events(50));
  BUSWAY_CHECK(numbers_of(finish(*mailer, 50)) == counting_to(50));
  BUSWAY_CHECK(numbers_of(finish(*biller, 50)) == counting_to(50));
  check_nothing(*mailer);
  check_nothing(*biller);
}

void two_openings(StoreHarness& harness) {
  Place place(harness);
  const auto first = place.open("shared");
  const auto second = place.other().open(place.spec("shared"));
  place.put(place.events(40));
  std::set<std::size_t> seen;
  std::vector<std::size_t> counts(2);
  for (std::size_t round = 0; round < 4; ++round) {
    for (std::size_t i = 0; i < 2; ++i) {
      for (const Leased& one : finish(i == 0 ? *first : *second, 5)) {
        BUSWAY_CHECK(seen.insert(number_of(one.event)).second);
        ++counts[i];
      }
    }
  }
  BUSWAY_CHECK_EQ(counts[0], 20U);
  BUSWAY_CHECK_EQ(counts[1], 20U);
  check_nothing(*first);
  check_nothing(*second);
}

void instance_ids_do_not_matter(StoreHarness& harness) {
  StoreOptions options;
  options.instance_id = "twin";
  Place place(harness, options);
  const auto first = place.open("shared");
  const auto second = place.open("shared");
  place.put(place.events(2));
  const Leased of_first = take_one(*first);
  const Leased of_second = take_one(*second);
  BUSWAY_CHECK(of_first.sequence != of_second.sequence);
  const Settlement not_its_own = done(of_second.sequence);
  BUSWAY_CHECK_EQ(first->settle(std::span(&not_its_own, 1)).stale, 1U);
  settle(*first, done(of_first.sequence));
  settle(*second, done(of_second.sequence));
}

void in_order(StoreHarness& harness) {
  Place place(harness);
  const auto consumer = place.open("all");
  const std::size_t count = place.many(1'000);
  const std::vector<Event> events = place.events(count);
  for (std::size_t n = 0; n < count; n += 10) place.put(std::span(events).subspan(n, 10));
  std::vector<std::size_t> got;
  while (got.size() < count) {
    for (const Leased& one : take(*consumer, 10)) {
      got.push_back(number_of(one.event));
      settle(*consumer, done(one.sequence));
    }
  }
  BUSWAY_CHECK(got == counting_to(count));
}

void sixteen_keys(StoreHarness& harness) {
  Place place(harness);
  DurableSpec spec = place.spec("keys");
  spec.order = DurableOrder::key;
  const auto consumer = place.store().open(spec);
  const std::size_t count = place.many(1'000);
  std::vector<Event> events;
  for (std::size_t n = 0; n < count; ++n) {
    const std::string key = "key" + std::to_string(n % 16);
    events.push_back(
        Event("keyed", Payload::json(Json(n)), {.key = key, .id = new_id(), .time = place.now()}));
  }
  place.put(events);
  std::map<std::string, std::size_t, std::less<>> last;
  for (const Leased& one : finish(*consumer, count)) {
    const auto n = one.event.json().get<std::size_t>();
    const auto [known, first] = last.try_emplace(std::string(one.event.key()), n);
    BUSWAY_CHECK(first || known->second + 16 == n);
    known->second = n;
  }
  BUSWAY_CHECK_EQ(last.size(), 16U);
}

void topics_are_isolated(StoreHarness& harness) {
  Place place(harness);
  const auto orders = place.open("orders", "order.created");
  const auto users = place.open("users", "user.created");
  const auto nobody = place.open("nobody", "order");
  for (std::size_t n = 0; n < 20; ++n) {
    place.put(place.event("order.created", n));
    place.put(place.event("user.created", 100 + n));
  }
  for (const Leased& one : finish(*orders, 20)) BUSWAY_CHECK_EQ(one.event.topic(), "order.created");
  for (const Leased& one : finish(*users, 20)) BUSWAY_CHECK_EQ(one.event.topic(), "user.created");
  check_nothing(*orders);
  check_nothing(*users);
  check_nothing(*nobody);
}

void every_kind_of_pattern(StoreHarness& harness) {
  Place place(harness);
  const std::vector<std::string> topics{"order.created", "order.paid.late", "user.created",
                                        "größe.neu"};
  const std::vector<std::pair<std::string, std::vector<std::size_t>>> patterns{
      {"exact:order.created", {0}}, {"glob:order.*", {0, 1}},      {"seg:order.*", {0}},
      {"seg:order.**", {0, 1}},     {"re:created$", {0, 2}},       {"glob:gr??e.*", {3}},
      {"glob:*", {0, 1, 2, 3}},     {"glob:[ou]*.created", {0, 2}}};
  std::vector<std::unique_ptr<StoreConsumer>> consumers;
  consumers.reserve(patterns.size());
  for (const auto& [pattern, expected] : patterns) {
    consumers.push_back(place.open("name" + std::to_string(consumers.size()), pattern));
  }
  DurableSpec two = place.spec("two", "user.*");
  two.patterns.push_back(Pattern::parse("*.created"));  // an event that fits both comes once
  const auto both = place.store().open(two);
  for (std::size_t n = 0; n < topics.size(); ++n) place.put(place.event(topics[n], n));
  for (std::size_t i = 0; i < patterns.size(); ++i) {
    BUSWAY_CHECK(numbers_of(finish(*consumers[i], patterns[i].second.size())) ==
                 patterns[i].second);
    check_nothing(*consumers[i]);
  }
  BUSWAY_CHECK(numbers_of(finish(*both, 2)) == (std::vector<std::size_t>{0, 2}));
  check_nothing(*both);
}

void ten_thousand_names(StoreHarness& harness) {
  Place place(harness);
  const std::size_t count = place.many(10'000);
  constexpr std::size_t kTopics = 20;
  const auto pattern_of = [](std::size_t i) {
    const std::string n = std::to_string(i % kTopics);
    switch (i / kTopics % 4) {
      case 0: return "exact:topic." + n + ".end";
      case 1: return "glob:topic." + n + ".*";
      case 2: return "seg:topic." + n + ".**";
      default: return "re:^topic\\." + n + "\\.";
    }
  };
  // Each is opened, and stays while its opening is gone.
  for (std::size_t i = 0; i < count; ++i) place.open("n" + std::to_string(i), pattern_of(i));
  for (std::size_t n = 0; n < kTopics; ++n) {
    place.put(place.event("topic." + std::to_string(n) + ".end", n));
  }
  for (std::size_t i = 0; i < count; ++i) {
    const auto consumer = place.open("n" + std::to_string(i), pattern_of(i));
    BUSWAY_CHECK_EQ(number_of(take_one(*consumer).event), i % kTopics);
    check_nothing(*consumer);
  }
  BUSWAY_CHECK_EQ(place.store().durables().size(), count);
}

void passes_what_matches_nobody(StoreHarness& harness) {
  Place place(harness);
  const auto consumer = place.open("orders", "order.*");
  std::vector<Event> events = place.events(300, "other.topic");
  place.put(events);
  place.put(place.event("order.created", 7));
  BUSWAY_CHECK_EQ(number_of(finish(*consumer, 1)[0].event), 7U);
  check_nothing(*consumer);
  place.put(place.events(300, "other.topic"));
  check_nothing(*consumer);
  const DurableInfo info = place.store().durables().at(0);
  BUSWAY_CHECK_EQ(info.lag, 0U);
  BUSWAY_CHECK_EQ(info.leased + info.retrying, 0U);
}

void at_most_as_many_as_asked_for(StoreHarness& harness) {
  Place place(harness);
  const auto consumer = place.open("all");
  place.put(place.events(limits::kFetchMax + 10));
  BUSWAY_CHECK_EQ(consumer->fetch(0).deliveries.size(), 0U);
  BUSWAY_CHECK_EQ(consumer->fetch(1).deliveries.size(), 1U);
  BUSWAY_CHECK(consumer->fetch(7).deliveries.size() <= 7U);
  BUSWAY_CHECK(consumer->fetch(10 * limits::kFetchMax).deliveries.size() <= limits::kFetchMax);
}

void closing_gives_back(StoreHarness& harness) {
  Place place(harness);
  auto consumer = place.open("all");
  place.put(place.events(10));
  BUSWAY_CHECK_EQ(take(*consumer, 10).size(), 10U);
  consumer->close();
  BUSWAY_CHECK_ERROR(consumer->fetch(1), stopped);
  BUSWAY_CHECK_ERROR(consumer->settle({}), stopped);
  BUSWAY_CHECK_ERROR(consumer->renew(), stopped);
  BUSWAY_CHECK_ERROR(consumer->note(), stopped);
  BUSWAY_CHECK_ERROR(consumer->keep_note("x"), stopped);
  consumer->close();  // once more

  auto next = place.open("all");
  for (const Leased& one : take(*next, 10)) BUSWAY_CHECK_EQ(one.attempt, 1U);
  next.reset();  // the destructor does the same
  next = place.open("all");
  for (const Leased& one : finish(*next, 10)) BUSWAY_CHECK_EQ(one.attempt, 1U);
}

void reopening_loses_nothing(StoreHarness& harness) {
  Place place(harness);
  const std::size_t count = place.many(5'000) / 20 * 20;
  place.open("all");
  for (std::size_t n = 0; n < count; n += 20) place.put(place.events(20));
  std::map<std::uint64_t, unsigned> settled;
  // Each opening settles some of what it takes and goes; another one goes on.
  while (settled.size() < count) {
    const auto consumer = place.open("all");
    std::size_t i = 0;
    for (const Leased& one : consumer->fetch(100).deliveries) {
      BUSWAY_CHECK_EQ(one.attempt, 1U);
      if (i++ % 3 == 2) continue;
      settle(*consumer, done(one.sequence));
      BUSWAY_CHECK_EQ(++settled[one.sequence], 1U);
    }
  }
  check_nothing(*place.open("all"));
}

void consumers_leave_one_by_one(StoreHarness& harness) {
  Place place(harness);
  std::vector<std::unique_ptr<StoreConsumer>> consumers;
  consumers.reserve(5);
  for (int i = 0; i < 5; ++i) consumers.push_back(place.open("shared"));
  std::set<std::uint64_t> seen;
  while (!consumers.empty()) {
    place.put(place.events(5));
    for (const auto& consumer : consumers) BUSWAY_CHECK_EQ(take_one(*consumer).attempt, 1U);
    consumers.pop_back();  // what it had goes to those who are left
  }
  const auto last = place.open("shared");
  for (const Leased& one : finish(*last, 25)) BUSWAY_CHECK(seen.insert(one.sequence).second);
  check_nothing(*last);
}

void resumes_after_restart(StoreHarness& harness) {
  Place place(harness);
  auto consumer = place.open("all");
  place.put(place.events(100));
  std::set<std::uint64_t> settled;
  for (const Leased& one : finish(*consumer, 30)) settled.insert(one.sequence);
  const std::vector<Leased> in_hand = take(*consumer, 20);
  settle(*consumer, retry(in_hand[0].sequence));
  consumer->close();
  consumer.reset();
  place.reopen();

  consumer = place.open("all");
  for (const Leased& one : finish(*consumer, 70)) {
    BUSWAY_CHECK(settled.insert(one.sequence).second);
    BUSWAY_CHECK_EQ(one.attempt, one.sequence == in_hand[0].sequence ? 2U : 1U);
  }
  BUSWAY_CHECK_EQ(settled.size(), 100U);
  check_nothing(*consumer);
}

void reconnects(StoreHarness& harness) {
  Place place(harness);
  place.open("all");
  std::unordered_set<EventId> sent;
  std::unordered_set<EventId> got;
  for (int round = 0; round < 3; ++round) {
    for (const Event& event : place.events(place.many(1'000))) {
      BUSWAY_CHECK(place.store().append(event).ok());
      sent.insert(event.id());
    }
    auto consumer = place.open("all");
    for (const Leased& one : finish(*consumer, place.many(1'000) / 2)) got.insert(one.event.id());
    consumer.reset();
    place.reopen();
  }
  const auto consumer = place.open("all");
  for (const Leased& one : finish(*consumer, sent.size() - got.size())) got.insert(one.event.id());
  BUSWAY_CHECK(got == sent);
  check_nothing(*consumer);
}

}  // namespace

Cases subscribing_cases() {
  static constexpr ConformanceCase kCases[] = {
      {"TwoNamesEachGetEverything", &two_names},
      {"TwoOpeningsOfANameShareWithoutOverlap", &two_openings},
      {"OpeningsOfOneInstanceIdAreDifferentOpenings", &instance_ids_do_not_matter},
      {"AnOpeningGetsItsEventsInOrder", &in_order},
      {"SixteenKeysKeepTheirOrder", &sixteen_keys},
      {"TopicsAreIsolated", &topics_are_isolated},
      {"EveryKindOfPatternSelects", &every_kind_of_pattern},
      {"TenThousandNamesEachGetTheirOwn", &ten_thousand_names},
      {"TheCursorPassesWhatDoesNotMatch", &passes_what_matches_nobody},
      {"AFetchGivesAtMostWhatItWasAskedFor", &at_most_as_many_as_asked_for},
      {"ClosingGivesBackUncounted", &closing_gives_back},
      {"ReopeningAgainAndAgainLosesNothing", &reopening_loses_nothing},
      {"OpeningsLeaveOneByOneAndNothingIsLost", &consumers_leave_one_by_one},
      {"ANameGoesOnAfterARestart", &resumes_after_restart, &StoreFeatures::persistent,
       "persistent"},
      {"NothingIsLostWhenTheServerRestartsAgainAndAgain", &reconnects, &StoreFeatures::persistent,
       "persistent"},
  };
  return kCases;
}

}  // namespace busway::testing::conformance
