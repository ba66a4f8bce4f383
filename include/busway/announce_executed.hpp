// busway/announce_executed.hpp -- publishes plugin.executed for what a plugin has handled.
// Layer: plugin
//
// Model      PluginManager manager(bus, {.middleware = AnnounceExecuted()}). After each call of a
//            plugin's handler, also one that failed, plugin.executed is published on the same bus,
//            caused by the event: the plugin's id, the event's user_id and how long the call took
//            by the clock of the bus. Handling plugin.executed announces nothing, so that who
//            listens to it does not hear of itself for ever; nor does any call of a plugin whose id
//            is in `except`, such as one that keeps the announcements and should not count itself:
//            AnnounceExecuted{.except = {"analytics"}}.
// Threads    [any-thread]; `except` is not changed while it is used.
// Ownership  Owns its list.
// Errors     What the handler throws passes on. An announcement that cannot be published is left
//            out: it never makes a delivery fail. An id in `except` that no plugin has changes
//            nothing.
// Cost       Two readings of the clock and one event a call; a comparison for each of `except`.
// Example    examples/tasks
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "busway/middleware.hpp"

namespace busway {

struct AnnounceExecuted {
  std::vector<std::string> except{};  ///< ids of plugins whose own calls are not announced

  Outcome operator()(std::string_view plugin, const Event& event, Context& context,
                     const Next& next) const;
};

}  // namespace busway
