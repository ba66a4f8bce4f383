/* What abi_member.cpp does, in C11; nothing is thrown here, its handler fails with words. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "busway/plugin.h"

struct busway_plugin {
  const busway_host_api* api;
  busway_host* host;
  int count;
};

enum { TAG_COUNT = 1, TAG_THROW = 2, TAG_TIMER = 3 };

static busway_view view(const char* text) {
  busway_view out = {text, strlen(text)};
  return out;
}

static int number(busway_view text) {
  char copy[16] = "";
  memcpy(copy, text.data, text.size < sizeof copy ? text.size : sizeof copy - 1);
  return (int)strtol(copy, NULL, 10);
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

static busway_status subscribe(busway_plugin* plugin, const char* topic, uint64_t tag,
                               uint32_t mode) {
  const busway_view pattern = view(topic);
  busway_subscribe_options options;
  memset(&options, 0, sizeof options);
  options.size = sizeof options;
  options.mode = mode;
  return plugin->api->subscribe(plugin->host, &pattern, 1, &options, tag, NULL);
}

static busway_status start(busway_plugin* plugin) {
  busway_status status = subscribe(plugin, "abi.count", TAG_COUNT, BUSWAY_MODE_ASYNC);
  if (status == BUSWAY_OK) status = subscribe(plugin, "abi.throw", TAG_THROW, BUSWAY_MODE_SYNC);
  if (status == BUSWAY_OK) status = subscribe(plugin, "abi.timer", TAG_TIMER, BUSWAY_MODE_ASYNC);
  return status;
}

static busway_status publish(busway_plugin* plugin, const char* topic) {
  char text[64];
  busway_message message;
  (void)snprintf(text, sizeof text, "{\"count\":%d}", plugin->count);
  memset(&message, 0, sizeof message);
  message.size = sizeof message;
  message.priority = BUSWAY_PRIORITY_NORMAL;
  message.topic = view(topic);
  message.payload_kind = BUSWAY_PAYLOAD_JSON;
  message.payload = view(text);
  return plugin->api->publish(plugin->host, &message, NULL);
}

static busway_status on_event(busway_plugin* plugin, uint64_t tag, const busway_event* event,
                              const busway_delivery* delivery) {
  (void)delivery;
  if (tag == TAG_THROW) {
    const busway_view id = plugin->api->plugin_id(plugin->host);
    char words[128];
    (void)snprintf(words, sizeof words, "%.*s threw this on purpose, in its handler", (int)id.size,
                   id.data);
    plugin->api->set_message(plugin->host, view(words));
    return BUSWAY_FAILED;
  }
  if (tag == TAG_TIMER) return plugin->api->schedule(plugin->host, 1000000, 1, NULL);
  plugin->count += number(event->payload);
  return publish(plugin, "abi.counted");
}

static busway_status on_timer(busway_plugin* plugin, uint64_t tag) {
  (void)tag;
  return publish(plugin, "abi.timer_ran");
}

static busway_status save_state(busway_plugin* plugin, uint32_t* out_version) {
  char text[16];
  (void)snprintf(text, sizeof text, "%d", plugin->count);
  *out_version = 1;
  return plugin->api->write_state(plugin->host, view(text));
}

static busway_status restore_state(busway_plugin* plugin, uint32_t version, busway_view state) {
  (void)version;
  plugin->count = number(state);
  return BUSWAY_OK;
}

const busway_plugin_api* busway_plugin_entry(uint32_t min_abi, uint32_t max_abi) {
  static busway_plugin_api table;
  if (BUSWAY_ABI < min_abi || BUSWAY_ABI > max_abi) return NULL;
  table.size = sizeof table;
  table.abi = BUSWAY_ABI;
  table.id = view(BUSWAY_PLUGIN_ID);
  table.create = create;
  table.destroy = destroy;
  table.on_event = on_event;
  table.start = start;
  table.on_timer = on_timer;
  table.save_state = save_state;
  table.restore_state = restore_state;
  return &table;
}
