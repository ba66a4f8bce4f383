// The program of docs/writing_a_plugin.md.
// begin: first_program
#include <chrono>
#include <iostream>

#include <busway/busway.hpp>
#include <busway/json.hpp>
#include <busway/plugin_manager.hpp>

int main() {
  busway::Bus bus;
  // Plugins publish on threads of their own; asynchronous, this handler takes one event at a time.
  const auto listening = bus.subscribe(
      "*.said",
      [](const busway::Event& event) { std::cout << event.topic() << ' ' << event.json() << '\n'; },
      {.mode = busway::Mode::async});

  busway::PluginManager plugins(bus);
  plugins.load({.path = "plugins/hello.so", .config = {{"greeting", "good day"}}});
  plugins.load("plugins/tally.so");
  for (const auto& problem : plugins.start_all()) std::cerr << problem.message << '\n';

  for (const char* name : {"Ada", "Bob"}) {
    bus.publish("chat.message", busway::Json{{"name", name}});
    if (!plugins.wait_until_idle(std::chrono::seconds(10))) return 1;
  }
}
// end: first_program
