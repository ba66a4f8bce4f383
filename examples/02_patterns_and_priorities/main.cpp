// Patterns: four kinds, how a plain string is read, and a match without a bus.
// Priorities: of subscriptions (which handler first) and of events (which event first).
#include <busway/busway.hpp>
#include <busway/manual_executor.hpp>

#include <initializer_list>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

using busway::Event;
using busway::Mode;
using busway::Pattern;
using busway::Priority;

namespace {

void the_four_kinds() {
  const std::vector<Pattern> patterns{
      Pattern::exact("order.created"),
      Pattern::glob("order.*"),
      Pattern::segments("order.*.shipped"),
      Pattern::regex("^order\\.(created|cancelled)$"),
  };
  for (const Pattern& pattern : patterns) {
    std::cout << to_string(pattern) << "\n";
    for (const char* topic : {"order.created", "order.eu.shipped", "order.eu.west.shipped"}) {
      std::cout << "  " << topic << " " << (pattern.matches(topic) ? "yes" : "no") << "\n";
    }
  }
}

void plain_strings() {
  for (const char* text : {"order.created", "order.*", "^order\\.", "seg:order.*"}) {
    std::cout << Pattern::parse(text).explain() << "\n";
  }
}

/// A number on each subscription: the higher one is called first.
void handlers_in_order() {
  busway::Bus bus;
  const auto say = [](const char* who) {
    return [who](const Event&) { std::cout << "  " << who << "\n"; };
  };
  auto last = bus.subscribe("order.created", say("write the log"), {.priority = -10});
  auto first = bus.subscribe("order.*", say("check the stock"), {.priority = 10});
  auto between = bus.subscribe({"order.created", "order.changed"}, say("update the page"));
  std::cout << "handlers:\n";
  bus.publish("order.created");
}

/// Events that wait in a mailbox: high before normal before low.
void events_in_order() {
  const auto executor = std::make_shared<busway::ManualExecutor>();
  busway::Bus bus({.executor = executor});
  auto worker =
      bus.subscribe("job.*", [](const Event& event) { std::cout << "  " << event.topic() << "\n"; },
                    {.mode = Mode::async});
  bus.publish("job.report", busway::Payload{}, {.priority = Priority::low});
  bus.publish("job.mail");
  bus.publish("job.alarm", busway::Payload{}, {.priority = Priority::high});
  std::cout << "events:\n";
  bus.poll();
}

}  // namespace

int main() {
  the_four_kinds();
  plain_strings();
  handlers_in_order();
  events_in_order();
}
