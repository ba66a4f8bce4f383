// A plugin built against an installation, with nothing of busway but its headers.

#include <busway/plugin.hpp>

namespace {

class Greeter : public busway::Plugin {
  void start() override {
    subscribe("user.login", [this](const busway::PluginEvent& event) {
      publish("greeting.sent", {{"to", event.json().at("user_id")}});
    });
  }
};

}  // namespace

BUSWAY_PLUGIN(Greeter)
