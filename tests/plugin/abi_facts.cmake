# The numbers of plugin.h as several compilers and languages see them. That each compiles the header
# without a word is half of the test: plain C11, so C++11 too, by the strictest reading.
include(abi_compilers.cmake)

set(facts_folder "${CMAKE_CURRENT_BINARY_DIR}/abi_facts")
file(MAKE_DIRECTORY "${facts_folder}")
set(facts_objects "")
set(facts_builds "")

# busway_test_abi_facts(<name> <compiler> <header> <option>...)
function(busway_test_abi_facts name compiler header)
  busway_test_compiler(${compiler} program)
  set(object "${facts_folder}/${name}.o")
  set(input "${CMAKE_CURRENT_SOURCE_DIR}/abi/abi_facts.c")
  list(JOIN ARGN " " words)
  add_custom_command(OUTPUT "${object}"
    COMMAND "${program}" ${ARGN} -pedantic-errors -Wall -Wextra -Werror
      "-DHEADER=\"${header}\"" "-DNAME=busway_abi_${name}" "-DCOMPILER=\"${compiler} ${words}\""
      "-I${PROJECT_SOURCE_DIR}/include" -fPIC -MD -MF "${object}.d" -MT "${object}"
      -c "${input}" -o "${object}"
    MAIN_DEPENDENCY "${input}"
    DEPFILE "${object}.d"
    COMMENT "Reading ${header} with ${compiler} ${words}"
    VERBATIM)
  set(facts_objects ${facts_objects} "${object}" PARENT_SCOPE)
  set(facts_builds "${facts_builds} BUSWAY_ABI_BUILD(busway_abi_${name})" PARENT_SCOPE)
endfunction()

busway_test_abi_facts(gcc_c11 gcc busway/plugin.h -std=c11)
busway_test_abi_facts(gcc_cpp11 g++ busway/plugin.h -x c++ -std=c++11)
busway_test_abi_facts(gcc_cpp20 g++ busway/plugin.h -x c++ -std=c++20)
busway_test_abi_facts(clang_c11 clang busway/plugin.h -std=c11)
busway_test_abi_facts(clang_cpp11 clang++ busway/plugin.h -x c++ -std=c++11)
busway_test_abi_facts(clang_cpp20 clang++ busway/plugin.h -x c++ -std=c++20)
busway_test_abi_facts(libcxx_cpp20 clang++ busway/plugin.h -x c++ -std=c++20 -stdlib=libc++)
set_source_files_properties(abi_test.cpp PROPERTIES
  COMPILE_DEFINITIONS "BUSWAY_ABI_BUILDS=${facts_builds}")

busway_test_abi_facts(frozen gcc plugin_v1.h -std=c11 -DFROZEN)

# For abi_diff_test.cpp, which compiles variants of the header.
busway_test_compiler(gcc program)
busway_test_compiler(abidiff abidiff)
set_source_files_properties(abi_diff_test.cpp PROPERTIES COMPILE_DEFINITIONS
  "BUSWAY_TEST_C_COMPILER=\"${program}\";BUSWAY_TEST_ABIDIFF=\"${abidiff}\"")
