# busway_add_plugin(<name> SOURCES <file>... [ID <id>] [VERSION <version>] [DESCRIPTION <text>]
#                   [REQUIRES <id>...] [DEPS <target>...] [STATIC])
# Builds a plugin from sources that hold one BUSWAY_PLUGIN(Class) or one busway_plugin_entry in C.
#   ID        what the host calls it; default: <name>
#   VERSION   for people; default 0.0.0
#   REQUIRES  ids of plugins that must have started before it
#   DEPS      what it links beside nlohmann_json
#   STATIC    a static library, to link into a host that says BUSWAY_IMPORT_PLUGIN(<name>)
# Else a shared library ${CMAKE_BINARY_DIR}/plugins/<name>.so that exports nothing but its entry, so
# that it can be unloaded: one symbol shared with another library would keep it mapped for ever.

include_guard(GLOBAL)

function(busway_add_plugin name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "STATIC" "ID;VERSION;DESCRIPTION" "SOURCES;REQUIRES;DEPS")
  if(arg_UNPARSED_ARGUMENTS OR NOT arg_SOURCES)
    message(FATAL_ERROR "busway_add_plugin(${name}): needs SOURCES and knows ID, VERSION, "
      "DESCRIPTION, REQUIRES, DEPS and STATIC; got ${ARGN}")
  endif()
  if(NOT arg_ID)
    set(arg_ID "${name}")
  endif()
  if(NOT arg_VERSION)
    set(arg_VERSION 0.0.0)
  endif()
  foreach(id IN LISTS arg_ID arg_REQUIRES)
    string(LENGTH "${id}" length)
    if(length GREATER 64 OR NOT id MATCHES "^[A-Za-z0-9_.-]+$")
      message(FATAL_ERROR "busway_add_plugin(${name}): the id \"${id}\" is not 1 to 64 letters, "
        "digits, '_', '-' and '.'")
    endif()
  endforeach()

  if(arg_STATIC)
    add_library(${name} STATIC ${arg_SOURCES})
    string(MAKE_C_IDENTIFIER "${name}" identifier)
    target_compile_definitions(${name} PRIVATE "BUSWAY_STATIC_PLUGIN=${identifier}")
  else()
    add_library(${name} MODULE ${arg_SOURCES})
    set_target_properties(${name} PROPERTIES
      PREFIX ""
      LIBRARY_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/plugins")
    busway_export_entry_only(${name})
  endif()

  set_target_properties(${name} PROPERTIES
    C_VISIBILITY_PRESET hidden
    CXX_VISIBILITY_PRESET hidden
    VISIBILITY_INLINES_HIDDEN ON
    POSITION_INDEPENDENT_CODE ON)
  target_compile_features(${name} PRIVATE cxx_std_20)
  target_compile_options(${name} PRIVATE "$<$<COMPILE_LANG_AND_ID:CXX,GNU>:-fno-gnu-unique>")
  list(JOIN arg_REQUIRES "," required)
  target_compile_definitions(${name} PRIVATE
    "BUSWAY_PLUGIN_ID=\"${arg_ID}\"" "BUSWAY_PLUGIN_VERSION=\"${arg_VERSION}\""
    "BUSWAY_PLUGIN_DESCRIPTION=\"${arg_DESCRIPTION}\"" "BUSWAY_PLUGIN_REQUIRES=\"${required}\"")

  # Only the headers of busway: a plugin links none of its code.
  target_include_directories(${name} PRIVATE
    "$<TARGET_PROPERTY:busway::platform,INTERFACE_INCLUDE_DIRECTORIES>")
  if(TARGET nlohmann_json::nlohmann_json)
    target_link_libraries(${name} PRIVATE nlohmann_json::nlohmann_json)
  endif()
  target_link_libraries(${name} PRIVATE ${arg_DEPS})
endfunction()

function(busway_export_entry_only name)
  set(script "${CMAKE_CURRENT_BINARY_DIR}/${name}.version")
  file(CONFIGURE OUTPUT "${script}" CONTENT "{ global: busway_plugin_entry; local: *; };\n" @ONLY)
  target_link_options(${name} PRIVATE "LINKER:--version-script=${script}")
  set_property(TARGET ${name} APPEND PROPERTY LINK_DEPENDS "${script}")

  # A symbol that nothing defines is an error now, not when the host opens the library. A sanitizer
  # of clang lives in the host's program, so its symbols stay open.
  if(CMAKE_CXX_COMPILER_ID MATCHES "Clang"
      AND "${BUSWAY_SANITIZE}${CMAKE_CXX_FLAGS}" MATCHES "sanitize|address|thread|undefined")
    return()
  endif()
  target_link_options(${name} PRIVATE "LINKER:-z,defs")
endfunction()
