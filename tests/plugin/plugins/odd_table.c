/* Plugins whose table is not one of this host's; ODD says in which way. */
#include <string.h>

#include "busway/plugin.h"

static busway_status create(const busway_host_api* api, busway_host* host, busway_plugin** out) {
  (void)api;
  (void)host;
  *out = (busway_plugin*)1;
  return BUSWAY_OK;
}
static void destroy(busway_plugin* plugin) { (void)plugin; }
static busway_status on_event(busway_plugin* plugin, uint64_t tag, const busway_event* event,
                              const busway_delivery* delivery) {
  (void)plugin;
  (void)tag;
  (void)event;
  (void)delivery;
  return BUSWAY_OK;
}

#define ODD_ABI_99 1
#define ODD_NO_TABLE 2
#define ODD_SHORT 3
#define ODD_NO_CREATE 4
#define ODD_BAD_ID 5
#define ODD_MINIMAL 6 /* as short as is allowed: it works */

const busway_plugin_api* busway_plugin_entry(uint32_t min_abi, uint32_t max_abi) {
  static busway_plugin_api table;
  (void)min_abi;
  (void)max_abi;
  if (ODD == ODD_NO_TABLE) return NULL;
  table.size = sizeof table;
  table.abi = ODD == ODD_ABI_99 ? 99 : BUSWAY_ABI;
  table.id.data = ODD == ODD_BAD_ID ? "no/id" : "odd";
  table.id.size = strlen(table.id.data);
  table.create = ODD == ODD_NO_CREATE ? NULL : create;
  table.destroy = destroy;
  table.on_event = on_event;
  if (ODD == ODD_SHORT) table.size = 16;
  if (ODD == ODD_MINIMAL) {
    table.size = (uint32_t)(offsetof(busway_plugin_api, on_event) + sizeof table.on_event);
    /* What lies beyond the size must not be looked at. */
    memset((char*)&table + table.size, 0x5a, sizeof table - table.size);
  }
  return &table;
}
