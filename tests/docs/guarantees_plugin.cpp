// A plugin whose worker waits for a handler of the host, which publishes to the plugin meanwhile;
// guarantees_test.cpp is its host.
#include <busway/plugin.hpp>

namespace {

class Waiter : public busway::Plugin {
  void start() override {
    subscribe("waiter.go", [this](const busway::PluginEvent&) { publish("waiter.asks"); });
    subscribe("waiter.back", [this](const busway::PluginEvent&) { publish("waiter.heard"); },
              {.mode = Mode::sync});
  }
};

}  // namespace

BUSWAY_PLUGIN(Waiter)
