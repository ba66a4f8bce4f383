#include "busway/announce_executed.hpp"

#include <algorithm>
#include <chrono>
#include <string>

#include "bus/middleware/watched_call.hpp"
#include "busway/events/plugin_executed.hpp"
#include "busway/typed.hpp"

namespace busway {

Outcome AnnounceExecuted::operator()(std::string_view plugin, const Event& event, Context& context,
                                     const Next& next) const {
  if (event.topic() == topics::kPluginExecuted) return next();
  if (std::find(except.begin(), except.end(), plugin) != except.end()) return next();
  const auto announce = [&](const Outcome&, std::chrono::nanoseconds took) {
    detail::call_harmlessly([&] {
      context.publish(PluginExecuted{
          .plugin = std::string(plugin),
          .user = std::string(event.user_id()),
          .execution_time_ms = std::chrono::duration<double, std::milli>(took).count()});
    });
  };
  return detail::watched_call(context, next, announce);
}

}  // namespace busway
