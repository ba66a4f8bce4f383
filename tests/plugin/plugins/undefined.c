/* Needs what nobody defines: the dynamic linker refuses it. */
#include "busway/plugin.h"

extern int busway_test_nobody_defines_this(void);

const busway_plugin_api* busway_plugin_entry(uint32_t min_abi, uint32_t max_abi) {
  (void)min_abi;
  (void)max_abi;
  return busway_test_nobody_defines_this() ? NULL : NULL;
}
