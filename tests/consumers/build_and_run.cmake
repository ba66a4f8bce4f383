# Configures SOURCE into BINARY with ARGUMENTS (parted by |), builds it, runs its program "consumer" and
# compares the output with EXPECTED.

cmake_minimum_required(VERSION 3.25)

string(REPLACE "|" ";" arguments "${ARGUMENTS}")
set(quiet OUTPUT_VARIABLE output ERROR_VARIABLE output RESULT_VARIABLE result)

function(check what)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "${what} ended with ${result}:\n${output}")
  endif()
endfunction()

# A cache of an earlier run may remember an installation that has changed since.
file(REMOVE "${BINARY}/CMakeCache.txt")
execute_process(COMMAND "${CMAKE_COMMAND}" -S "${SOURCE}" -B "${BINARY}" -G "${GENERATOR}"
  ${arguments} ${quiet})
check("configuring ${SOURCE}")
execute_process(COMMAND "${CMAKE_COMMAND}" --build "${BINARY}" --parallel 2 ${quiet})
check("building ${SOURCE}")
execute_process(COMMAND "${BINARY}/consumer" ${quiet} OUTPUT_STRIP_TRAILING_WHITESPACE)
check("the program of ${SOURCE}")
if(NOT output STREQUAL EXPECTED)
  message(FATAL_ERROR "the program of ${SOURCE} wrote \"${output}\", not \"${EXPECTED}\"")
endif()
