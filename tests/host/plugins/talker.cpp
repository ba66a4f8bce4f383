// A source that says so many lines and counts what it hears; its configuration makes it misbehave.
#include <condition_variable>
#include <cstdio>
#include <filesystem>
#include <mutex>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>

#include "busway/plugin.hpp"

namespace {

class Talker : public busway::Plugin {
 protected:
  void setup(const busway::Json& config) override {
    lines_ = config.value("lines", 0);
    stay_ = config.value("stay", false);
    print_ = config.value("print", false);
    bad_ = config.value("bad", "");
    until_ = config.value("until", "");
    ill_ = config.value("ill", "");
    if (bad_ == "setup") throw std::runtime_error("setup fails on purpose");
  }

  void start() override {
    if (bad_ == "start") throw std::runtime_error("start fails on purpose");
    subscribe("talk.said", [this](const busway::PluginEvent&) {
      ++heard_;
      if (bad_ == "handler") never();
      if (bad_ == "throw") throw std::runtime_error("the handler fails on purpose");
    });
    run_source([this](const std::stop_token& stop) { talk(stop); });
  }

  void stop() override {
    publish("run.summary", {{"lines", lines_}, {"heard", heard_}, {"mood", "rather good"}});
    if (bad_ == "stop") throw std::runtime_error("stop fails on purpose");
    while (!until_.empty() && !std::filesystem::exists(until_)) std::this_thread::yield();
    if (bad_ != "hang") return;
    print("stopping");
    never();
  }

  busway::PluginHealth health() override {
    return ill_.empty() ? busway::PluginHealth::ok() : busway::PluginHealth::degraded(ill_);
  }

 private:
  void talk(const std::stop_token& stop) {
    for (int n = 0; n < lines_; ++n) publish("talk.said", {{"n", n}});
    if (print_) print("ready");
    if (!stay_) return;
    std::unique_lock lock(mutex_);
    changed_.wait(lock, stop, [] { return false; });
  }

  void never() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [] { return false; });
  }

  static void print(const std::string& text) {
    std::printf("%s\n", text.c_str());
    std::fflush(stdout);
  }

  int lines_ = 0;
  int heard_ = 0;
  bool stay_ = false;
  bool print_ = false;
  std::string bad_;
  std::string until_;
  std::string ill_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
};

}  // namespace

BUSWAY_PLUGIN(Talker)
