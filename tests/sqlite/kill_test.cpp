// Publishers and consumers are killed at random moments: what was acknowledged is delivered to each
// durable name.
#include <cstdlib>
#include <cstring>
#include <eventually.hpp>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <system_error>

#include "process.hpp"
#include "sqlite_fixture.hpp"

namespace busway {
namespace {

int rounds() {
  const char* const wanted = std::getenv("BUSWAY_TEST_STORE_KILLS");
  return wanted != nullptr ? std::atoi(wanted) : 50;
}

std::vector<std::uint64_t> notes_in(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<std::uint64_t> out;
  std::uint64_t number = 0;
  while (file.read(reinterpret_cast<char*>(&number), sizeof number)) out.push_back(number);
  return out;
}

/// In bytes, eight a note; 0: there is none yet.
std::uintmax_t size_of(const std::string& path) {
  std::error_code none;
  const std::uintmax_t size = std::filesystem::file_size(path, none);
  return none ? 0 : size;
}

class KilledAtRandom : public SqliteFolder, public ::testing::WithParamInterface<const char*> {};

TEST_P(KilledAtRandom, NothingThatWasAcknowledgedIsLost) {
  const std::string address = "sqlite:" + path;
  const std::string victims = GetParam();  // p: publishers, c: consumers
  std::mt19937 random(std::random_device{}());
  const std::vector<std::string> names{"a", "b"};
  const auto log_of = [&](const std::string& who) { return folder.file(who + ".log"); };
  const auto start_consumer = [&](std::size_t which) {
    const std::string& name = names[which % names.size()];
    auto made = std::make_unique<Process>(
        std::vector<std::string>{BUSWAY_SQLITE_WORKER, "consume", address, log_of(name), name});
    EXPECT_EQ(made->read_line(), "ready");
    return made;
  };
  // Two instances of a share its work; b has one.
  std::vector<std::unique_ptr<Process>> consumers;
  for (std::size_t i = 0; i < 3; ++i) consumers.push_back(start_consumer(i));
  std::uint64_t first = 1;
  constexpr std::uint64_t kMany = 1'000'000;
  for (int round = 0; round < rounds(); ++round) {
    Process publisher({BUSWAY_SQLITE_WORKER, "publish", address, log_of("published"),
                       std::to_string(first), std::to_string(kMany)});
    // Somewhere within what it does after so many.
    const std::uintmax_t enough = size_of(log_of("published")) + random() % 60 * 8;
    EXPECT_TRUE(eventually([&] { return size_of(log_of("published")) >= enough; }));
    if (victims.find('c') != std::string::npos) {
      const std::size_t which = random() % consumers.size();
      consumers[which]->kill_now();
      consumers[which] = start_consumer(which);
    }
    // It never ends by itself; only where publishers are victims the moment is left to chance.
    publisher.kill_now();
    first += kMany;
  }
  for (auto& one : consumers) one->close_input();
  for (auto& one : consumers) EXPECT_EQ(one->wait(), 0);

  const std::vector<std::uint64_t> published = notes_in(log_of("published"));
  EXPECT_GT(published.size(), 0U);
  const std::shared_ptr<Store> store = open();
  std::set<std::uint64_t> stored;
  std::set<EventId> ids;
  StoreQuery query;
  for (bool more = true; more;) {
    const StorePage page = store->read(query);
    for (const StoredEvent& one : page.events) {
      std::uint64_t number = 0;
      ASSERT_EQ(one.event.bytes().size(), 8U);
      std::memcpy(&number, one.event.bytes().data(), 8);
      EXPECT_TRUE(stored.insert(number).second) << number << " is stored twice";
      EXPECT_TRUE(ids.insert(one.event.id()).second);
    }
    EXPECT_EQ(page.set_aside, 0U);
    more = page.more;
    query.after = page.next;
  }
  for (const std::uint64_t number : published) {
    EXPECT_TRUE(stored.contains(number)) << number << " was acknowledged and is lost";
  }
  for (const std::string& name : names) {
    const std::vector<std::uint64_t> handled = notes_in(log_of(name));
    const std::set<std::uint64_t> once(handled.begin(), handled.end());
    for (const std::uint64_t number : stored) {
      EXPECT_TRUE(once.contains(number)) << number << " was not delivered to " << name;
    }
    for (const std::uint64_t number : once) {
      EXPECT_TRUE(stored.contains(number)) << number << " was delivered and is not stored";
    }
  }
  for (const DurableInfo& one : store->durables()) {
    EXPECT_EQ(one.lag, 0U) << one.name;
    EXPECT_EQ(one.leased, 0U) << one.name;
    EXPECT_EQ(one.retrying, 0U) << one.name;
    EXPECT_EQ(one.dead_letters, 0U) << one.name;
  }
  EXPECT_TRUE(store->check().empty());
}

INSTANTIATE_TEST_SUITE_P(Processes, KilledAtRandom, ::testing::Values("p", "pc"),
                         [](const auto& one) {
                           return std::string(one.param) == "p" ? "Publishers" : "Both";
                         });

}  // namespace
}  // namespace busway
