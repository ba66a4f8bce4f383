// Counts what it hears, and is built several times: BUILD tells which, FAILS what does not work.
#include <poll.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>

#include "busway/plugin.hpp"
#include "trap.hpp"

#if !defined(FAILS)
#define FAILS ""
#endif

namespace {

using busway::Json;
using busway::PluginContext;
using busway::PluginEvent;

void fail_in(std::string_view step) {
  if (step == FAILS) throw std::runtime_error(std::string(step) + " does not work in this build");
}

class Counter : public busway::Plugin {
 public:
  Counter() { fail_in("create"); }

 protected:
  void setup(const Json& config) override {
    fail_in("setup");
    config_ = config;
    subscribe("in.setup", [this](const Json& n) { say("setup.heard", n); });
  }

  void start() override {
    say("started", nullptr);
    fail_in("start");
    for (int i = 0; i < config_.value("fills_itself", 0); ++i) {
      full_ += publish("count", Json(i)).ok() ? 0 : 1;
    }
    say("filled", full_);
    counted_ = subscribe("count", [this](const Json& n) { say("counted", n, ++count_); },
                         {.queue_capacity = 256,
                          .overflow = Overflow::block,
                          .block_timeout = std::chrono::seconds(60)});
    waited_ = subscribe("wait", [this](const Json& n) { say("waited", n); }, {.mode = Mode::sync});
    subscribe("only." + std::to_string(BUILD), [this](const Json& n) { say("only", n); });
    subscribe("slow", [this](const Json& n) { work(n); });
    subscribe("ask", [this](const Json& n) {
      say("asking", n);
      say("asked", static_cast<int>(request("never", n, std::chrono::hours(1)).status));
    });
    subscribe("tick", [this](const Json&) {
      after(std::chrono::milliseconds(1), [this] { say("ticked", nullptr); });
      say("ticking", nullptr);
    });
    if (config_.value("busy_at_end", false)) {
      run_source([this](std::stop_token stop) {
        while (!stop.stop_requested()) std::this_thread::yield();
        publish("slow");
        while (!working_) std::this_thread::yield();
      });
    }
    if (config_.contains("lines")) run_source([this](std::stop_token stop) { read(stop); });
  }

  void stop() override {
    if (config_.value("unsubscribes", false)) {
      unsubscribe(counted_);
      unsubscribe(waited_);
    }
    say("stopped", nullptr);
  }

  [[nodiscard]] std::uint32_t state_version() const override { return BUILD; }
  Json save_state() override {
    if (config_.value("fails_to_save", false)) throw std::runtime_error("there is no saving it");
    if (config_.value("asks_in_save", false)) {
      (void)request("never", nullptr, std::chrono::hours(1));
    }
    hang_in("save_state");
    return {{"count", count_}, {"line", line_}};
  }
  void restore_state(std::uint32_t version, const Json& state) override {
    fail_in("restore_state");
    hang_in("restore_state");
    if (version > BUILD) throw std::runtime_error("a state of version " + std::to_string(version));
    count_ = state.at("count");
    line_ = state.at("line");
  }

 private:
  /// Until the test opens its trap, which a process of its own cannot see.
  void hang_in(std::string_view step) const {
    if (config_.value("hangs_in", "") != step) return;
    if (!config_.contains("trap")) {
      for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
    }
    Trap& trap = Trap::at(config_.at("trap").get<std::uint64_t>());
    thread_local Trap::ThreadsEnd tells;
    tells.trap = &trap;
    trap.enter();
  }

  void say(const char* topic, const Json& n, int count = 0) {
    publish(topic, {{"n", n}, {"count", count}, {"build", BUILD}});
  }

  void work(const Json& n) {
    working_ = true;
    say("slow.began", n);
    while (!go_on_) {
      const auto reply = request("may.go.on", n);
      go_on_ = reply.ok() && reply.json == true;
    }
    go_on_ = false;
    say("slow.done", n);
  }

  void read(const std::stop_token& stop) {
    const int lines = config_.at("lines");
    while (line_ < lines && !stop.stop_requested()) {
      say("line", line_);
      ++line_;
    }
  }

  Json config_;
  SubscriptionId counted_ = 0;
  SubscriptionId waited_ = 0;
  int full_ = 0;
  int count_ = 0;
  int line_ = 0;
  bool go_on_ = false;
  std::atomic<bool> working_{false};
};

}  // namespace

BUSWAY_PLUGIN(Counter)
