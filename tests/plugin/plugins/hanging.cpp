// A plugin whose handlers do not come back in time.
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <thread>

#include "busway/plugin.hpp"
#include "trap.hpp"

namespace {

using busway::Json;
using busway::PluginContext;
using busway::PluginEvent;
using busway::PluginRetry;
using std::chrono::seconds;

std::size_t this_thread() { return std::hash<std::thread::id>{}(std::this_thread::get_id()); }

class Hanging : public busway::Plugin {
 protected:
  void setup(const Json& config) override {
    trap_ = &Trap::at(config.at("trap").get<std::uint64_t>());
    subscribe("early.sync", [this](const PluginEvent&) { trap_->enter(); },
              {.mode = Mode::sync, .timeout = seconds(1)});
  }

  void start() override {
    const PluginRetry never{.max_retries = 0};
    for (const char* topic : {"hang", "hang.too"}) {
      subscribe(topic, &Hanging::hang, {.name = topic, .timeout = seconds(1), .retry = never});
    }
    subscribe("hang.sync", &Hanging::hang,
              {.name = "hang.sync", .mode = Mode::sync, .timeout = seconds(1)});
    subscribe("wait.sync", &Hanging::wait_for_stop, {.name = "waits", .mode = Mode::sync});
    subscribe("wait.sync.long", &Hanging::wait_for_stop,
              {.name = "waits long", .mode = Mode::sync, .timeout = seconds(10)});
    subscribe("tries.sync",
              [this](const PluginEvent&, PluginContext& context) {
                if (context.attempt() == 1) {
                  publish("tries.failed");
                  throw std::runtime_error("once");
                }
                trap_->enter();
              },
              {.mode = Mode::sync,
               .timeout = std::chrono::hours(3),
               .retry = PluginRetry{.initial_delay = seconds(1), .total = std::chrono::hours(2)}});
    subscribe("wait", &Hanging::wait_for_stop, {.timeout = seconds(1), .retry = never});
    subscribe("host", &Hanging::ask_for_everything, {.timeout = seconds(1), .retry = never});
    subscribe("ask",
              [this](const PluginEvent&) {
                const busway::PluginReply reply =
                    request("question", Json(), std::chrono::hours(1));
                publish("asked", {{"status", reply.status}});
              },
              {.timeout = std::chrono::hours(1)});
    subscribe("second",
              [this](const PluginEvent& event) {
                Trap::at(event.json().at("trap").get<std::uint64_t>()).enter();
                throw std::runtime_error("words of the second");
              },
              {.timeout = std::chrono::hours(1), .retry = never});
    subscribe("quick", [this](const PluginEvent& event) {
      publish("quick.seen", {{"number", event.json()}, {"thread", this_thread()}});
    });
    subscribe("own", [this](const PluginEvent&) { own_thread_ = this_thread(); },
              {.mode = Mode::sync});
    subscribe("flaky",
              [this](const PluginEvent&, PluginContext& context) {
                publish("flaky.attempt", context.attempt());
                throw std::runtime_error("not today");
              },
              {.name = "flaky", .retry = PluginRetry{.max_retries = 2}});
    subscribe("flaky.sync",
              [](const PluginEvent&, PluginContext& context) {
                if (context.attempt() < 3) throw std::runtime_error("not yet");
              },
              {.mode = Mode::sync,
               .retry = PluginRetry{.initial_delay = std::chrono::milliseconds(1),
                                    .total = seconds(60)}});
  }

 private:
  void hang(const PluginEvent& event, PluginContext& context) {
    publish("hanging", {{"thread", this_thread()}});
    trap_->enter();
    // All of it is still there, and its own.
    publish("hang.after", {{"text", event.json().at("text")},
                           {"topic", event.topic()},
                           {"stop", context.stop_requested()},
                           {"attempt", context.attempt()}});
    const auto nested = publish("own");
    publish("own.seen", {{"delivered", nested.delivered}, {"thread", own_thread_.load()}});
    throw std::runtime_error("words of the late one");
  }

  void wait_for_stop(const PluginEvent&, PluginContext& context) {
    ++trap_->inside;
    while (!context.stop_requested()) std::this_thread::yield();
    --trap_->inside;
    ++trap_->left;
  }

  void ask_for_everything(const PluginEvent&) {
    trap_->enter();
    const auto attempt = [this](const std::function<void()>& call) {
      try {
        call();
      } catch (const busway::PluginError&) {
        ++trap_->refused;
      }
      ++trap_->done;
    };
    attempt([this] { publish("too.late"); });
    attempt([this] {
      if (request("too.late", Json()).status == BUSWAY_STOPPED) ++trap_->refused;
    });
    attempt([this] { subscribe("too.late", [](const PluginEvent&) {}); });
    attempt([this] { after(seconds(0), [] {}); });
    attempt([this] { log("too late"); });
    attempt([this] { report_error("too late"); });
    attempt([this] { set_source_state(BUSWAY_SOURCE_ENDED); });
  }

  Trap* trap_ = nullptr;
  std::atomic<std::size_t> own_thread_{0};
};

}  // namespace

BUSWAY_PLUGIN(Hanging)
