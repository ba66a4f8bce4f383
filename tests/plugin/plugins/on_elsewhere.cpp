// A handler in another file of the same plugin.
#include "busway/on.hpp"  // does no harm, in whichever order
#include "busway/plugin.hpp"

namespace {

void on_elsewhere(const busway::PluginEvent&, busway::PluginContext& context) {
  context.reply("from elsewhere");
}

}  // namespace

BUSWAY_ON(on_elsewhere, "on.elsewhere")
