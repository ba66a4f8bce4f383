// busway/plugin_import.hpp -- names a plugin that is linked into this program.
// Layer: plugin
//
// Model      busway_add_plugin(trivia STATIC ...) makes a static library; a host that links it
//            writes BUSWAY_IMPORT_PLUGIN(trivia) once in a source file of its own and then loads it
//            as "static:trivia". Characters of the target that C does not take in names are '_'.
// Threads    Runs before main().
// Ownership  None.
// Errors     A target that is not linked is an error of the linker, which names
//            busway_plugin_entry_<target>.
// Cost       None.
// Example    tests/plugin/static_plugin_test.cpp
#pragma once

#include <string>
#include <vector>

#include "busway/plugin.h"

namespace busway {

/// What BUSWAY_IMPORT_PLUGIN makes.
class ImportedPlugin {
 public:
  ImportedPlugin(const char* name, busway_plugin_entry_fn entry);
};

/// The names after "static:" that can be loaded.
[[nodiscard]] std::vector<std::string> imported_plugins();

}  // namespace busway

/// At namespace scope. The reference to the plugin's entry makes the linker take the plugin in.
#define BUSWAY_IMPORT_PLUGIN(target)                                                               \
  extern "C" const busway_plugin_api* busway_plugin_entry_##target(uint32_t, uint32_t);            \
  namespace {                                                                                      \
  const ::busway::ImportedPlugin busway_imported_##target(#target, &busway_plugin_entry_##target); \
  }
