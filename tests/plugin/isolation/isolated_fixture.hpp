// A plugin in a process of its own, and what is published while it is being killed.
#pragma once

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>

#include "../hanging_fixture.hpp"
#include "../plugin_fixture.hpp"

namespace busway {

/// In the short form; another number with the environment variable.
inline int times(const char* variable, int short_form) {
  const char* const told = std::getenv(variable);
  return told == nullptr ? short_form : std::atoi(told);
}

class IsolatedTest : public PluginTest {
 protected:
  static PluginRules isolated_rules() {
    PluginRules rules;
    rules.isolation = PluginIsolation::process;
    rules.restarts_max = 1'000'000;
    rules.restart_delay = std::chrono::milliseconds(1);
    rules.restart_delay_max = std::chrono::milliseconds(2);
    return rules;
  }
  void run_mortal(PluginRules rules = isolated_rules(), Json config = Json::object()) {
    manager_.load(PluginSpec{
        .path = library("mortal"), .config = std::move(config), .rules = std::move(rules)});
    manager_.start("mortal");
  }
  [[nodiscard]] PluginInfo info() const { return manager_.find("mortal").value(); }
  void kill_process() const {
    const int process = info().process_id;
    if (process != 0) (void)::kill(process, SIGKILL);
  }
  [[nodiscard]] std::vector<DeadLetter> letters() { return bus_.dead_letters().list(); }
};

/// Publishes count 0, 1, 2 ... and keeps account of each: heard, or a dead letter.
class Account {
 public:
  explicit Account(Bus& bus)
      : bus_(bus), heard_(bus.subscribe("counted", [this](const Event& event) { hear(event); })) {}

  void publish(const char* then = nullptr) {
    Json n = {{"n", sent_}};
    if (then != nullptr) n["then"] = then;
    refused_ += bus_.publish("count", n).ok() ? 0 : 1;
    ++sent_;
  }
  /// How many of those published are neither heard nor dead letters, nor ever will be.
  [[nodiscard]] int missing() {
    std::set<int> known;
    {
      const std::lock_guard lock(mutex_);
      for (const auto& [n, count] : seen_) known.insert(n);
    }
    for (const DeadLetter& letter : bus_.dead_letters().list({.limit = 100'000})) {
      if (letter.event.topic() == "count") known.insert(letter.event.json().at("n").get<int>());
    }
    return sent_ - static_cast<int>(known.size());
  }
  [[nodiscard]] bool all_accounted_for() {
    return eventually([this] { return missing() == 0; });
  }
  [[nodiscard]] int sent() const { return sent_; }
  [[nodiscard]] int refused() const { return refused_; }
  /// Never one before an earlier one, but again where the process died before it could say that it
  /// was done.
  [[nodiscard]] bool in_order() const { return in_order_; }
  [[nodiscard]] int repeated() const { return repeated_; }
  [[nodiscard]] int heard() const { return heard_count_; }
  [[nodiscard]] std::size_t processes() const {
    const std::lock_guard lock(mutex_);
    return processes_.size();
  }

 private:
  void hear(const Event& event) {
    const int n = event.json().at("n").get<int>();
    ++heard_count_;
    const std::lock_guard lock(mutex_);
    if (seen_[n]++ != 0) ++repeated_;
    in_order_ = in_order_ && n >= last_;
    last_ = n;
    processes_.insert(event.json().at("pid").get<int>());
  }

  Bus& bus_;
  mutable std::mutex mutex_;
  std::map<int, int> seen_;
  std::set<int> processes_;
  std::atomic<int> repeated_{0};
  std::atomic<int> heard_count_{0};
  std::atomic<bool> in_order_{true};
  int last_ = 0;
  int sent_ = 0;
  int refused_ = 0;
  Subscription heard_;  // last: ends before what it writes to
};

}  // namespace busway
