// A plugin that does what its events and its configuration tell it, so that tests can watch.
#include <atomic>
#include <stdexcept>
#include <string>
#include <thread>

#include "busway/plugin.hpp"

namespace {

using busway::Json;
using busway::Outcome;
using busway::PluginContext;
using busway::PluginEvent;
using busway::Priority;

struct Point {
  static constexpr std::string_view topic = "test.point";
  int x = 0;
  int y = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Point, x, y)

class Everything : public busway::Plugin {
 public:
  ~Everything() override {
    // From a destructor, too, nothing may get out.
    try {
      publish("test.destroyed");
    } catch (...) {
    }
  }

 protected:
  void setup(const Json& config) override {
    config_ = config;
    fail_in("setup");
  }

  void start() override {
    fail_in("start");
    subscribe("test.go_and_ask." + std::string(plugin_id()), &Everything::go_and_ask);
    subscribe("test.echo", &Everything::on_echo, {.name = "echo", .priority = 5});
    subscribe("test.sync", &Everything::on_sync, {.mode = Mode::sync});
    subscribe("test.nest", [this](const PluginEvent&) {
      const auto result = publish("test.sync", {{"value", 7}});
      publish("test.nested", {{"delivered", result.delivered}, {"seen", seen_sync_}});
    });
    subscribe("test.relay_sync",
              [this](const PluginEvent& event, PluginContext&) {
                publish(event.json().at("to").get<std::string>(), event.json().at("next"));
              },
              {.mode = Mode::sync});
    if (config_.value("deaf", false)) return;
    subscribe({"test.ask", "test.demand"}, [](const Json& question, PluginContext& context) {
      context.reply({{"answer", question.at("n").get<int>() * 2}});
    });
    subscribe("test.fail", [](const PluginEvent& event) -> Outcome {
      if (event.json() == "int") throw 42;  // NOLINT: on purpose
      if (event.json() == "outcome") return Outcome::fail("did not want to");
      throw std::runtime_error("threw on purpose");
    });
    subscribe<Point>("test.point", [this](const Point& point) {
      publish("test.point_seen", {{"sum", point.x + point.y}});
    });
    subscribe("test.make_point", [this](const PluginEvent&) { publish(Point{.x = 3, .y = 4}); });
    subscribe("test.bytes", [this](const PluginEvent& event) {
      publish_bytes("test.bytes_back", std::string(event.bytes()) + "!", event.content_type());
    });
    subscribe("test.timer", [this](const PluginEvent&) {
      const TimerId never = after(std::chrono::hours(1), [this] { publish("test.too_late"); });
      after(std::chrono::milliseconds(1), [this, never] {
        publish("test.timer_ran", {{"cancelled", cancel(never)}, {"again", cancel(never)}});
      });
    });
    subscribe("test.bad_calls", &Everything::bad_calls);
    once_ = subscribe("test.unsubscribe", [this](const PluginEvent&) {
      unsubscribe(once_);
      publish("test.unsubscribed");
    });
    subscribe("test.unsubscribe_sync", [this](const PluginEvent&) { unsubscribe(sync_once_); });
    sync_once_ = subscribe("test.sync_once",
                           [this](const PluginEvent&) {
                             unsubscribe(sync_once_);
                             publish("test.sync_once_ran");
                           },
                           {.mode = Mode::sync});
    if (const int lines = config_.value("lines", 0); lines > 0) {
      run_source([this, lines](std::stop_token stop) {
        for (int i = 0; i < lines && !stop.stop_requested(); ++i) {
          publish("test.line", {{"number", i}});
        }
      });
    }
    if (config_.value("endless", false)) {
      run_source([](std::stop_token stop) {
        while (!stop.stop_requested()) std::this_thread::yield();
      });
    }
    subscribe("test.farewell", [this](const PluginEvent&) { publish("test.heard_farewell"); });
    if (config_.value("farewell", false)) {
      run_source([this](std::stop_token stop) {
        publish("test.source_began");
        while (!stop.stop_requested()) std::this_thread::yield();
        publish("test.farewell");
      });
    }
    if (config_.value("feeds_itself", false)) {
      subscribe("test.own", [this](const PluginEvent&) { publish("test.own_heard"); },
                {.queue_capacity = 1,
                 .overflow = Overflow::block,
                 .block_timeout = std::chrono::hours(1)});
      run_source([this](std::stop_token stop) {
        while (!stop.stop_requested()) publish("test.own");
      });
    }
    if (config_.value("waits_for_stop", false)) {
      run_source([this](std::stop_token) { stopping_.wait(false); });
    }
    if (config_.value("asks", false)) {
      run_source([this](std::stop_token) { ask_for_long(); });
    }
    if (config_.value("asks_beside", false)) {
      own_thread_ = std::thread([this] { ask_for_long(); });
    }
    subscribe("test.begin_source", [this](const PluginEvent&) {
      run_source([this](std::stop_token) { publish("test.source_began"); });
    });
    if (config_.value("broken_source", false)) {
      run_source([](std::stop_token) { throw std::runtime_error("the line went dead"); });
    }
  }

