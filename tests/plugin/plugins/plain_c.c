/* A whole plugin in C11: counts what it hears on c.in and says the count on c.out. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "busway/plugin.h"

struct busway_plugin {
  const busway_host_api* api;
  busway_host* host;
  unsigned count;
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
  const busway_view patterns[] = {view("c.in")};
  uint64_t id = 0;
  return plugin->api->subscribe(plugin->host, patterns, 1, NULL, 7, &id);
}

static busway_status on_event(busway_plugin* plugin, uint64_t tag, const busway_event* event,
                              const busway_delivery* delivery) {
  char text[64];
  busway_message message;
  (void)delivery;
  if (tag != 7 || event->payload_kind != BUSWAY_PAYLOAD_JSON) {
    plugin->api->set_message(plugin->host, view("c.in takes JSON"));
    return BUSWAY_PAYLOAD_TYPE;
  }
  ++plugin->count;
  (void)snprintf(text, sizeof text, "{\"count\":%u}", plugin->count);
  memset(&message, 0, sizeof message);
  message.size = sizeof message;
  message.priority = BUSWAY_PRIORITY_NORMAL;
  message.topic = view("c.out");
  message.payload_kind = BUSWAY_PAYLOAD_JSON;
  message.payload = view(text);
  return plugin->api->publish(plugin->host, &message, NULL);
}

const busway_plugin_api* busway_plugin_entry(uint32_t min_abi, uint32_t max_abi) {
  static busway_plugin_api table;
  if (BUSWAY_ABI < min_abi || BUSWAY_ABI > max_abi) return NULL;
  table.size = sizeof table;
  table.abi = BUSWAY_ABI;
  table.id = view("plain_c");
  table.version = view("1.0.0");
  table.create = create;
  table.destroy = destroy;
  table.on_event = on_event;
  table.start = start;
  return &table;
}
