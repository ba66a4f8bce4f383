/* Answers with the number it was built with. */
#include "busway/plugin.h"

struct busway_plugin {
  int unused;
};
static busway_plugin only;

static busway_status create(const busway_host_api* api, busway_host* host, busway_plugin** out) {
  (void)api;
  (void)host;
  *out = &only;
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
  (void)min_abi;
  (void)max_abi;
  table.size = sizeof table;
  table.abi = BUSWAY_ABI;
  table.id.data = "rebuilt";
  table.id.size = 7;
  table.version.data = BUILD;
  table.version.size = sizeof BUILD - 1;
  table.create = create;
  table.destroy = destroy;
  table.on_event = on_event;
  return &table;
}
