/* The facts as one compiler sees them. Compiled as C11, C++11 and C++20 by several, see
 * abi_facts.cmake; each build has a name: NAME, and in words COMPILER. HEADER is the plugin.h that
 * is looked at; of the frozen one there are only the rows of version 1. */
#include HEADER

#include "abi_facts.h"

#ifdef __cplusplus
extern "C" {
#endif
extern const busway_abi_facts NAME;
#ifdef __cplusplus
}
#endif

static const busway_abi_fact all[] = {
#define BUSWAY_ABI_STRUCT(type, bytes) {#type, "", 0, sizeof(type), 0, 1},
#define BUSWAY_ABI_MEMBER(type, member, at, bytes) \
  {#type, #member, offsetof(type, member), sizeof(((type*)0)->member), 0, 1},
#define BUSWAY_ABI_CONSTANT(name, number) {"", #name, 0, 0, (long)name, 1},
#ifdef FROZEN
#define BUSWAY_ABI_APPENDED(type, member, at, bytes)
#define BUSWAY_ABI_APPENDED_CONSTANT(name, number)
#else
#define BUSWAY_ABI_APPENDED(type, member, at, bytes) \
  {#type, #member, offsetof(type, member), sizeof(((type*)0)->member), 0, 0},
#define BUSWAY_ABI_APPENDED_CONSTANT(name, number) {"", #name, 0, 0, (long)name, 0},
#endif
#include "abi_table.def"
};

const busway_abi_facts NAME = {COMPILER, all, sizeof all / sizeof all[0]};
