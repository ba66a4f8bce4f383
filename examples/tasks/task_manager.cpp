// Tasks of users. Answers task_manager:create {user_id, title} with the new task's id and
// task_manager:complete {user_id, task_id} with whether there was one; a calendar's event becomes a
// task by itself.
//
//   hears       task_manager:create, task_manager:complete, calendar:event_created
//   publishes   task_manager:task_created, task_manager:task_completed
#include <busway/plugin.hpp>

#include <cstddef>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>

#include "events.hpp"

namespace {

using busway::Json;
using busway::PluginContext;

class TaskManager : public busway::Plugin {
 private:
  void start() override {
    subscribe("task_manager:create", [this](const Json& wanted, PluginContext& context) {
      context.reply(create({.user_id = wanted.at("user_id"), .title = wanted.at("title")}));
    });
    subscribe("task_manager:complete", [this](const Json& which, PluginContext& context) {
      context.reply(complete(which.at("user_id"), which.at("task_id")));
    });
    subscribe<CalendarEventCreated>(CalendarEventCreated::topic,
                                    [this](const CalendarEventCreated& event) {
                                      (void)create({.user_id = event.user_id,
                                                    .title = "Prepare for event on " + event.date,
                                                    .source = "calendar",
                                                    .source_id = std::to_string(event.event_id)});
                                    });
  }

  Json create(TaskCreated task) {
    constexpr std::size_t kTasksMax = 10'000;
    if (open_.size() == kTasksMax) throw std::runtime_error("there are too many open tasks");
    task.task_id = next_id_++;
    open_[{task.user_id, task.task_id}] = task.title;
    const Json id = task.task_id;
    publish(task, {.user_id = task.user_id});
    return id;
  }

  bool complete(const std::string& user, std::int64_t id) {
    const auto found = open_.find({user, id});
    if (found == open_.end()) return false;
    const std::string title = std::exchange(found->second, {});
    open_.erase(found);
    publish(TaskCompleted{.user = user,
                          .type = "success",
                          .title = "Task completed",
                          .message = "\"" + title + "\" is done"},
            {.user_id = user});
    return true;
  }

  std::map<std::pair<std::string, std::int64_t>, std::string> open_;  // titles, by user and id
  std::int64_t next_id_ = 1;
};

}  // namespace

BUSWAY_PLUGIN(TaskManager)
