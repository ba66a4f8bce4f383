// The subscription that docs/writing_a_plugin.md shows, in a plugin that is loaded by
// writing_a_plugin.cpp.
#include <busway/plugin.hpp>

namespace {

class Patient : public busway::Plugin {
  void on_order(const busway::PluginEvent& event) {
    publish("patient.seen", {{"topic", event.topic()}});
  }

  void start() override {
    // begin: options
    subscribe("order.*", &Patient::on_order, {.queue_capacity = 64, .overflow = Overflow::block});
    // end: options
  }
};

}  // namespace

BUSWAY_PLUGIN(Patient)
