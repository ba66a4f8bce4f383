# Examples are programs whose output is part of the documentation, so it is checked.

include_guard(GLOBAL)

# busway_add_example(<name> [SOURCES <file>...] [DEPS <layer or target>...] [ARGS <argument>...])
#   SOURCES  default: main.cpp
#   DEPS     default: core
# Makes the program example_<name>. Its standard output must be expected_output.txt beside it, byte
# for byte, and its exit code 0; input.txt, if there is one, is its standard input.
function(busway_add_example name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;DEPS;ARGS")
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "busway_add_example(${name}): unknown argument ${arg_UNPARSED_ARGUMENTS}")
  endif()
  if(NOT arg_SOURCES)
    set(arg_SOURCES main.cpp)
  endif()
  if(NOT arg_DEPS)
    set(arg_DEPS core)
  endif()

  set(target example_${name})
  add_executable(${target} ${arg_SOURCES})
  busway_compile(${target})
  set_target_properties(${target} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/examples/bin")
  foreach(dep IN LISTS arg_DEPS)
    if(dep IN_LIST BUSWAY_LAYERS OR dep STREQUAL "core")
      set(dep busway::${dep})
    else()
      busway_find(${dep})
    endif()
    target_link_libraries(${target} PRIVATE ${dep})
  endforeach()

  if(BUSWAY_BUILD_TESTS)
    add_test(NAME example.${name}
      COMMAND "${CMAKE_COMMAND}" "-DPROGRAM=$<TARGET_FILE:${target}>" "-DARGS=${arg_ARGS}"
        "-DFOLDER=${CMAKE_CURRENT_SOURCE_DIR}" -P "${PROJECT_SOURCE_DIR}/cmake/check_example.cmake"
      WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
    set_tests_properties(example.${name} PROPERTIES LABELS example TIMEOUT 120)
  endif()
endfunction()
