# The plugins that ship: one folder each in plugins/, with their tests in tests/plugins/.

include_guard(GLOBAL)

# busway_add_shipped_plugin(<id> DESCRIPTION <text> SOURCES <file> [PARTS <file>...]
#                           [MANIFEST <file>] [REQUIRES <id>...] [DEPS <target>...]
#                           [TESTS <file>... [TEST_DEPS <layer or target>...] [TEST_APART <file>...]])
#   SOURCES   the file with BUSWAY_PLUGIN(Class)
#   PARTS     everything else; compiled once, for both libraries and the tests
#   DEPS      packages, as cmake/BuswayDependencies.cmake names them
#   TESTS     files in tests/plugins/<id>/; they run with the libraries built
# Makes, with '_' for '-' in the id:
#   busway_<id>         the shared library ${CMAKE_BINARY_DIR}/plugins/busway_<id>.so, its manifest
#                       beside it; it is installed
#   busway_<id>_static  to link into a host that says BUSWAY_IMPORT_PLUGIN(busway_<id>_static)
#   busway_<id>_parts   the PARTS, for tests
#   busway_<id>_tests   the TESTS
# Sources may include what plugins share as "shared/<file>".
function(busway_add_shipped_plugin id)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "DESCRIPTION;MANIFEST"
    "SOURCES;PARTS;REQUIRES;DEPS;TESTS;TEST_DEPS;TEST_APART")
  if(arg_UNPARSED_ARGUMENTS OR NOT arg_SOURCES OR NOT arg_DESCRIPTION)
    message(FATAL_ERROR "busway_add_shipped_plugin(${id}): needs DESCRIPTION and SOURCES and knows "
      "PARTS, MANIFEST, REQUIRES, DEPS, TESTS, TEST_DEPS and TEST_APART; got ${ARGN}")
  endif()
  string(MAKE_C_IDENTIFIER "busway_${id}" target)
  foreach(dep IN LISTS arg_DEPS)
    busway_find(${dep})
  endforeach()

  set(objects "")
  if(arg_PARTS)
    add_library(${target}_parts OBJECT ${arg_PARTS})
    busway_compile_plugin_part(${target}_parts)
    target_link_libraries(${target}_parts PUBLIC nlohmann_json::nlohmann_json ${arg_DEPS})
    set(objects "$<TARGET_OBJECTS:${target}_parts>")
  endif()

  set(common ID ${id} VERSION ${PROJECT_VERSION} DESCRIPTION "${arg_DESCRIPTION}"
    SOURCES ${arg_SOURCES} ${objects} REQUIRES ${arg_REQUIRES} DEPS ${arg_DEPS})
  set(manifest "")
  if(arg_MANIFEST)
    set(manifest MANIFEST "${arg_MANIFEST}")
  endif()
  busway_add_plugin(${target} ${common} ${manifest})
  busway_add_plugin(${target}_static STATIC ${common})
  foreach(library IN ITEMS ${target} ${target}_static)
    busway_compile(${library})
    target_include_directories(${library} PRIVATE "${PROJECT_SOURCE_DIR}/plugins")
  endforeach()

  if(BUSWAY_INSTALL)
    busway_install_plugin(${target} "${CMAKE_INSTALL_LIBDIR}/busway/plugins")
  endif()

  if(arg_TESTS AND BUSWAY_BUILD_TESTS)
    set(folder "${PROJECT_SOURCE_DIR}/tests/plugins/${id}")
    list(TRANSFORM arg_TESTS PREPEND "${folder}/")
    list(TRANSFORM arg_TEST_APART PREPEND "${folder}/")
    string(MAKE_C_IDENTIFIER "${id}" suite)
    busway_add_tests(${suite}
      SOURCES ${arg_TESTS} APART ${arg_TEST_APART}
      DEPS plugin nlohmann_json::nlohmann_json ${arg_TEST_DEPS}
      LABEL plugins)
    target_include_directories(busway_${suite}_tests PRIVATE "${PROJECT_SOURCE_DIR}/plugins")
    if(arg_PARTS)
      target_link_libraries(busway_${suite}_tests PRIVATE ${target}_parts)
    endif()
    target_link_libraries(busway_${suite}_tests PRIVATE ${target}_static)
    add_dependencies(busway_${suite}_tests ${target})
  endif()
endfunction()

# Compiled as busway_add_plugin() compiles: what is in a library that shall be unloaded must not share
# symbols with others.
function(busway_compile_plugin_part target)
  busway_compile(${target})
  set_target_properties(${target} PROPERTIES
    CXX_VISIBILITY_PRESET hidden
    VISIBILITY_INLINES_HIDDEN ON
    POSITION_INDEPENDENT_CODE ON)
  target_compile_options(${target} PRIVATE "$<$<COMPILE_LANG_AND_ID:CXX,GNU>:-fno-gnu-unique>")
  target_include_directories(${target} PRIVATE
    "${PROJECT_SOURCE_DIR}/plugins" "$<TARGET_PROPERTY:busway::platform,INTERFACE_INCLUDE_DIRECTORIES>")
endfunction()
