# Finds RE2 and defines re2::re2. Newer releases bring a CMake package, which is taken when there is
# one; Debian's 20220601 brings only the library, its headers and re2.pc.

if(TARGET re2::re2)
  set(re2_FOUND TRUE)
  return()
endif()

find_package(re2 CONFIG QUIET)
if(NOT TARGET re2::re2)
  find_path(re2_INCLUDE_DIR re2/re2.h)
  find_library(re2_LIBRARY re2)
  mark_as_advanced(re2_INCLUDE_DIR re2_LIBRARY)
endif()

include(FindPackageHandleStandardArgs)
if(TARGET re2::re2)
  find_package_handle_standard_args(re2 CONFIG_MODE)
else()
  find_package_handle_standard_args(re2 REQUIRED_VARS re2_LIBRARY re2_INCLUDE_DIR)
endif()

if(re2_FOUND AND NOT TARGET re2::re2)
  find_package(Threads QUIET)
  add_library(re2::re2 UNKNOWN IMPORTED)
  set_target_properties(re2::re2 PROPERTIES
    IMPORTED_LOCATION "${re2_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${re2_INCLUDE_DIR}")
  target_link_libraries(re2::re2 INTERFACE Threads::Threads)
  if(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL)
    set_target_properties(re2::re2 PROPERTIES IMPORTED_GLOBAL TRUE)
  endif()
endif()
