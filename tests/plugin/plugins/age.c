/* A plugin built with an older plugin.h (OLDER 1) or with a newer one (OLDER 0): its structs and
 * its table end earlier or later than the host's. What the host must not look at, or write to, is
 * poisoned. Built with the header of today, which cannot be both. */
#include <stdio.h>
#include <string.h>

#include "busway/plugin.h"

enum { BEYOND = 64, POISON = 0x5a, TAG_GO = 1, TAG_SYNC = 2 };

/* The size of a struct as this plugin knows it: without first_unknown and what follows it, or with
 * members that nobody knows yet. */
#define SIZE_OF(type, first_unknown) \
  ((uint32_t)(OLDER ? offsetof(type, first_unknown) : sizeof(type) + BEYOND))

/* Room for each of them, and for what lies behind it. */
#define AGED(type)       \
  struct {               \
    type known;          \
    char beyond[BEYOND]; \
  }

/* Unset members are zero, what is none of the struct's is poison. */
static void clear(void* aged, uint32_t* size, size_t room, uint32_t bytes, size_t host_knows) {
  memset(aged, POISON, room);
  memset(aged, 0, bytes < host_knows ? bytes : host_knows);
  *size = bytes;
}
#define CLEAR(aged, type, first_unknown) \
  clear(&(aged), &(aged).known.size, sizeof(aged), SIZE_OF(type, first_unknown), sizeof(type))

static int is_poison(const void* from, const void* to) {
  const char* byte = from;
  for (; byte != (const char*)to; ++byte) {
    if (*byte != POISON) return 0;
  }
  return 1;
}

/* The host's table as this plugin's header declares it. */
typedef struct later_host_api {
  uint32_t size;
  uint32_t abi;
  char known[sizeof(busway_host_api) - 8];
  busway_status (*sing)(busway_host* host);
} later_host_api;

struct busway_plugin {
  const busway_host_api* api;
  busway_host* host;
};

static busway_view view(const char* text) {
  busway_view out = {text, strlen(text)};
  return out;
}

static busway_status create(const busway_host_api* api, busway_host* host, busway_plugin** out) {
  static busway_plugin one;
  one.api = api;
  one.host = host;
  *out = &one;
  return BUSWAY_OK;
}
static void destroy(busway_plugin* plugin) { (void)plugin; }

static busway_status start(busway_plugin* plugin) {
  const busway_view go = view("age.go");
  const busway_view sync = view("age.sync");
  AGED(busway_subscribe_options) options;
  CLEAR(options, busway_subscribe_options, queue_capacity);
  options.known.mode = BUSWAY_MODE_SYNC;
  busway_status status =
      plugin->api->subscribe(plugin->host, &sync, 1, &options.known, TAG_SYNC, NULL);
  if (status != BUSWAY_OK) return status;
  return plugin->api->subscribe(plugin->host, &go, 1, NULL, TAG_GO, NULL);
}

/* Publishes with this message and result, both as old or new as the plugin. */
static busway_status say(busway_plugin* plugin, const char* topic, busway_publish_result* result) {
  AGED(busway_message) message;
  CLEAR(message, busway_message, metadata);
  message.known.priority = BUSWAY_PRIORITY_HIGH;
  message.known.topic = view(topic);
  message.known.payload_kind = BUSWAY_PAYLOAD_BYTES;
  message.known.payload = view("said");
  message.known.content_type = view("text/plain");
  return plugin->api->publish(plugin->host, &message.known, result);
}

static busway_status say_with_size(busway_plugin* plugin, uint32_t size) {
  busway_message message;
  memset(&message, 0, sizeof message);
  message.topic = view("age.unsaid");
  message.size = size;
  return plugin->api->publish(plugin->host, &message, NULL);
}

static busway_status go(busway_plugin* plugin) {
  AGED(busway_publish_result) result;
  busway_publish_result tiny;
  char text[256];
  busway_message report;

  CLEAR(result, busway_publish_result, delivered);
  const uint32_t size = result.known.size;
  const busway_status said = say(plugin, "age.said", &result.known);
  const char* end = (const char*)&result + (OLDER ? size : sizeof(busway_publish_result));

  memset(&tiny, POISON, sizeof tiny);
  tiny.size = sizeof tiny.size;
  const busway_status said_again = say(plugin, "age.said", &tiny);

  (void)snprintf(text, sizeof text,
                 "{\"said\":%d,\"matched\":%u,\"size_kept\":%d,\"beyond_kept\":%d,"
                 "\"said_again\":%d,\"tiny_kept\":%d,\"sings\":%d,"
                 "\"no_size\":%d,\"no_topic\":%d,\"half_a_topic\":%d}",
                 said, (unsigned)result.known.matched, result.known.size == size,
                 is_poison(end, (const char*)&result + sizeof result), said_again,
                 is_poison(&tiny.worst, &tiny + 1),
                 BUSWAY_HAS(later_host_api, (const later_host_api*)plugin->api, sing),
                 say_with_size(plugin, 0), say_with_size(plugin, sizeof report.size),
                 say_with_size(plugin, (uint32_t)offsetof(busway_message, topic) + 8));
  memset(&report, 0, sizeof report);
  report.size = sizeof report;
  report.priority = BUSWAY_PRIORITY_NORMAL;
  report.topic = view("age.report");
  report.payload_kind = BUSWAY_PAYLOAD_JSON;
  report.payload = view(text);
  return plugin->api->publish(plugin->host, &report, NULL);
}

static busway_status on_event(busway_plugin* plugin, uint64_t tag, const busway_event* event,
                              const busway_delivery* delivery) {
  (void)event;
  (void)delivery;
  return tag == TAG_GO ? go(plugin) : BUSWAY_OK;
}

const busway_plugin_api* busway_plugin_entry(uint32_t min_abi, uint32_t max_abi) {
  static AGED(busway_plugin_api) table;
  if (BUSWAY_ABI < min_abi || BUSWAY_ABI > max_abi) return NULL;
  CLEAR(table, busway_plugin_api, stop);
  table.known.abi = BUSWAY_ABI;
  table.known.id = view("age");
  table.known.create = create;
  table.known.destroy = destroy;
  table.known.on_event = on_event;
  table.known.start = start;
  return &table.known;
}
