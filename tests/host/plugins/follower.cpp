// A plugin that requires the talker and says nothing.
#include "busway/plugin.hpp"

namespace {

class Follower : public busway::Plugin {};

}  // namespace

BUSWAY_PLUGIN(Follower)
