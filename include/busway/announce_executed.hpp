// busway/announce_executed.hpp -- publishes plugin.executed for what a plugin has handled.
// Layer: plugin
//
// Model      PluginManager manager(bus, {.middleware = AnnounceExecuted()}). After each call of a
//            plugin's handler, also one that failed, plugin.executed is published on the same bus,
//            caused by the event: the plugin's id, the event's user_id and how long the call took
//            by the clock of the bus. Handling plugin.executed announces nothing, so that who
//            listens to it does not hear of itself for ever.
// Threads    [any-thread]
// Ownership  None.
// Errors     What the handler throws passes on. An announcement that cannot be published is left
//            out: it never makes a delivery fail.
// Cost       Two readings of the clock and one event a call.
// Example    examples/tasks
#pragma once

#include <string_view>

#include "busway/middleware.hpp"

namespace busway {

class AnnounceExecuted {
 public:
  Outcome operator()(std::string_view plugin, const Event& event, Context& context,
                     const Next& next) const;
};

}  // namespace busway
