/* A library in whose interface every struct of plugin.h stands, for abidiff: it compares what
 * functions can reach. The header is named on the command line: -include FILE. */
#define REACHES(type)             \
  void reaches_##type(type* one); \
  void reaches_##type(type* one) { (void)one; }

REACHES(busway_view)
REACHES(busway_event)
REACHES(busway_delivery)
REACHES(busway_message)
REACHES(busway_publish_result)
REACHES(busway_subscribe_options)
REACHES(busway_host_api)
REACHES(busway_plugin_api)
REACHES(busway_status)
REACHES(busway_on_reply)
REACHES(busway_plugin_entry_fn)
