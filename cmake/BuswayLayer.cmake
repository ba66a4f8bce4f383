# One static library a layer, and the components that users ask find_package for.

include_guard(GLOBAL)

# In the order in which they may use each other. Component core is the first of them up to bus;
# testing and the stores, which live in folders of their own, use these alone.
set(BUSWAY_CORE_LAYERS platform base event match delivery store bus)
set(BUSWAY_LAYERS ${BUSWAY_CORE_LAYERS} testing sqlite config phase plugin capture gateway host)

# The component a layer belongs to.
function(busway_component_of layer out)
  if(layer IN_LIST BUSWAY_CORE_LAYERS)
    set(${out} core PARENT_SCOPE)
  else()
    set(${out} ${layer} PARENT_SCOPE)
  endif()
endfunction()

# busway_add_layer(<layer> SOURCES <file>... [DEPS <layer or target>...] [PRIVATE_DEPS <target>...]
#                  [PCH <header>...])
#   DEPS          what the layer's headers use: earlier layers by name, packages by target
#   PRIVATE_DEPS  what only its sources use
#   PCH           headers to precompile, where many sources include a heavy one
# Makes busway_<layer> with alias busway::<layer>; without SOURCES an interface library. A folder
# include/ beside the caller's CMakeLists.txt holds further public headers.
function(busway_add_layer layer)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;DEPS;PRIVATE_DEPS;PCH")
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "busway_add_layer(${layer}): unknown argument ${arg_UNPARSED_ARGUMENTS}")
  endif()
  if(NOT layer IN_LIST BUSWAY_LAYERS)
    message(FATAL_ERROR "busway_add_layer: there is no layer \"${layer}\"; it is one of "
      "${BUSWAY_LAYERS}")
  endif()

  set(target busway_${layer})
  if(arg_SOURCES)
    add_library(${target} STATIC ${arg_SOURCES})
    set(public PUBLIC)
    set(private PRIVATE)
    busway_compile(${target})
    busway_use_private_headers(${target})
    if(arg_PCH)
      target_precompile_headers(${target} PRIVATE ${arg_PCH})
    endif()
  else()
    add_library(${target} INTERFACE)
    set(public INTERFACE)
    set(private INTERFACE)
  endif()
  add_library(busway::${layer} ALIAS ${target})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${layer})
  target_compile_features(${target} ${public} cxx_std_20)
  target_include_directories(${target} ${public}
    "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>"
    "$<BUILD_INTERFACE:${PROJECT_BINARY_DIR}/include>"
    "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>")
  if(IS_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}/include")
    target_include_directories(${target} ${public}
      "$<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}/include>")
    set_property(GLOBAL APPEND PROPERTY busway_include_folders "${CMAKE_CURRENT_SOURCE_DIR}/include")
  endif()

  busway_link_layer(${layer} ${public} ${arg_DEPS})
  busway_link_layer(${layer} ${private} ${arg_PRIVATE_DEPS})

  busway_component_of(${layer} component)
  set_property(GLOBAL APPEND PROPERTY busway_components ${component})
  set_property(GLOBAL APPEND PROPERTY busway_${component}_layers ${layer})
endfunction()

# Links what a layer names and notes it for the installed package of its component.
function(busway_link_layer layer scope)
  busway_component_of(${layer} component)
  foreach(dep IN LISTS ARGN)
    if(NOT dep IN_LIST BUSWAY_LAYERS)
      busway_find(${dep})
      target_link_libraries(busway_${layer} ${scope} ${dep})
      set_property(GLOBAL APPEND PROPERTY busway_${component}_packages ${dep})
      continue()
    endif()
    if(NOT TARGET busway_${dep})
      message(FATAL_ERROR "layer ${layer} uses layer ${dep}, which is not built: it must come "
        "earlier in BUSWAY_LAYERS and its component must be in BUSWAY_COMPONENTS")
    endif()
    target_link_libraries(busway_${layer} ${scope} busway::${dep})
    busway_component_of(${dep} needed)
    if(NOT needed STREQUAL component)
      set_property(GLOBAL APPEND PROPERTY busway_${component}_needs ${needed})
    endif()
  endforeach()
endfunction()

# busway::core, the name for all layers up to bus.
function(busway_add_core)
  add_library(busway_core INTERFACE)
  add_library(busway::core ALIAS busway_core)
  set_target_properties(busway_core PROPERTIES EXPORT_NAME core)
  get_property(layers GLOBAL PROPERTY busway_core_layers)
  foreach(layer IN LISTS layers)
    target_link_libraries(busway_core INTERFACE busway::${layer})
  endforeach()
endfunction()
