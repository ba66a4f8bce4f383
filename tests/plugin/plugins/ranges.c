/* Speaks the ABI versions FROM to TO, and gives the table of the highest that both sides do. */
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

const busway_plugin_api* busway_plugin_entry(uint32_t min_abi, uint32_t max_abi) {
  static busway_plugin_api table;
  const uint32_t from = FROM;
  const uint32_t to = TO;
  if (to < min_abi || from > max_abi) return NULL;
  table.size = sizeof table;
  table.abi = to < max_abi ? to : max_abi;
  table.id.data = "ranges";
  table.id.size = 6;
  table.create = create;
  table.destroy = destroy;
  table.on_event = on_event;
  return &table;
}
