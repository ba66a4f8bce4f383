/* The plugin in C of docs/writing_a_plugin.md. */
// begin: tally
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <busway/plugin.h>

struct busway_plugin {
  const busway_host_api* api;
  busway_host* host;
  unsigned greeted;
};

static busway_view view(const char* text) {
  busway_view out = {text, strlen(text)};
  return out;
}

static busway_status create(const busway_host_api* api, busway_host* host, busway_plugin** out) {
  busway_plugin* plugin = calloc(1, sizeof *plugin);
  if (plugin == NULL) return BUSWAY_OUT_OF_MEMORY;
  plugin->api = api;
  plugin->host = host;
  *out = plugin;
  return BUSWAY_OK;
}

static void destroy(busway_plugin* plugin) { free(plugin); }

static busway_status start(busway_plugin* plugin) {
  const busway_view pattern = view("hello.said");
  return plugin->api->subscribe(plugin->host, &pattern, 1, NULL, 0, NULL);
}

static busway_status on_event(busway_plugin* plugin, uint64_t tag, const busway_event* event,
                              const busway_delivery* delivery) {
  char text[32];
  busway_message message;
  (void)tag; /* the one given to subscribe(): a plugin may have several subscriptions */
  (void)event;
  (void)delivery;
  (void)snprintf(text, sizeof text, "{\"greeted\":%u}", ++plugin->greeted);
  memset(&message, 0, sizeof message);
  message.size = sizeof message;
  message.priority = BUSWAY_PRIORITY_NORMAL;
  message.topic = view("tally.said");
  message.payload_kind = BUSWAY_PAYLOAD_JSON;
  message.payload = view(text);
  return plugin->api->publish(plugin->host, &message, NULL);
}

const busway_plugin_api* busway_plugin_entry(uint32_t min_abi, uint32_t max_abi) {
  static busway_plugin_api table;
  if (BUSWAY_ABI < min_abi || BUSWAY_ABI > max_abi) return NULL;
  table.size = sizeof table;
  table.abi = BUSWAY_ABI;
  table.id = view(BUSWAY_PLUGIN_ID);
  table.version = view(BUSWAY_PLUGIN_VERSION);
  table.description = view(BUSWAY_PLUGIN_DESCRIPTION);
  table.create = create;
  table.destroy = destroy;
  table.on_event = on_event;
  table.start = start;
  return &table;
}
// end: tally
