// The whole plugin of docs/writing_a_plugin.md; writing_a_plugin.cpp loads it.
// begin: hello
#include "busway/plugin.hpp"

class Hello : public busway::Plugin {
  void setup(const busway::Json& config) override { greeting_ = config.value("greeting", "hello"); }

  void start() override {
    subscribe("chat.message", [this](const busway::PluginEvent& event) {
      publish("hello.said", {{"to", event.json().at("name")}, {"text", greeting_}});
    });
  }

  std::string greeting_;
};

BUSWAY_PLUGIN(Hello)
// end: hello
