# The packages that layers may name in DEPS: how CMake and pkg-config find each. A package is looked
# for when the first layer names it, so what is not built asks for nothing.

include_guard(GLOBAL)

# busway_dependency(<target> PACKAGE <name>[:<version>] [PKG_CONFIG <module>] [FLAGS <flag>...])
#   FLAGS  what the linker needs where pkg-config has no module for it
function(busway_dependency target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "PACKAGE;PKG_CONFIG" "FLAGS")
  set_property(GLOBAL PROPERTY busway_package_${target} "${arg_PACKAGE}")
  set_property(GLOBAL PROPERTY busway_pkg_config_${target} "${arg_PKG_CONFIG}")
  set_property(GLOBAL PROPERTY busway_flags_${target} "${arg_FLAGS}")
endfunction()

# Finds the package that defines the target, unless that has happened.
macro(busway_find target)
  get_property(busway_find_package GLOBAL PROPERTY busway_package_${target})
  if(busway_find_package AND NOT TARGET ${target})
    string(REPLACE ":" ";" busway_find_package "${busway_find_package}")
    find_package(${busway_find_package} REQUIRED)
  endif()
endmacro()

busway_dependency(Threads::Threads PACKAGE Threads FLAGS -pthread)
busway_dependency(OpenSSL::Crypto PACKAGE OpenSSL PKG_CONFIG libcrypto)
busway_dependency(re2::re2 PACKAGE re2 PKG_CONFIG re2)
busway_dependency(nlohmann_json::nlohmann_json PACKAGE nlohmann_json:3.11 PKG_CONFIG nlohmann_json)
busway_dependency(Boost::headers PACKAGE Boost:1.81)
busway_dependency(SQLite::SQLite3 PACKAGE SQLite3:3.35 PKG_CONFIG sqlite3)
busway_dependency(zstd::libzstd_shared PACKAGE zstd PKG_CONFIG libzstd)
busway_dependency(yaml-cpp PACKAGE yaml-cpp:0.7 PKG_CONFIG yaml-cpp)
busway_dependency(CLI11::CLI11 PACKAGE CLI11:2.1)
