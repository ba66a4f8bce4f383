// The examples with their one line for a store, killed in the middle of their work.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <set>
#include <string>
#include <temporary_folder.hpp>
#include <thread>
#include <vector>

#include <eventually.hpp>
#include <test_paths.hpp>
#include "busway/event.hpp"
#include "busway/store.hpp"
#include "busway/store_provider.hpp"
#include "busway/testing/process.hpp"

namespace busway {
namespace {

using testing::Process;

namespace fs = std::filesystem;

int rounds() {
  const char* const wanted = std::getenv("BUSWAY_TEST_STORE_KILLS");
  return wanted != nullptr ? std::atoi(wanted) / 10 : 5;
}

class DurableExample : public ::testing::Test {
 protected:
  /// The example's configuration with the line in force, beside what it refers to.
  void take(const std::string& example, const std::string& config) {
    const std::string from = std::string(BUSWAY_SOURCE_DIR) + "/examples/" + example;
    fs::copy(from, folder_.path());
    std::ifstream in(from + "/" + config);
    std::ofstream out(config_ = folder_.file(config));
    constexpr std::string_view kOff = "# event_broker:";
    constexpr std::string_view kPositions = "# positions: ";
    int lines = 0;
    for (std::string line; std::getline(in, line);) {
      if (line.starts_with(kOff)) {
        line.erase(0, 2);
        ++lines;
      }
      if (const std::size_t at = line.find(kPositions); at != std::string::npos) {
        line.replace(at, std::string::npos, "positions: " + folder_.file("positions.json"));
      }
      out << line << '\n';
    }
    EXPECT_EQ(lines, 1) << "of its store, in " << config;
  }

  [[nodiscard]] std::string command(const std::string& input) const {
    return "exec '" BUSWAY_BINARY_DIR "/bin/busway' run --until-idle --plugins '" BUSWAY_BINARY_DIR
           "/plugins' '" +
           config_ + "' < '" + input + "' > '" + folder_.file("said") + "' 2>&1";
  }
  [[nodiscard]] std::unique_ptr<Process> begin(const std::string& input,
                                               std::vector<std::string> environment = {}) const {
    environment.push_back("BUSWAY_EXAMPLE_DIR=" + folder_.path().string());
    return std::make_unique<Process>(std::vector<std::string>{"/bin/sh", "-c", command(input)},
                                     environment);
  }
  [[nodiscard]] std::string said() const {
    std::ifstream in(folder_.file("said"));
    return {std::istreambuf_iterator<char>(in), {}};
  }

  /// Events of this topic that are stored by now, by the text of a field of theirs.
  static std::set<std::string> stored(Store& store, const std::string& topic, const char* field) {
    std::set<std::string> found;
    const std::vector<Pattern> patterns{Pattern::exact(topic)};
    StoreQuery query{.patterns = patterns};
    for (bool more = true; more;) {
      const StorePage page = store.read(query);
      for (const StoredEvent& one : page.events) found.insert(one.event.json().at(field));
      query.after = page.next;
      more = page.more;
    }
    return found;
  }
  /// Half of the kills come at any moment, its start included; the others when it has begun to
  /// store, and then at any moment.
  void let_it_work(int round, Store& store, const std::string& topic, int ms_max) {
    if (round % 2 == 1) {
      std::this_thread::sleep_for(std::chrono::milliseconds(random_() % 500));
      return;
    }
    const std::vector<Pattern> patterns{Pattern::exact(topic)};
    const std::uint64_t before = store.stats().last_sequence;
    EXPECT_TRUE(eventually([&] {
      return !store.read({.patterns = patterns, .after = before, .limit = 1}).events.empty();
    })) << said();
    std::this_thread::sleep_for(
        std::chrono::milliseconds(random_() % static_cast<unsigned>(ms_max)));
  }
  [[nodiscard]] std::shared_ptr<Store> beside() const {
    return open_store("sqlite:" + folder_.file("events.db"), {});
  }

  /// All that the store holds. Each delivery to a plugin has been made.
  std::vector<Event> audit() {
    const std::shared_ptr<Store> store = beside();
    EXPECT_EQ(store->check(), std::vector<std::string>{});
    std::vector<Event> all;
    StoreQuery query;
    for (bool more = true; more;) {
      StorePage page = store->read(query);
      EXPECT_EQ(page.set_aside, 0U);
      for (const StoredEvent& one : page.events) {
        all.push_back(one.event);
        const std::optional<StoredStatus> status = store->status(one.event.id());
        if (!status) {
          ADD_FAILURE() << "no status of " << one.event.topic();
          continue;
        }
        for (const StoredDelivery& delivery : status->deliveries) {
          deliveries_[delivery.durable] += 1;
          EXPECT_EQ(delivery.state, StoredDelivery::State::completed)
              << one.event.topic() << " to " << delivery.durable << ": " << delivery.error;
        }
      }
      query.after = page.next;
      more = page.more;
    }
    return all;
  }

