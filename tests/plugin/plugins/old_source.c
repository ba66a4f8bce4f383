/* A source whose table ends before begin_sources: what a plugin built earlier looks like. */
#include <string.h>

#include "busway/plugin.h"

struct busway_plugin {
  const busway_host_api* api;
  busway_host* host;
};

static busway_status create(const busway_host_api* api, busway_host* host, busway_plugin** out) {
  static busway_plugin one;
  one.api = api;
  one.host = host;
  *out = &one;
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
static busway_status start(busway_plugin* plugin) {
  return plugin->api->set_source_state(plugin->host, BUSWAY_SOURCE_ACTIVE);
}

const busway_plugin_api* busway_plugin_entry(uint32_t min_abi, uint32_t max_abi) {
  static busway_plugin_api table;
  if (BUSWAY_ABI < min_abi || BUSWAY_ABI > max_abi) return NULL;
  table.size = (uint32_t)offsetof(busway_plugin_api, begin_sources);
  table.abi = BUSWAY_ABI;
  table.id.data = "old_source";
  table.id.size = strlen(table.id.data);
  table.create = create;
  table.destroy = destroy;
  table.on_event = on_event;
  table.start = start;
  /* What lies beyond the size must not be looked at. */
  memset((char*)&table + table.size, 0x5a, sizeof table - table.size);
  return &table;
}
