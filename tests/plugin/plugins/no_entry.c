/* A library, but no plugin. */
int busway_plugin_entrance(void);
int busway_plugin_entrance(void) { return 0; }