  TemporaryFolder folder_;
  std::string config_;
  std::map<std::string, std::size_t> deliveries_;  // by durable name
  std::mt19937 random_{std::random_device{}()};
};

TEST_F(DurableExample, TheBotHandlesWhatItHasReadThoughItIsKilledAgainAndAgain) {
  take("bot", "bot.yaml");
  constexpr int kLines = 100'000;  // it never reaches the last one
  for (int round = 0; round < rounds(); ++round) {
    std::ofstream(folder_.file("chat")) << [&] {
      std::string text;
      for (int i = 0; i < kLines; ++i) {
        text += "ada: " + std::string(i % 10 == 0 ? "!quote add " : "") + std::to_string(round) +
                " " + std::to_string(i) + "\n";
      }
      return text;
    }();
    const std::shared_ptr<Store> store = beside();
    const auto bot = begin(folder_.file("chat"));
    let_it_work(round, *store, "chat.message", 400);
    bot->kill_now();
  }
  std::ofstream(folder_.file("chat")) << "ada: good night\n";
  EXPECT_EQ(begin(folder_.file("chat"))->wait(), 0) << said();

  std::map<int, std::vector<int>> read;
  for (const Event& event : audit()) {
    if (event.topic() != "chat.message") continue;
    std::string text = event.json().at("text");
    if (text.starts_with("!quote add ")) text.erase(0, 11);
    if (text == "good night") continue;
    const std::size_t blank = text.find(' ');
    read[std::stoi(text.substr(0, blank))].push_back(std::stoi(text.substr(blank + 1)));
  }
  std::size_t messages = 1;
  int mid_run = 0;
  for (const auto& [round, numbers] : read) {
    messages += numbers.size();
    EXPECT_LT(numbers.size(), static_cast<std::size_t>(kLines)) << "it was not killed in between";
    mid_run += round % 2 == 0 ? 1 : 0;
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      ASSERT_EQ(numbers[i], static_cast<int>(i)) << "of round " << round;
    }
  }
  EXPECT_EQ(mid_run, (rounds() + 1) / 2) << "of those that were killed when they had begun";
  std::size_t listeners = 0;
  for (const auto& [name, count] : deliveries_) {
    if (name.find(":chat.message@") == std::string::npos) continue;
    EXPECT_EQ(count, messages) << name;
    ++listeners;
  }
  EXPECT_EQ(listeners, 3U) << "trivia, quotes and search";
}

TEST_F(DurableExample, TheGuardKeepsEachLineThoughItIsKilledAgainAndAgain) {
  take("ssh_guard", "ssh_guard.yaml");
  const std::string log = folder_.file("ssh.log");
  constexpr int kLines = 5'000;
  {
    std::ofstream out(log);
    for (int i = 0; i < kLines; ++i) {
      out << "Jan  5 06:20:41 gate sshd[" << 3000 + i << "]: Failed password for invalid user u"
          << i << " from 192.0.2." << i % 200 << " port " << 1024 + i << " ssh2\n";
    }
  }
  const std::vector<std::string> environment{
      "SSH_LOG=" + log, "SSH_POSITIONS=" + folder_.file("positions.json"), "SSH_NOTICE_WAIT=1h"};
  int mid_run = 0;
  for (int round = 0; round < rounds(); ++round) {
    const std::shared_ptr<Store> store = beside();
    if (stored(*store, "user.login_failed", "user_id").size() == kLines) break;  // all are read
    const auto guard = begin("/dev/null", environment);
    let_it_work(round, *store, "user.login_failed", 100);
    guard->kill_now();
    const std::size_t read = stored(*store, "user.login_failed", "user_id").size();
    mid_run += read != 0 && read != kLines ? 1 : 0;
  }
  EXPECT_GT(mid_run, 0) << "none was killed in between";
  EXPECT_EQ(begin("/dev/null", environment)->wait(), 0) << said();

  std::set<std::string> kept;
  std::set<std::string> ids;
  std::ifstream in(folder_.file("audit.jsonl"));
  for (std::string line; std::getline(in, line);) {
    const Json record = Json::parse(line);
    ids.insert(record.at("id").get<std::string>());
    if (record.at("topic") == "user.login_failed") {
      kept.insert(record.at("data").at("user_id").get<std::string>());
    }
  }
  EXPECT_EQ(kept.size(), static_cast<std::size_t>(kLines));
  for (const Event& event : audit()) {
    if (!event.topic().starts_with("user.") && event.topic() != "auth.suspicious") continue;
    EXPECT_TRUE(ids.contains(to_string(event.id()))) << event.topic() << " is not in the audit log";
  }
  Process verify({BUSWAY_BINARY_DIR "/bin/busway", "audit", "verify", folder_.file("audit.jsonl")});
  EXPECT_EQ(verify.wait(), 0) << verify.read_all();
}

}  // namespace
}  // namespace busway
