// Publishers and consumers are killed at random moments: what was acknowledged is delivered to each
// durable name.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <set>
#include <thread>

#include "busway/testing/delivery_audit.hpp"
#include "busway/testing/kill_rounds.hpp"
#include "sqlite_fixture.hpp"

namespace busway {
namespace {

using testing::DeliveryAudit;
using testing::DeliveryNote;
using testing::KillRounds;
using testing::NoteFile;
using testing::Process;
using Lines = std::vector<std::string>;

int rounds() {
  const char* const wanted = std::getenv("BUSWAY_TEST_STORE_KILLS");
  return wanted != nullptr ? std::atoi(wanted) : 50;
}

struct Victims {
  const char* name;
  bool publishers;
  bool consumers;
  const char* durability;
  bool fails = false;  // some handlers: those of a multiple of five always
};

class KilledAtRandom : public SqliteFolder, public ::testing::WithParamInterface<Victims> {
 protected:
  [[nodiscard]] std::string log_of(const std::string& who) const {
    return folder.file(who + ".log");
  }
  std::unique_ptr<Process> start_consumer(std::size_t which) {
    const std::string& name = names_[which % names_.size()];
    auto made = std::make_unique<Process>(std::vector<std::string>{
        BUSWAY_SQLITE_WORKER, GetParam().fails ? "consume-badly" : "consume", "sqlite:" + path,
        GetParam().durability, log_of(name), name});
    EXPECT_EQ(made->read_line(), "ready");
    return made;
  }
  std::unique_ptr<Process> start_publisher(std::uint64_t first, const std::string& how) {
    return std::make_unique<Process>(std::vector<std::string>{
        BUSWAY_SQLITE_WORKER, "publish", "sqlite:" + path, GetParam().durability,
        log_of("published"), std::to_string(first), how});
  }

  static std::uint64_t number_in(const Event& event) {
    std::uint64_t number = 0;
    EXPECT_EQ(event.bytes().size(), sizeof number);
    std::memcpy(&number, event.bytes().data(), sizeof number);
    return number;
  }
  static DeliveryNote note_of(const Event& event) {
    return {.id = event.id(), .content = number_in(event)};
  }
  /// What the store holds, each number once.
  static std::vector<DeliveryNote> stored_in(Store& store) {
    std::vector<DeliveryNote> stored;
    std::set<std::uint64_t> numbers;
    StoreQuery query;
    for (bool more = true; more;) {
      const StorePage page = store.read(query);
      for (const StoredEvent& one : page.events) {
        stored.push_back(note_of(one.event));
        const std::uint64_t number = stored.back().content;
        EXPECT_TRUE(numbers.insert(number).second) << number << " is there twice";
      }
      EXPECT_EQ(page.set_aside, 0U);
      more = page.more;
      query.after = page.next;
    }
    return stored;
  }

  void audit() {
    const std::shared_ptr<Store> store = open();
    // A commit that a kill has cut short may stand in the log behind those of others.
    for (const std::string& line : log_lines) EXPECT_TRUE(mentions(line, "end of its log")) << line;
    DeliveryAudit audit;
    for (const DeliveryNote& one : NoteFile::read(log_of("published"))) audit.acknowledged(one);
    // Half of the publishers are killed when they have acknowledged something.
    EXPECT_GE(audit.acknowledged_count(), static_cast<std::size_t>(std::max(1, rounds() / 2)));
    const std::vector<DeliveryNote> stored = stored_in(*store);
    for (const DeliveryNote& one : stored) audit.delivered("the store", one);
    const DeliveryAudit::Findings kept = audit.findings("the store");
    EXPECT_EQ(kept.lost, Lines{});
    EXPECT_EQ(kept.doubled, Lines{});
    EXPECT_EQ(kept.changed, Lines{});
    // What is there is owed to each name, though its publisher was killed before it was told.
    for (const DeliveryNote& one : stored) audit.acknowledged(one);
    std::size_t again = 0;
    for (const std::string& name : names_) {
      SCOPED_TRACE(name);
      for (const DeliveryNote& one : NoteFile::read(log_of(name))) {
        EXPECT_TRUE(!GetParam().fails || one.content % kAlwaysFails != 0) << one.content;
        audit.delivered(name, one);
      }
      again += audit.findings(name).doubled.size();
      if (GetParam().fails) add_letters(*store, name, audit);
      const DeliveryAudit::Findings handled = audit.findings(name);
      EXPECT_EQ(handled.lost, Lines{});
      // A second time it comes with its id and its payload, and so does a first one.
      EXPECT_EQ(handled.changed, Lines{});
      EXPECT_EQ(handled.unknown, Lines{});
    }
    for (const DurableInfo& one : store->durables()) {
      EXPECT_EQ(one.lag, 0U) << one.name;
      EXPECT_EQ(one.leased, 0U) << one.name;
      EXPECT_EQ(one.retrying, 0U) << one.name;
      EXPECT_TRUE(GetParam().fails || one.dead_letters == 0) << one.name;
    }
    // Else nobody was killed at work, and nothing was tried.
    EXPECT_TRUE(!GetParam().consumers || again > 0) << "nothing was delivered twice";
    EXPECT_TRUE(store->check().empty());
  }

