// What each user has set. A new one gets the defaults; what a subscription pays for follows its
// tier.
//
//   hears       user:registered, subscription:updated
//   publishes   data.created, data.updated  {entity, record_id, data}
//   answers     settings:get {user_id}
#include <busway/plugin.hpp>

#include <map>
#include <stdexcept>
#include <string>

#include "events.hpp"

namespace {

using busway::Json;
using busway::PluginContext;

class Settings : public busway::Plugin {
 private:
  void start() override {
    subscribe<UserRegistered>(UserRegistered::topic, [this](const UserRegistered& user) {
      write(user.user_id, {{"email", user.email}, {"language", "en"}, {"projects", 3}});
    });
    subscribe<SubscriptionUpdated>(SubscriptionUpdated::topic,
                                   [this](const SubscriptionUpdated& paid) {
                                     const auto found = settings_.find(paid.user_id);
                                     if (found == settings_.end())
                                       throw std::runtime_error("there is no user " + paid.user_id);
                                     Json changed = found->second;
                                     changed["projects"] = paid.tier == "pro" ? 100 : 3;
                                     write(paid.user_id, std::move(changed));
                                   });
    subscribe("settings:get", [this](const Json& of, PluginContext& context) {
      const auto found = settings_.find(of.at("user_id").get<std::string>());
      context.reply(found == settings_.end() ? Json() : found->second);
    });
  }

  void write(const std::string& user, Json settings) {
    const bool is_new = settings_.insert_or_assign(user, settings).second;
    publish(is_new ? "data.created" : "data.updated",
            {{"entity", "settings"}, {"record_id", user}, {"data", std::move(settings)}},
            {.user_id = user});
  }

  std::map<std::string, Json> settings_;
};

}  // namespace

BUSWAY_PLUGIN(Settings)
