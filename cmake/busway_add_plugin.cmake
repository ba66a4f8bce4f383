# busway_add_plugin(<name> SOURCES <file>... [ID <id>] [VERSION <version>] [DESCRIPTION <text>]
#                   [REQUIRES <id>...] [MANIFEST <file>] [DEPS <target>...] [STATIC])
# Builds a plugin from sources that hold one BUSWAY_PLUGIN(Class) or one busway_plugin_entry in C.
#   ID        what the host calls it; default: <name>
#   VERSION   for people; default 0.0.0
#   REQUIRES  ids of plugins that must have started before it
#   MANIFEST  YAML with further keys of its manifest: rules, topics, config, requires with versions
#   DEPS      what it links beside nlohmann_json
#   STATIC    a static library, to link into a host that says BUSWAY_IMPORT_PLUGIN(<name>)
# Else a shared library ${CMAKE_BINARY_DIR}/plugins/<name>.so that exports nothing but its entry, so
# that it can be unloaded: one symbol shared with another library would keep it mapped for ever.
# Beside it stands its manifest <name>.plugin.yaml, written anew after each link, with the library's
# sum. Both files travel together; what changes the library later (strip, for example) makes the sum
# a wrong one.
#
# busway_install_plugin(<name> <destination>) installs both, with the sum of what was installed: an
# install may strip a library or write another RPATH into it.

include_guard(GLOBAL)

function(busway_add_plugin name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "STATIC" "ID;VERSION;DESCRIPTION;MANIFEST" "SOURCES;REQUIRES;DEPS")
  if(arg_UNPARSED_ARGUMENTS OR NOT arg_SOURCES)
    message(FATAL_ERROR "busway_add_plugin(${name}): needs SOURCES and knows ID, VERSION, "
      "DESCRIPTION, REQUIRES, MANIFEST, DEPS and STATIC; got ${ARGN}")
  endif()
  if(arg_STATIC AND arg_MANIFEST)
    message(FATAL_ERROR "busway_add_plugin(${name}): a STATIC plugin has no file that a MANIFEST "
      "could stand beside")
  endif()
  if(NOT arg_ID)
    set(arg_ID "${name}")
  endif()
  set(head "id: ${arg_ID}\n")
  if(arg_VERSION)  # else a plugin in C may say its own
    string(REPLACE "'" "''" quoted "${arg_VERSION}")
    string(APPEND head "version: '${quoted}'\n")
  else()
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
    if(arg_REQUIRES)
      list(JOIN arg_REQUIRES ", " listed)
      string(APPEND head "requires: [${listed}]\n")
    endif()
    string(APPEND head "abi: 1\n")  # BUSWAY_ABI of busway/plugin.h
    busway_add_manifest(${name} "${head}" "${arg_MANIFEST}")
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

function(busway_add_manifest name head more)
  if(more)
    cmake_path(ABSOLUTE_PATH more BASE_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
    if(NOT EXISTS "${more}")
      message(FATAL_ERROR "busway_add_plugin(${name}): there is no file \"${more}\" for MANIFEST")
    endif()
  endif()
  set(head_file "${CMAKE_CURRENT_BINARY_DIR}/${name}.manifest")
  file(CONFIGURE OUTPUT "${head_file}" CONTENT "${head}" @ONLY)
  set(script "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/write_plugin_manifest.cmake")
  set_target_properties(${name} PROPERTIES
    BUSWAY_MANIFEST_SCRIPT "${script}" BUSWAY_MANIFEST_HEAD "${head_file}"
    BUSWAY_MANIFEST_MORE "${more}")
  # What changes the manifest alone links again, for only that writes it.
  set_property(TARGET ${name} APPEND PROPERTY LINK_DEPENDS "${head_file}" "${script}" ${more})
  set_property(TARGET ${name} APPEND PROPERTY ADDITIONAL_CLEAN_FILES
    "$<TARGET_FILE_DIR:${name}>/$<TARGET_FILE_BASE_NAME:${name}>.plugin.yaml")
  # At the end of the caller's file, after its own commands for the target: one may strip the library.
  cmake_language(EVAL CODE "cmake_language(DEFER CALL busway_write_manifest_after_link
    [==[${name}]==])")
endfunction()

# Sets <out> to the command that writes the manifest of a plugin beside a library.
function(busway_manifest_command name library out)
  get_target_property(script ${name} BUSWAY_MANIFEST_SCRIPT)
  get_target_property(head ${name} BUSWAY_MANIFEST_HEAD)
  get_target_property(more ${name} BUSWAY_MANIFEST_MORE)
  set(${out} "${CMAKE_COMMAND}" "-DLIBRARY=${library}" "-DHEAD=${head}" "-DMORE=${more}"
    -P "${script}" PARENT_SCOPE)
endfunction()

function(busway_write_manifest_after_link name)
  busway_manifest_command(${name} "$<TARGET_FILE:${name}>" command)
  add_custom_command(TARGET ${name} POST_BUILD VERBATIM COMMAND ${command} COMMENT "")
endfunction()

function(busway_install_plugin name destination)
  install(TARGETS ${name} LIBRARY DESTINATION "${destination}")
  if(NOT IS_ABSOLUTE "${destination}")
    string(PREPEND destination "\${CMAKE_INSTALL_PREFIX}/")
  endif()
  busway_manifest_command(${name} "\$ENV{DESTDIR}${destination}/$<TARGET_FILE_NAME:${name}>" command)
  list(JOIN command "\" \"" command)
  install(CODE "execute_process(COMMAND \"${command}\" COMMAND_ERROR_IS_FATAL ANY)")
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
