// A plugin in C++ that requires two others, and does nothing itself.
#include "busway/plugin.hpp"

namespace {

class Member : public busway::Plugin {};

}  // namespace

BUSWAY_PLUGIN(Member)
