/* What one compiler makes of plugin.h, row by row of abi_table.def. */
#ifndef BUSWAY_TESTS_PLUGIN_ABI_FACTS_H
#define BUSWAY_TESTS_PLUGIN_ABI_FACTS_H

#include <stddef.h>

typedef struct busway_abi_fact {
  const char* type;  /* of a member or itself; empty for a constant */
  const char* name;  /* of a member or a constant; empty for a struct */
  size_t place;      /* of a member */
  size_t size;       /* of a member or a struct */
  long value;        /* of a constant */
  int first_version; /* 1 for rows of version 1, 0 for what was appended */
} busway_abi_fact;

typedef struct busway_abi_facts {
  const char* compiler; /* and the language */
  const busway_abi_fact* all;
  size_t count;
} busway_abi_facts;

#endif
