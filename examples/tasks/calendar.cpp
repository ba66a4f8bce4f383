// A calendar. Answers calendar:create {user_id, date} with the new event's id.
//
//   hears       calendar:create
//   publishes   calendar:event_created
#include <busway/plugin.hpp>

#include "events.hpp"

namespace {

using busway::Json;
using busway::PluginContext;

class Calendar : public busway::Plugin {
 private:
  void start() override {
    subscribe("calendar:create", [this](const Json& wanted, PluginContext& context) {
      const CalendarEventCreated event{
          .user_id = wanted.at("user_id"), .event_id = next_id_++, .date = wanted.at("date")};
      context.reply(event.event_id);
      publish(event, {.user_id = event.user_id});
    });
  }

  std::int64_t next_id_ = 100;
};

}  // namespace

BUSWAY_PLUGIN(Calendar)
