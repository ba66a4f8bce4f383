// A handler whose pattern no host takes.
#include "busway/plugin.hpp"

namespace {

class Refused : public busway::Plugin {};

void on_nothing(const busway::PluginEvent&) {}

}  // namespace

BUSWAY_ON(on_nothing, "re:(")
BUSWAY_PLUGIN(Refused)
