/* One of several plugins that require each other: ID, and REQUIRED when it requires one. */
#include <stddef.h>

#include "busway/plugin.h"

struct busway_plugin {
  const busway_host_api* api;
  busway_host* host;
  int fails;
};
static busway_plugin only;

#define VIEW(text) \
  { text, sizeof text - 1 }

static busway_status create(const busway_host_api* api, busway_host* host, busway_plugin** out) {
  only.api = api;
  only.host = host;
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
static busway_status setup(busway_plugin* plugin, busway_view config) {
  plugin->fails = config.size > 2; /* more than {} */
  return BUSWAY_OK;
}
static busway_status start(busway_plugin* plugin) {
  const busway_view why = VIEW("does not want to start");
  if (!plugin->fails) return BUSWAY_OK;
  plugin->api->set_message(plugin->host, why);
  return BUSWAY_FAILED;
}

const busway_plugin_api* busway_plugin_entry(uint32_t min_abi, uint32_t max_abi) {
  static const busway_view required[] = {VIEW(REQUIRED)};
  static busway_plugin_api table = {.size = sizeof table,
                                    .abi = BUSWAY_ABI,
                                    .id = VIEW(BUSWAY_PLUGIN_ID),
                                    .version = VIEW(BUSWAY_PLUGIN_VERSION),
                                    .requires_ids = required,
                                    .requires_count = sizeof REQUIRED > 1 ? 1 : 0,
                                    .create = create,
                                    .destroy = destroy,
                                    .on_event = on_event,
                                    .setup = setup,
                                    .start = start};
  return BUSWAY_ABI < min_abi || BUSWAY_ABI > max_abi ? NULL : &table;
}