  void stop() override {
    stopping_ = true;
    stopping_.notify_all();
    if (own_thread_.joinable()) own_thread_.join();
    fail_in("stop");
    publish("test.stopping");
  }
  void teardown() override {
    fail_in("teardown");
    publish("test.teardown");
  }
  busway::PluginHealth health() override {
    return config_.value("ill", false) ? busway::PluginHealth::degraded("has a cold")
                                       : busway::PluginHealth::ok();
  }

 private:
  void fail_in(std::string_view step) const {
    if (config_.value("fail", "") == step) throw std::runtime_error("cannot " + std::string(step));
  }

  void ask_for_long() {
    const busway::PluginReply reply = request("test.unanswered", Json(), std::chrono::hours(1));
    publish("test.asked_in_vain", {{"status", reply.status}, {"message", reply.message}});
    publish("test.asked_again",
            {{"status", request("test.unanswered", Json(), std::chrono::hours(1)).status}});
  }

  void on_echo(const PluginEvent& event) {
    Json seen = {{"payload", event.json()},  {"topic", event.topic()},   {"id", event.id()},
                 {"source", event.source()}, {"key", event.key()},       {"user", event.user_id()},
                 {"hops", event.hops()},     {"meta", event.metadata()}, {"me", plugin_id()}};
    seen["thread"] = std::hash<std::thread::id>{}(std::this_thread::get_id());
    publish("test.echoed", seen,
            {.priority = Priority::high, .key = "k2", .metadata = {{"by", "echo"}}});
  }

  void on_sync(const PluginEvent& event, PluginContext& context) {
    seen_sync_ = event.json().value("value", 0);
    publish("test.sync_seen", {{"attempt", context.attempt()}});
    if (seen_sync_ < 0) throw std::runtime_error("negative");
  }

  void go_and_ask(const PluginEvent& event) {
    const busway::PluginReply reply =
        request(event.json().at("topic").get<std::string>(), {{"n", 21}});
    publish("test.asked", {{"status", reply.status}, {"json", reply.json}});
  }

  void bad_calls(const PluginEvent&) {
    Json seen = Json::array();
    const auto attempt = [&](auto&& call) {
      try {
        call();
        seen.push_back("no error");
      } catch (const busway::PluginError& error) {
        seen.push_back({{"status", error.status()}, {"message", error.what()}});
      }
    };
    attempt([&] { publish("bad topic", 1); });
    attempt([&] { subscribe("re:(", [](const PluginEvent&) {}); });
    attempt([&] { unsubscribe(4711); });
    attempt([&] { after(std::chrono::nanoseconds(-1), [] {}); });
    publish("test.bad_calls_seen", seen);
  }

  Json config_;
  std::atomic<bool> stopping_{false};
  std::thread own_thread_;
  int seen_sync_ = 0;
  SubscriptionId once_ = 0;
  SubscriptionId sync_once_ = 0;
};

}  // namespace

BUSWAY_PLUGIN(Everything)
