/* Sizes and places of what crosses the boundary, made once by a C and once by a C++ compiler. */
#ifndef BUSWAY_TESTS_PLUGIN_ABI_FACTS_H
#define BUSWAY_TESTS_PLUGIN_ABI_FACTS_H

#include <stddef.h>

#include "busway/plugin.h"

#ifdef __cplusplus
extern "C" {
#endif
extern const size_t busway_abi_facts_c[];
#ifdef __cplusplus
}
#endif

enum { BUSWAY_ABI_FACT_COUNT = 19 };

#define BUSWAY_ABI_FACTS(array)                                                            \
  const size_t array[BUSWAY_ABI_FACT_COUNT] = {sizeof(busway_view),                        \
                                               sizeof(busway_event),                       \
                                               sizeof(busway_delivery),                    \
                                               sizeof(busway_message),                     \
                                               sizeof(busway_publish_result),              \
                                               sizeof(busway_subscribe_options),           \
                                               sizeof(busway_host_api),                    \
                                               sizeof(busway_plugin_api),                  \
                                               offsetof(busway_event, id),                 \
                                               offsetof(busway_event, time_ns),            \
                                               offsetof(busway_event, payload),            \
                                               offsetof(busway_event, traceparent),        \
                                               offsetof(busway_message, topic),            \
                                               offsetof(busway_publish_result, matched),   \
                                               offsetof(busway_subscribe_options, name),   \
                                               offsetof(busway_host_api, write_state),     \
                                               offsetof(busway_plugin_api, on_event),      \
                                               offsetof(busway_plugin_api, restore_state), \
                                               offsetof(busway_plugin_api, end_sources)};

#endif
