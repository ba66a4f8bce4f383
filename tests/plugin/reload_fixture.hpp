// Builds of one plugin that take each other's place.
#pragma once

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include <temporary_folder.hpp>

#include "hanging_fixture.hpp"
#include "plugin_fixture.hpp"

namespace busway {

/// In the short form; all of them with BUSWAY_TEST_RELOADS.
inline int reloads() {
  const char* const told = std::getenv("BUSWAY_TEST_RELOADS");
  return told == nullptr ? 100 : std::atoi(told);
}

class ReloadTest : public PluginTest {
 protected:
  /// What a build leaves: the file is there in one moment.
  void build(std::string_view name) {
    namespace fs = std::filesystem;
    fs::copy_file(library(name), folder_.file("made"), fs::copy_options::overwrite_existing);
    fs::rename(folder_.file("made"), file());
  }
  [[nodiscard]] std::string file() const { return folder_.file("counter.so"); }

  void run_build(std::string_view name, Json config = Json::object(),
                 PluginReload reload = PluginReload::overlap) {
    build(name);
    manager_.load(
        PluginSpec{.path = file(), .config = std::move(config), .rules = {.reload = reload}});
    manager_.start("counter");
  }

  [[nodiscard]] std::set<SubscriptionId> subscription_ids() {
    std::set<SubscriptionId> ids;
    for (const SubscriptionInfo& info : bus_.subscriptions("counter")) ids.insert(info.id);
    return ids;
  }

  TemporaryFolder folder_;
};

/// Of an event of the counter.
inline int number(const Event& event, const char* member) {
  return event.json().at(member).get<int>();
}

/// Publishes count 0, 1, 2 ... on a thread of its own until told to end.
class Counting {
 public:
  explicit Counting(Bus& bus)
      : heard_(bus.subscribe("counted",
                             [this](const Event& event) {
                               in_order_ = in_order_ && number(event, "n") == seen_ &&
                                           number(event, "count") == seen_ + 1;
                               builds_.insert(number(event, "build"));
                               ++seen_;
                             })),
        thread_([this, &bus] {
          for (; !end_; ++sent_) refused_ += bus.publish("count", Json(sent_.load())).ok() ? 0 : 1;
        }) {}
  ~Counting() { finish(); }
  /// When all that was published has been heard.
  void finish() {
    end_ = true;
    if (thread_.joinable()) thread_.join();
  }
  bool all_heard() {
    return eventually([&] { return seen_ == sent_; });
  }
  [[nodiscard]] int sent() const { return sent_; }
  [[nodiscard]] int refused() const { return refused_; }
  [[nodiscard]] bool in_order() const { return in_order_; }
  [[nodiscard]] std::size_t builds() const { return builds_.size(); }

 private:
  std::atomic<int> seen_{0};
  std::atomic<int> sent_{0};
  std::atomic<int> refused_{0};
  std::atomic<bool> end_{false};
  std::atomic<bool> in_order_{true};
  std::set<int> builds_;
  Subscription heard_;
  std::thread thread_;
};

/// Hears what the counter's source reads: line 0, 1, 2 ...
class Lines {
 public:
  explicit Lines(Bus& bus)
      : heard_(bus.subscribe("line", [this](const Event& event) {
          in_order_ = in_order_ && number(event, "n") == seen_;
          ++seen_;
        })) {}
  [[nodiscard]] int seen() const { return seen_; }
  [[nodiscard]] bool in_order() const { return in_order_; }

 private:
  std::atomic<int> seen_{0};
  std::atomic<bool> in_order_{true};
  Subscription heard_;  // last: ends before what it writes to
};

}  // namespace busway
