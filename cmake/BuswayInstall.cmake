# Installs the library so that find_package(busway COMPONENTS ...) and pkg-config find it: one export
# set, one .pc file and one list of needed packages a component.

include_guard(GLOBAL)

include(CMakePackageConfigHelpers)

set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/busway")

get_property(include_folders GLOBAL PROPERTY busway_include_folders)
list(TRANSFORM include_folders APPEND /busway)
install(DIRECTORY include/busway "${PROJECT_BINARY_DIR}/include/busway" ${include_folders}
  DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
  FILES_MATCHING PATTERN "*.hpp" PATTERN "*.h" PATTERN "*.def")

# Sets <out> to the property of a component without repetition.
function(busway_component_list component property out)
  get_property(values GLOBAL PROPERTY busway_${component}_${property})
  list(REMOVE_DUPLICATES values)
  set(${out} "${values}" PARENT_SCOPE)
endfunction()

# Paths in .pc files are relative to the file, so that an installation can be moved or staged.
set(PC_PREFIX "${CMAKE_INSTALL_PREFIX}")
set(PC_LIBDIR "${CMAKE_INSTALL_FULL_LIBDIR}")
set(PC_INCLUDEDIR "${CMAKE_INSTALL_FULL_INCLUDEDIR}")
if(NOT IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}" AND NOT IS_ABSOLUTE "${CMAKE_INSTALL_INCLUDEDIR}")
  cmake_path(RELATIVE_PATH CMAKE_INSTALL_PREFIX
    BASE_DIRECTORY "${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig" OUTPUT_VARIABLE up)
  set(PC_PREFIX "\${pcfiledir}/${up}")
  set(PC_LIBDIR "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
  set(PC_INCLUDEDIR "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
endif()

function(busway_write_pkg_config component)
  busway_component_list(${component} layers layers)
  busway_component_list(${component} needs needs)
  busway_component_list(${component} packages packages)

  set(requires "")
  set(libs "")
  foreach(need IN LISTS needs)
    list(APPEND requires "busway-${need} = ${PROJECT_VERSION}")
  endforeach()
  # A static library comes before those it uses.
  list(REVERSE layers)
  foreach(layer IN LISTS layers)
    get_target_property(type busway_${layer} TYPE)
    if(type STREQUAL "STATIC_LIBRARY")
      list(APPEND libs -lbusway_${layer})
    endif()
  endforeach()
  foreach(package IN LISTS packages)
    get_property(module GLOBAL PROPERTY busway_pkg_config_${package})
    get_property(flags GLOBAL PROPERTY busway_flags_${package})
    get_property(known GLOBAL PROPERTY busway_package_${package})
    list(APPEND requires ${module})
    list(APPEND libs ${flags})
    if(NOT known)  # a plain library such as dl
      list(APPEND libs -l${package})
    endif()
  endforeach()
  list(JOIN requires ", " PC_REQUIRES)
  list(JOIN libs " " PC_LIBS)
  set(PC_COMPONENT ${component})
  configure_file(cmake/busway.pc.in "${PROJECT_BINARY_DIR}/package/busway-${component}.pc" @ONLY)
  install(FILES "${PROJECT_BINARY_DIR}/package/busway-${component}.pc"
    DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
endfunction()

get_property(components GLOBAL PROPERTY busway_components)
list(REMOVE_DUPLICATES components)
set(CONFIG_COMPONENTS "${components}")
set(CONFIG_TABLE "")
foreach(component IN LISTS components)
  busway_component_list(${component} layers layers)
  busway_component_list(${component} needs needs)
  busway_component_list(${component} packages targets)

  set(packages "")
  foreach(target IN LISTS targets)
    get_property(package GLOBAL PROPERTY busway_package_${target})
    list(APPEND packages ${package})
  endforeach()
  string(APPEND CONFIG_TABLE
    "set(_busway_${component}_needs \"${needs}\")\n"
    "set(_busway_${component}_packages \"${packages}\")\n")

  list(TRANSFORM layers PREPEND busway_)
  if(component STREQUAL "core")
    list(APPEND layers busway_core)
  endif()
  install(TARGETS ${layers} EXPORT busway-${component}-targets
    ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
  if(component STREQUAL "plugin")
    install(TARGETS busway_plugin_host EXPORT busway-plugin-targets
      RUNTIME DESTINATION "${CMAKE_INSTALL_LIBEXECDIR}/busway")
  endif()
  if(component STREQUAL "testing")
    install(TARGETS busway_failing_disk EXPORT busway-testing-targets
      LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}/busway/testing")
  endif()
  install(EXPORT busway-${component}-targets NAMESPACE busway:: DESTINATION "${package_dir}")
  busway_write_pkg_config(${component})
endforeach()

configure_package_config_file(cmake/busway-config.cmake.in
  "${PROJECT_BINARY_DIR}/package/busway-config.cmake" INSTALL_DESTINATION "${package_dir}")
# Before 1.0 a new minor version may break its users.
write_basic_package_version_file("${PROJECT_BINARY_DIR}/package/busway-config-version.cmake"
  COMPATIBILITY SameMinorVersion)
install(FILES
  "${PROJECT_BINARY_DIR}/package/busway-config.cmake"
  "${PROJECT_BINARY_DIR}/package/busway-config-version.cmake"
  cmake/Findre2.cmake
  cmake/write_plugin_manifest.cmake
  ${extensions}
  DESTINATION "${package_dir}")

if(TARGET busway_tool)
  install(TARGETS busway_tool RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
endif()