  /// What was given up is kept; it may have been handled as well, by one that was killed then.
  static void add_letters(Store& store, const std::string& name, DeliveryAudit& audit) {
    const std::vector<StoredLetter> letters = store.dead_letters({.durable = name});
    EXPECT_GT(letters.size(), 0U);
    for (const StoredLetter& one : letters) {
      EXPECT_FALSE(one.redriving);
      EXPECT_FALSE(one.history.empty());
      audit.delivered(name, note_of(one.event));
    }
  }

  /// Two instances of a share its work; b has one.
  static constexpr std::size_t kConsumers = 3;
  /// Of these numbers no bad handler can make anything.
  static constexpr std::uint64_t kAlwaysFails = 5;
  const std::vector<std::string> names_{"a", "b"};
};

TEST_P(KilledAtRandom, NothingThatWasAcknowledgedIsLost) {
  constexpr std::uint64_t kMany = 1'000'000;
  constexpr const char* kHow[] = {"one", "threads", "batch", "receipts"};
  const auto publisher = [&](int round) {
    auto made = start_publisher(1 + static_cast<std::uint64_t>(round) * kMany, kHow[round % 4]);
    // Half of them are killed at any moment, the others when something was acknowledged.
    if (GetParam().publishers && round % 2 == 0) {
      EXPECT_EQ(made->read_line(), "begun");
    }
    return made;
  };
  std::vector<KillRounds::Start> consumers;
  for (std::size_t i = 0; i < kConsumers; ++i) {
    consumers.emplace_back([this, i](int) { return start_consumer(i); });
  }
  KillRounds victims;
  std::vector<std::unique_ptr<Process>> spared;
  if (GetParam().consumers) {
    victims.add(consumers);
  } else {
    for (const KillRounds::Start& start : consumers) spared.push_back(start(0));
  }
  if (GetParam().publishers) {
    victims.add({publisher});
    victims.run(rounds());
  } else {
    // One that is no victim publishes for some rounds, and ends by itself.
    for (int part = 0; part < 4; ++part) {
      const auto one = publisher(part);
      victims.run(rounds() * (part + 1) / 4 - rounds() * part / 4);
      one->close_input();
      EXPECT_EQ(one->wait(), 0);
    }
  }
  EXPECT_TRUE(victims.end());
  for (auto& one : spared) one->close_input();
  for (auto& one : spared) EXPECT_EQ(one->wait(), 0);
  audit();
}

INSTANTIATE_TEST_SUITE_P(Processes, KilledAtRandom,
                         ::testing::Values(Victims{"Publishers", true, false, "full"},
                                           Victims{"PublishersNormal", true, false, "normal"},
                                           Victims{"Consumers", false, true, "full"},
                                           Victims{"ConsumersNormal", false, true, "normal"},
                                           Victims{"Both", true, true, "full"},
                                           Victims{"BothNormal", true, true, "normal"},
                                           Victims{"BothFailing", true, true, "full", true}),
                         [](const auto& one) { return std::string(one.param.name); });

class StoppedAtRandom : public KilledAtRandom {};

TEST_P(StoppedAtRandom, NothingIsLostThoughALeaseLapsesMeanwhile) {
  std::mt19937 random(std::random_device{}());
  std::vector<std::unique_ptr<Process>> consumers;
  for (std::size_t i = 0; i < kConsumers; ++i) consumers.push_back(start_consumer(i));
  const auto publisher = start_publisher(1, "one");
  EXPECT_EQ(publisher->read_line(), "begun");
  for (int round = 0; round < std::max(1, rounds() / 10); ++round) {
    const Process& victim = *consumers[random() % consumers.size()];
    std::this_thread::sleep_for(std::chrono::milliseconds(random() % 60));
    victim.signal(SIGSTOP);
    // Shorter than its lease of 300 ms, or longer: then it is overtaken.
    std::this_thread::sleep_for(std::chrono::milliseconds(random() % 900));
    victim.signal(SIGCONT);
  }
  publisher->close_input();
  EXPECT_EQ(publisher->wait(), 0);
  for (auto& one : consumers) one->close_input();
  for (auto& one : consumers) EXPECT_EQ(one->wait(), 0);
  audit();
}

INSTANTIATE_TEST_SUITE_P(Processes, StoppedAtRandom,
                         ::testing::Values(Victims{"Consumers", false, false, "full"},
                                           Victims{"ConsumersNormal", false, false, "normal"}),
                         [](const auto& one) { return std::string(one.param.name); });

}  // namespace
}  // namespace busway
