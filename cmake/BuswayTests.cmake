# One GoogleTest program a layer; each of its tests is a ctest entry, so that a run uses all cores
# and a crash or a hang names the test. All programs share one precompiled header.

include_guard(GLOBAL)

include(GoogleTest)
find_package(GTest 1.12 REQUIRED)

add_library(busway_test_pch OBJECT "${PROJECT_SOURCE_DIR}/cmake/test_pch.cpp")
busway_compile(busway_test_pch)
# Compiled as the programs that reuse it are: position independent as an executable, not as a library.
set_target_properties(busway_test_pch PROPERTIES POSITION_INDEPENDENT_CODE OFF)
target_compile_options(busway_test_pch PRIVATE ${CMAKE_CXX_COMPILE_OPTIONS_PIE})
target_link_libraries(busway_test_pch PRIVATE GTest::gtest Threads::Threads)
target_precompile_headers(busway_test_pch PRIVATE
  <gtest/gtest.h> <atomic> <chrono> <filesystem> <fstream> <functional> <map> <memory> <random>
  <sstream> <string> <string_view> <thread> <vector>)

# In a header and not on the command line, so that ccache knows the other tests from any folder.
file(CONFIGURE OUTPUT "${PROJECT_BINARY_DIR}/tests/include/test_paths.hpp" @ONLY CONTENT
  "#pragma once
#define BUSWAY_SOURCE_DIR \"@PROJECT_SOURCE_DIR@\"
#define BUSWAY_BINARY_DIR \"@PROJECT_BINARY_DIR@\"
")

# busway_add_tests(<layer> SOURCES <file>... [DEPS <layer or target>...] [LABEL <label>]
#                  [TIMEOUT <seconds>] [APART <file>...])
# Makes busway_<layer>_tests. Tests may include private headers; <test_paths.hpp> defines
# BUSWAY_SOURCE_DIR and BUSWAY_BINARY_DIR, the project's folders; what tests of several layers use
# lies in tests/support. A test may take TIMEOUT seconds (default 120).
# APART are sources that are compiled by themselves, such as those with a helper of their own by a
# name that others have too.
function(busway_add_tests layer)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "TIMEOUT;LABEL" "SOURCES;APART;DEPS")
  if(arg_UNPARSED_ARGUMENTS OR NOT arg_SOURCES)
    message(FATAL_ERROR "busway_add_tests(${layer}): needs SOURCES and knows APART, DEPS, LABEL "
      "and TIMEOUT; got ${ARGN}")
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  if(BUSWAY_SANITIZE)
    math(EXPR arg_TIMEOUT "5 * ${arg_TIMEOUT}")
  endif()

  set(target busway_${layer}_tests)
  busway_keep_apart(${arg_APART})
  add_executable(${target} ${arg_SOURCES} ${arg_APART})
  busway_compile(${target})
  busway_use_private_headers(${target})
  set_target_properties(${target} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests/bin")
  target_include_directories(${target} PRIVATE
    "${PROJECT_BINARY_DIR}/tests/include" "${PROJECT_SOURCE_DIR}/tests/support")
  target_precompile_headers(${target} REUSE_FROM busway_test_pch)
  target_link_libraries(${target} PRIVATE GTest::gtest_main Threads::Threads)
  foreach(dep IN LISTS arg_DEPS)
    if(dep IN_LIST BUSWAY_LAYERS OR dep STREQUAL "core")
      set(dep busway::${dep})
    else()
      busway_find(${dep})
    endif()
    target_link_libraries(${target} PRIVATE ${dep})
  endforeach()

  if(TARGET busway_plugin_host)
    add_dependencies(${target} busway_plugin_host)
  endif()
  # One label: a list among PROPERTIES is taken apart, and what follows it is lost.
  if(NOT arg_LABEL)
    set(arg_LABEL ${layer})
  endif()
  gtest_discover_tests(${target}
    TEST_PREFIX "${layer}."
    DISCOVERY_MODE PRE_TEST
    DISCOVERY_TIMEOUT 60
    PROPERTIES TIMEOUT ${arg_TIMEOUT} LABELS ${arg_LABEL}
      ENVIRONMENT "BUSWAY_PLUGIN_HOST=${PROJECT_BINARY_DIR}/bin/busway-plugin-host")
endfunction()
