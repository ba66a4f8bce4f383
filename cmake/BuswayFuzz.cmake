# Fuzz targets: one program each, with libFuzzer.

include_guard(GLOBAL)

if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  message(FATAL_ERROR "fuzz targets need clang; use the preset fuzz")
endif()

# The library under test reports which branches it took; only the programs get libFuzzer's main.
foreach(layer IN LISTS BUSWAY_LAYERS)
  if(TARGET busway_${layer})
    get_target_property(type busway_${layer} TYPE)
    if(type STREQUAL "STATIC_LIBRARY")
      target_compile_options(busway_${layer} PRIVATE -fsanitize=fuzzer-no-link)
    endif()
  endif()
endforeach()

# busway_add_fuzzer(<name> SOURCES <file>... DEPS <layer>...): the program fuzz_<name>.
function(busway_add_fuzzer name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;DEPS")
  set(target fuzz_${name})
  add_executable(${target} ${arg_SOURCES})
  busway_compile(${target})
  busway_use_private_headers(${target})
  target_compile_options(${target} PRIVATE -fsanitize=fuzzer)
  target_link_options(${target} PRIVATE -fsanitize=fuzzer)
  list(TRANSFORM arg_DEPS PREPEND busway::)
  target_link_libraries(${target} PRIVATE ${arg_DEPS})
endfunction()
