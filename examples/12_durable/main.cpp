// Events in a file: what a program had not handled when it ended is handled by the next one.
//
// Each function below stands for a program of its own; run them one after the other, or at once.
#include <busway/bus.hpp>
#include <busway/manual_executor.hpp>
#include <nlohmann/json.hpp>

#include <filesystem>
#include <iostream>
#include <memory>
#include <string>

using busway::Event;
using busway::Json;

namespace {

/// The line that makes a bus durable is the first.
busway::BusOptions options(const std::string& file) {
  return {.store = "sqlite:" + file,
          // Handlers run when this program says so, for the order of what it prints. Leave it out
          // in yours.
          .executor = std::make_shared<busway::ManualExecutor>()};
}

/// Makes the name `mailer`: from now on each order waits for it, whether it runs or not.
void install(const std::string& file) {
  busway::Bus bus(options(file));
  const auto mailer = bus.subscribe("order.created", [](const Event&) {}, {.durable = "mailer"});
}

void shop(const std::string& file) {
  busway::Bus bus(options(file));
  for (int n = 1; n <= 3; ++n) {
    const busway::PublishResult result = bus.publish("order.created", Json{{"order", n}});
    std::cout << "order " << n << (result.ok() ? " is in the file\n" : " is not kept\n");
  }
}

void mailer_that_stops_early(const std::string& file) {
  busway::Bus bus(options(file));
  busway::Subscription mailer;
  mailer =
      bus.subscribe("order.created",
                    [&](const Event& event) {
                      std::cout << "mail for order " << event.json()["order"] << "\n";
                      mailer.reset();  // this one is done; the others are for whoever comes next
                    },
                    {.durable = "mailer"});
  while (bus.poll() != 0) {
  }
}

void mailer(const std::string& file) {
  busway::Bus bus(options(file));
  const auto mailer = bus.subscribe("order.created",
                                    [](const Event& event) {
                                      if (event.json()["order"] == 3)
                                        return busway::Outcome::dead_letter("no address");
                                      std::cout << "mail for order " << event.json()["order"]
                                                << "\n";
                                      return busway::Outcome::done();
                                    },
                                    {.durable = "mailer"});
  while (bus.poll() != 0) {
  }
  for (const busway::DeadLetter& letter : bus.dead_letters().list()) {
    std::cout << "order " << letter.event.json()["order"] << ": " << letter.last().reason << "\n";
  }
}

/// All that was ever published is there, for a subscriber that comes late.
void statistics(const std::string& file) {
  busway::Bus bus(options(file));
  int orders = 0;
  const auto counter =
      bus.subscribe("order.*", [&](const Event&) { ++orders; },
                    {.durable = "statistics", .replay = busway::Replay::beginning()});
  while (bus.poll() != 0) {
  }
  std::cout << orders << " orders so far\n";
}

}  // namespace

int main() {
  namespace fs = std::filesystem;
  const fs::path folder = fs::temp_directory_path() / "busway_example_durable";
  fs::remove_all(folder);
  fs::create_directory(folder);
  const std::string file = (folder / "orders.db").string();

  install(file);
  shop(file);
  mailer_that_stops_early(file);
  mailer(file);
  statistics(file);

  fs::remove_all(folder);
}
