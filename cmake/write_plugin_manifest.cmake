# Writes the manifest of a plugin beside its library; busway_add_plugin() runs it after each link:
#   cmake -DLIBRARY=<file> -DHEAD=<file> -DMORE=<file or nothing> -P write_plugin_manifest.cmake
# HEAD holds what the call of busway_add_plugin() says, MORE further keys, which follow as they are.
# The manifest comes last and in one moment: a host that watches it finds the library it tells of.

cmake_minimum_required(VERSION 3.25)

cmake_path(GET LIBRARY FILENAME name)
set(manifest "${LIBRARY}")
cmake_path(REPLACE_EXTENSION manifest LAST_ONLY plugin.yaml)

file(READ "${HEAD}" text)
if(MORE)
  file(READ "${MORE}" more)
  # Said with versions there; the library names the ids itself.
  if(more MATCHES "(^|\n)requires:")
    string(REGEX REPLACE "requires:[^\n]*\n" "" text "${text}")
  endif()
endif()
file(SHA256 "${LIBRARY}" sum)
file(WRITE "${manifest}.new"
  "# Written by busway_add_plugin() after each link; its MANIFEST adds what follows the sum.\n"
  "${text}library: '${name}'\nsha256: ${sum}\n${more}")
file(RENAME "${manifest}.new" "${manifest}")
