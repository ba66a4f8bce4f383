# One plugin as many people build it: with other compilers than the project's, other standard
# libraries, other options. What busway_add_plugin() asks for (hidden symbols, the entry alone in
# the version script, no unique symbols, no undefined ones) is asked for here in the words of each
# compiler. Under BUSWAY_SANITIZE they are built without: so is a plugin of somebody else.
#
# Sources: plugins/abi_member.cpp with the class, which costs some seconds a build; the same on
# plugin.h alone in C++ and in C, which cost nearly nothing. Each option stands with the class where
# it could matter to it, else where it is cheap.

include(abi_compilers.cmake)

set(members "")
set(member_folder "${CMAKE_CURRENT_BINARY_DIR}/abi_members")
file(MAKE_DIRECTORY "${member_folder}" "${folder}")
set(member_script "${member_folder}/entry.version")
file(CONFIGURE OUTPUT "${member_script}" CONTENT "{ global: busway_plugin_entry; local: *; };\n")

# busway_test_abi_member(<id> <compiler> <source> [COMPILE <option>...] [LINK <option>...]
#                        [UNSCRIPTED])
# UNSCRIPTED: without the version script.
function(busway_test_abi_member id compiler source)
  cmake_parse_arguments(PARSE_ARGV 3 arg "UNSCRIPTED" "" "COMPILE;LINK")
  set(exports "-Wl,--version-script=${member_script}")
  if(arg_UNSCRIPTED)
    set(exports "")
  endif()
  busway_test_compiler(${compiler} program)
  set(options -fPIC -fvisibility=hidden -Wall -Wextra -Werror
    "-DBUSWAY_PLUGIN_ID=\"${id}\"" "-I${PROJECT_SOURCE_DIR}/include")
  if(source MATCHES "\\.cpp$")
    list(APPEND options -fvisibility-inlines-hidden)
  endif()
  if(compiler STREQUAL "g++")
    list(APPEND options -fno-gnu-unique)
  endif()
  set(object "${member_folder}/${id}.o")
  set(input "${CMAKE_CURRENT_SOURCE_DIR}/plugins/${source}")
  set(output "${folder}/test_${id}.so")
  add_custom_command(OUTPUT "${output}"
    COMMAND ${CMAKE_CXX_COMPILER_LAUNCHER} "${program}" ${options} ${arg_COMPILE}
      -MD -MF "${object}.d" -MT "${output}" -c "${input}" -o "${object}"
    COMMAND "${program}" -shared ${arg_LINK} "${object}" -o "${output}"
      -Wl,-z,defs ${exports}
    MAIN_DEPENDENCY "${input}"
    DEPENDS "${member_script}"
    DEPFILE "${object}.d"
    COMMENT "Building the plugin ${id} as others do"
    VERBATIM)
  set(members ${members} ${id} PARENT_SCOPE)
endfunction()

# With the class.
set(class abi_member.cpp COMPILE -std=c++20)
busway_test_abi_member(gcc_old_strings_no_rtti g++ ${class} -O0 -fno-rtti
  -D_GLIBCXX_USE_CXX11_ABI=0)
busway_test_abi_member(clang_o0 clang++ ${class} -O0)

# On plugin.h alone. The class needs std::jthread and std::stop_token, which Debian's libc++ 14 does
# not have.
set(plain abi_member_no_class.cpp COMPILE -std=c++17)
busway_test_abi_member(gcc_assertions g++ ${plain} -O0 -D_GLIBCXX_ASSERTIONS)
busway_test_abi_member(gcc_o3_no_rtti g++ ${plain} -O3 -fno-rtti)
busway_test_abi_member(clang_o3 clang++ ${plain} -O3)
busway_test_abi_member(clang_no_rtti clang++ ${plain} -O0 -fno-rtti -D_GLIBCXX_USE_CXX11_ABI=0)
busway_test_abi_member(libcxx_o0 clang++ ${plain} -O0 -stdlib=libc++ LINK -stdlib=libc++)
busway_test_abi_member(libcxx_o3_no_rtti clang++ ${plain} -O3 -fno-rtti -stdlib=libc++
  LINK -stdlib=libc++)
busway_test_abi_member(libcxx_static clang++ ${plain} -O1 -stdlib=libc++
  LINK -stdlib=libc++ -static-libstdc++ -static-libgcc)

busway_test_abi_member(c_gcc gcc abi_member.c COMPILE -std=c11 -O3)
busway_test_abi_member(c_clang clang abi_member.c COMPILE -std=c11 -O0)

# With libstdc++ linked in. Its archive has unique symbols, which -fno-gnu-unique cannot take out;
# the version script makes them local, so these are unmapped in any host. But when it is loaded
# libstdc++ takes memory for exceptions to fall back on and never gives it back: LeakSanitizer is
# right about that, so these are left out there.
set(unscripted "")
if(NOT BUSWAY_SANITIZE MATCHES "address")
  busway_test_abi_member(gcc_static g++ ${class} -O0 -D_GLIBCXX_ASSERTIONS
    LINK -static-libstdc++ -static-libgcc)
  busway_test_abi_member(clang_static clang++ ${plain} -O1 LINK -static-libstdc++ -static-libgcc)
endif()
list(JOIN members "," member_list)

# One that is built wrongly: it exports the whole archive, unique symbols and all.
if(NOT BUSWAY_SANITIZE MATCHES "address")
  busway_test_abi_member(static_unscripted g++ ${plain} -O0 LINK -static-libstdc++ UNSCRIPTED)
  set(unscripted "BUSWAY_ABI_UNSCRIPTED=\"static_unscripted\"")
endif()

list(TRANSFORM members PREPEND "${folder}/test_" OUTPUT_VARIABLE member_files)
list(TRANSFORM member_files APPEND ".so")
add_custom_target(busway_test_abi_members DEPENDS ${member_files})
set_source_files_properties(abi_members_test.cpp PROPERTIES
  COMPILE_DEFINITIONS "BUSWAY_ABI_MEMBERS=\"${member_list}\";${unscripted}")
