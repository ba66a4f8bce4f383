/* The numbers of plugin.h as a C compiler sees them, for abi_test.cpp; must compile as C11. */
#include "abi_facts.h"

BUSWAY_ABI_FACTS(busway_abi_facts_c)
