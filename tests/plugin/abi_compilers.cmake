# The compilers and tools with which the plugin ABI is tried, whatever the project itself is built
# with. Each is found or the configuration fails: a promise that is tried only where it is
# convenient is none.

# busway_test_compiler(<compiler> <variable>): the file of gcc, g++, clang, clang++ or abidiff.
function(busway_test_compiler compiler out)
  string(REPLACE "+" "X" variable "BUSWAY_TEST_${compiler}")
  string(TOUPPER "${variable}" variable)
  find_program(${variable} NAMES ${compiler})
  mark_as_advanced(${variable})
  if(NOT ${variable})
    message(FATAL_ERROR "the tests of the plugin ABI need ${compiler}, which is not found; "
      "script/setup test installs it, -D${variable}=FILE tells where it is")
  endif()
  set(${out} "${${variable}}" PARENT_SCOPE)
endfunction()
