// A plugin that ends its process, or does not come back, when it is told to.
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "busway/plugin.hpp"

namespace {

using busway::Json;
using busway::Outcome;
using busway::PluginContext;
using busway::PluginEvent;

class Mortal : public busway::Plugin {
 protected:
  void setup(const Json& config) override {
    config_ = config;
    if (config.value("dies_in", "") == "setup") std::abort();
  }

  void start() override {
    publish("mortal.started", {{"pid", ::getpid()}, {"threads", true}});
    if (config_.value("dies_in", "") == "start") std::abort();
    if (config_.value("hangs_in", "") == "start") hang();
    subscribe("count", [this](const Json& n) { return count(n); },
              {.queue_capacity = 512,
               .overflow = Overflow::block,
               .block_timeout = std::chrono::seconds(60),
               .retry = busway::PluginRetry{.max_retries = 0}});
    subscribe("do", [this](const Json& what) { act(what.get<std::string>()); },
              {.name = "do", .retry = busway::PluginRetry{.max_retries = 0}});
    subscribe("do.retried", [this](const Json& what) { act(what.get<std::string>()); },
              {.name = "do.retried"});
    subscribe("do.in_time", [this](const Json& what) { act(what.get<std::string>()); },
              {.name = "do.in_time",
               .timeout = std::chrono::milliseconds(100),
               .retry = busway::PluginRetry{.max_retries = 0}});
    subscribe("do.sync", [this](const Json& what) { act(what.get<std::string>()); },
              {.name = "do.sync", .mode = Mode::sync, .timeout = std::chrono::seconds(20)});
    subscribe("wait_for_stop",
              [this](const PluginEvent&, PluginContext& context) {
                while (!context.stop_requested()) std::this_thread::yield();
                publish("stop.seen");
              },
              {.timeout = std::chrono::milliseconds(100),
               .retry = busway::PluginRetry{.max_retries = 0}});
    // It says nothing, so that only the host's own account tells how far it has come.
    subscribe("silent",
              [](const Json& ms) {
                std::this_thread::sleep_for(std::chrono::milliseconds(ms.get<int>()));
              },
              {.name = "silent",
               .queue_capacity = 512,
               .timeout = std::chrono::milliseconds(300),
               .retry = busway::PluginRetry{.max_retries = 0}});
    doomed_ = subscribe("doomed", [this](const Json& n) {
      publish("doomed.heard", n);
      unsubscribe(doomed_);
    });
    subscribe("subscribe.more", [this](const Json&) {
      subscribe("more", [this](const Json& n) { publish("more.heard", n); });
      publish("more.subscribed");
    });
    subscribe("timed", [this](const PluginEvent&, PluginContext& context) { tell_time(context); },
              {.name = "timed", .timeout = std::chrono::hours(1)});
    subscribe("untimed", [this](const PluginEvent&, PluginContext& context) { tell_time(context); },
              {.name = "untimed", .timeout = std::chrono::nanoseconds::max()});
    subscribe("timed.retried",
              [this](const PluginEvent&, PluginContext& context) {
                tell_time(context);
                if (context.attempt() == 1) throw std::runtime_error("once");
              },
              {.name = "timed.retried",
               .timeout = std::chrono::hours(2),
               .retry = busway::PluginRetry{.initial_delay = std::chrono::milliseconds(1),
                                            .total = std::chrono::hours(1)}});
    subscribe("late", [this](const PluginEvent&) {
      after(std::chrono::milliseconds(30), [this] { publish("timer.ran", ::getpid()); });
      publish("timer.set");
    });
    if (config_.value("asks", false)) {
      // Nobody joins it: it ends with the process.
      std::thread([this] {
        try {
          (void)request("question", ::getpid(), std::chrono::hours(1));
        } catch (const busway::PluginError&) {
        }
      }).detach();
    }
    if (config_.value("lines", false)) {
      run_source([this](const std::stop_token& stop) {
        for (int n = 0; !stop.stop_requested(); ++n)
          publish("line", {{"n", n}, {"pid", ::getpid()}});
      });
    }
  }

 private:
  [[noreturn]] static void hang() {
    for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
  }

  Outcome count(const Json& n) {
    publish("counted", {{"n", n.at("n")}, {"pid", ::getpid()}});
    if (n.contains("then")) act(n.at("then").get<std::string>());
    return n.value("fails", false) ? Outcome::fail("as it was told") : Outcome::done();
  }

  void tell_time(const PluginContext& context) {
    const auto left = context.time_left();
    publish("time", left ? Json(left->count()) : Json());
  }

  /// A process that would stay when this one ends.
  void spawn() {
    const pid_t child = ::fork();
    if (child == 0) {
      for (;;) ::pause();
    }
    publish("spawned", child);
  }

  void act(const std::string& what) {
    if (what == "spawn") spawn();
    if (what == "segv") (void)::raise(SIGSEGV);
    if (what == "abort") std::abort();
    if (what == "exit") std::_Exit(3);
    if (what == "kill") (void)::kill(::getpid(), SIGKILL);
    if (what == "throw") throw std::runtime_error("thrown on purpose");
    if (what == "hang") hang();
    if (what == "ask") {
      publish("asking");
      (void)request("never", nullptr, std::chrono::hours(1));
    }
    if (what == "limits") {
      rlimit files{};
      (void)::getrlimit(RLIMIT_NOFILE, &files);
      rlimit memory{};
      (void)::getrlimit(RLIMIT_AS, &memory);
      rlimit time{};
      (void)::getrlimit(RLIMIT_CPU, &time);
      publish("limits",
              {{"files", files.rlim_cur}, {"memory", memory.rlim_cur}, {"seconds", time.rlim_cur}});
    }
    publish("done", what);
  }

  Json config_;
  SubscriptionId doomed_ = 0;
};

}  // namespace

BUSWAY_PLUGIN(Mortal)
