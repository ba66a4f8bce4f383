/* Tells when code of it has run: merely opening it does. */
#define _GNU_SOURCE
#include <stdlib.h>

#include "busway/plugin.h"

__attribute__((constructor)) static void tell(void) { setenv("BUSWAY_TEST_TELLTALE", "ran", 1); }

const busway_plugin_api* busway_plugin_entry(uint32_t min_abi, uint32_t max_abi) {
  (void)min_abi;
  (void)max_abi;
  return NULL;
}
