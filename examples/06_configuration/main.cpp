// Configuration: a bus from a YAML file, and what a faulty file looks like.
#include <busway/busway.hpp>
#include <busway/config_error.hpp>
#include <busway/host.hpp>

#include <iostream>

int main() {
  // All that is wrong is told at once, each with its place and the nearest valid name. A file is
  // accepted whole or not at all.
  try {
    auto host = busway::initialize("faulty.yaml");
  } catch (const busway::ConfigError& error) {
    std::cout << error.what() << "\n";
  }

  auto host = busway::initialize("busway.yaml");
  const busway::BusOptions& options = host.bus().options();
  std::cout << "instance " << host.bus().instance_id() << ", queues of " << options.queue_capacity
            << ", history of " << options.history << "\n";

  auto echo = host.bus().subscribe(
      "greeting.*", [](const busway::Event& event) { std::cout << event.topic() << "\n"; });
  host.bus().publish("greeting.hello");

  // Stops in order what initialize() started; the destructor would do it too.
  std::cout << (host.stop().ok() ? "stopped" : "something was left") << "\n";
}
