# How our own targets are compiled: warnings, sanitizers, ccache, output folders.

include_guard(GLOBAL)

# Packages found in one folder are visible in all, also to a project that adds busway as a folder.
set(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL ON)

if(PROJECT_IS_TOP_LEVEL)
  set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")

  if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "Debug, Release, RelWithDebInfo or MinSizeRel" FORCE)
  endif()

  find_program(BUSWAY_CCACHE ccache)
  mark_as_advanced(BUSWAY_CCACHE)
  if(BUSWAY_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    # Precompiled headers defeat ccache unless it is told not to mind their time stamps. What one
    # checkout has compiled serves the next one in another folder.
    set(launcher "${CMAKE_COMMAND}" -E env
      "CCACHE_BASEDIR=${PROJECT_SOURCE_DIR}" "CCACHE_NOHASHDIR=1"
      "CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime"
      "${BUSWAY_CCACHE}")
    set(CMAKE_C_COMPILER_LAUNCHER ${launcher})
    set(CMAKE_CXX_COMPILER_LAUNCHER ${launcher})
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
      add_compile_options(-fpch-preprocess)
    elseif(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
      add_compile_options("SHELL:-Xclang -fno-pch-timestamp")
    endif()
  endif()
endif()

# Most of the time of a compilation goes to headers that all sources of a target share. What a source
# does not include itself is found by the presets without this.
if(PROJECT_IS_TOP_LEVEL AND BUSWAY_UNITY)
  set(CMAKE_UNITY_BUILD ON)
  set(CMAKE_UNITY_BUILD_BATCH_SIZE 8)
endif()

# busway_keep_apart(<file>...): each of these sources of this folder is compiled by itself.
macro(busway_keep_apart)
  set_source_files_properties(${ARGN} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
endmacro()

set(CMAKE_POSITION_INDEPENDENT_CODE ON)  # a plugin may link what it uses of busway
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_EXTENSIONS OFF)

if(BUSWAY_SANITIZE)
  if(NOT BUSWAY_SANITIZE MATCHES "^(address,undefined|address|undefined|thread)$")
    message(FATAL_ERROR
      "BUSWAY_SANITIZE is \"${BUSWAY_SANITIZE}\"; it takes address,undefined or thread")
  endif()
  add_compile_options(-fsanitize=${BUSWAY_SANITIZE} -fno-sanitize-recover=all
    -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${BUSWAY_SANITIZE})
endif()

# Sets C++20 and our warnings for a target of this project. Users of the library do not get them.
function(busway_compile target)
  target_compile_features(${target} PRIVATE cxx_std_20)
  set(warnings -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion)
  set(cxx_warnings -Wnon-virtual-dtor -Wold-style-cast -Woverloaded-virtual)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # g++ 12 cries wolf over std::string's operator+ (GCC bug 105651), and more so in the code that
    # sanitizers make; there they find at run time what these warnings guess at.
    list(APPEND warnings -Wno-restrict)
    if(BUSWAY_SANITIZE)
      list(APPEND warnings
        -Wno-tsan -Wno-array-bounds -Wno-stringop-overflow -Wno-stringop-overread -Wno-maybe-uninitialized)
      list(APPEND cxx_warnings -Wno-mismatched-new-delete)
    endif()
  endif()
  if(BUSWAY_WERROR)
    list(APPEND warnings -Werror)
  endif()
  target_compile_options(${target} PRIVATE ${warnings}
    "$<$<COMPILE_LANGUAGE:CXX>:${cxx_warnings}>")
endfunction()

# Lets a target of this project include private headers as "layer/file.hpp".
function(busway_use_private_headers target)
  target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}/src")
endfunction()

# Adds each folder that fits the pattern and has a CMakeLists.txt.
function(busway_add_each pattern)
  file(GLOB lists CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/${pattern}/CMakeLists.txt")
  foreach(list IN LISTS lists)
    cmake_path(GET list PARENT_PATH folder)
    cmake_path(RELATIVE_PATH folder BASE_DIRECTORY "${PROJECT_SOURCE_DIR}" OUTPUT_VARIABLE name)
    add_subdirectory("${folder}" "${PROJECT_BINARY_DIR}/${name}")
  endforeach()
endfunction()
