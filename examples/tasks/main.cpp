// Tasks, a calendar and settings: plugins that know nothing of each other, only events. What each
// of them does for whom is told by analytics, which ships with busway.
#include <busway/announce_executed.hpp>
#include <busway/bus.hpp>
#include <busway/plugin_import.hpp>
#include <busway/plugin_manager.hpp>
#include <busway/typed.hpp>

#include <chrono>
#include <cstddef>
#include <iostream>
#include <string>
#include <vector>

#include "events.hpp"

// Linked in, so that this is one program; as libraries they would be no different.
BUSWAY_IMPORT_PLUGIN(tasks_task_manager)
BUSWAY_IMPORT_PLUGIN(tasks_calendar)
BUSWAY_IMPORT_PLUGIN(tasks_settings)
BUSWAY_IMPORT_PLUGIN(busway_analytics_static)

using busway::Json;
using namespace std::chrono_literals;

namespace {

class Office {
 public:
  Office() {
    for (const char* name :
         {"tasks_task_manager", "tasks_calendar", "tasks_settings", "busway_analytics_static"}) {
      manager_.load(std::string("static:") + name);
    }
    for (const busway::PluginProblem& problem : manager_.start_all()) {
      std::cout << "  " << problem.message << "\n";
    }
  }

  /// Something happens, and all that follows from it is shown.
  template <class T>
  void happens(const T& event, const std::string& user) {
    bus_.publish(event, {.user_id = user});
    show();
  }

  Json ask(const std::string& what, const Json& question, const std::string& user = {}) {
    const busway::RequestResult result = bus_.request(what, question, 10s, {.user_id = user});
    show();
    return result.json();
  }

 private:
  void show() {
    (void)manager_.wait_until_idle(10s);
    const std::vector<busway::Event> newest_first =
        bus_.history({"user:registered", "task_manager:task_*", "calendar:event_*",
                      "subscription:updated", "data.*"});
    for (; shown_ < newest_first.size(); ++shown_) {
      const busway::Event& event = *(newest_first.rbegin() + static_cast<std::ptrdiff_t>(shown_));
      std::cout << "  " << event.topic() << " " << event.json().dump() << "\n";
    }
  }

  busway::Bus bus_{{.history = 1000}};
  busway::PluginManager manager_{bus_,
                                 {.middleware = busway::AnnounceExecuted{.except = {"analytics"}}}};
  std::size_t shown_ = 0;
};

}  // namespace

int main() {
  Office office;

  std::cout << "somebody registers\n";
  office.happens(UserRegistered{.user_id = "ada", .email = "ada@example.org"}, "ada");

  std::cout << "ada has a task\n";
  const Json id =
      office.ask("task_manager:create", {{"user_id", "ada"}, {"title", "Write it down"}}, "ada");

  std::cout << "ada has an appointment, and so another task\n";
  (void)office.ask("calendar:create", {{"user_id", "ada"}, {"date", "2027-03-01"}}, "ada");

  std::cout << "ada is done with the first\n";
  const Json which = {{"user_id", "ada"}, {"task_id", id}};
  for (const char* words : {"there was one", "there is another"}) {
    const Json answer = office.ask("task_manager:complete", which, "ada");
    std::cout << "  " << words << ": " << answer << "\n";
  }

  std::cout << "ada pays\n";
  office.happens(SubscriptionUpdated{.user_id = "ada", .tier = "pro"}, "ada");
  std::cout << "  settings " << office.ask("settings:get", {{"user_id", "ada"}}, "ada").dump()
            << "\n";

  // Each call of a plugin's handler was announced, but for those of analytics, which keeps them.
  std::cout << "calls of handlers for ada\n";
  const Json done = office.ask("analytics.executions", {{"user", "ada"}});
  for (const auto& [plugin, times] : done.at("plugins").items()) {
    std::cout << "  " << plugin << ": " << times.at("count") << "\n";
  }
}
