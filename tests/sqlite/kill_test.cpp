// Publishers and consumers are killed at random moments: what was acknowledged is delivered to each
// durable name.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <thread>

#include "process.hpp"
#include "sqlite_fixture.hpp"

namespace busway {
namespace {

int rounds() {
  const char* const wanted = std::getenv("BUSWAY_TEST_STORE_KILLS");
  return wanted != nullptr ? std::atoi(wanted) : 50;
}

struct Note {
  std::uint64_t number = 0;
  EventId id;
};

std::vector<Note> notes_in(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<Note> out;
  std::uint64_t words[3];
  while (file.read(reinterpret_cast<char*>(words), sizeof words)) {
    out.push_back({words[0], EventId{words[1], words[2]}});
  }
  return out;
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
  using Numbers = std::map<std::uint64_t, EventId>;

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
  /// What the store holds, each number once and with an id of its own.
  static Numbers stored_in(Store& store) {
    Numbers stored;
    std::set<EventId> ids;
    StoreQuery query;
    for (bool more = true; more;) {
      const StorePage page = store.read(query);
      for (const StoredEvent& one : page.events) {
        const std::uint64_t number = number_in(one.event);
        EXPECT_TRUE(stored.emplace(number, one.event.id()).second) << number << " is there twice";
        EXPECT_TRUE(ids.insert(one.event.id()).second) << number << "'s id is there twice";
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
    const Numbers stored = stored_in(*store);
    const std::vector<Note> published = notes_in(log_of("published"));
    // Half of the publishers are killed when they have acknowledged something.
    EXPECT_GE(published.size(), static_cast<std::size_t>(std::max(1, rounds() / 2)));
    std::size_t again = 0;
    for (const auto& [number, id] : published) {
      const auto found = stored.find(number);
      ASSERT_TRUE(found != stored.end()) << number << " was acknowledged and is lost";
      EXPECT_EQ(found->second, id) << number << " was acknowledged with another id";
    }
    for (const std::string& name : names_) {
      Numbers handled;
      for (const auto& [number, id] : notes_in(log_of(name))) {
        // A second time it comes with its id and its payload, and so does a first one.
        const auto found = stored.find(number);
        ASSERT_TRUE(found != stored.end()) << number << " was delivered and is not stored";
        EXPECT_EQ(found->second, id) << number << " was delivered with another id to " << name;
        if (!handled.emplace(number, id).second) ++again;
      }
      if (GetParam().fails) add_letters(*store, name, handled);
      for (const auto& [number, id] : stored) {
        EXPECT_TRUE(handled.contains(number)) << number << " was not delivered to " << name;
      }
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

  /// What was given up is kept, and was handled by nobody.
  static void add_letters(Store& store, const std::string& name, Numbers& handled) {
    constexpr std::uint64_t kAlwaysFails = 5;
    std::size_t letters = 0;
    for (const auto& [number, id] : handled) {
      EXPECT_NE(number % kAlwaysFails, 0U) << number << " cannot be handled";
    }
    for (const StoredLetter& one : store.dead_letters({.durable = name})) {
      const std::uint64_t number = number_in(one.event);
      EXPECT_FALSE(one.redriving);
      EXPECT_FALSE(one.history.empty());
      handled.emplace(number, one.event.id());  // or handled, and its holder was killed
      ++letters;
    }
    EXPECT_GT(letters, 0U) << name;
  }

  const std::vector<std::string> names_{"a", "b"};
};

TEST_P(KilledAtRandom, NothingThatWasAcknowledgedIsLost) {
  std::mt19937 random(std::random_device{}());
  // Two instances of a share its work; b has one.
  std::vector<std::unique_ptr<Process>> consumers;
  for (std::size_t i = 0; i < 3; ++i) consumers.push_back(start_consumer(i));
  constexpr std::uint64_t kMany = 1'000'000;
  constexpr const char* kHow[] = {"one", "threads", "batch", "receipts"};
  std::unique_ptr<Process> publisher;
  for (int round = 0; round < rounds(); ++round) {
    // One that is no victim publishes for some rounds, and ends by itself.
    if (publisher == nullptr) {
      publisher = start_publisher(1 + static_cast<std::uint64_t>(round) * kMany, kHow[round % 4]);
    }
    // Half of them are killed at any moment, the others when something was acknowledged.
    if (GetParam().publishers && round % 2 == 0) {
      EXPECT_EQ(publisher->read_line(), "begun");
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(random() % 60));
    if (GetParam().consumers) {
      const std::size_t which = random() % consumers.size();
      consumers[which]->kill_now();
      consumers[which] = start_consumer(which);
    }
    if (GetParam().publishers) {
      publisher->kill_now();
      publisher.reset();
    } else if (round % 13 == 12 || round + 1 == rounds()) {
      publisher->close_input();
      EXPECT_EQ(publisher->wait(), 0);
      publisher.reset();
    }
  }
  for (auto& one : consumers) one->close_input();
  for (auto& one : consumers) EXPECT_EQ(one->wait(), 0);
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
  for (std::size_t i = 0; i < 3; ++i) consumers.push_back(start_consumer(i));
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
