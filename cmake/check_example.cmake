# Runs PROGRAM with ARGS (and FOLDER/input.txt as its input) and compares its output with
# FOLDER/expected_output.txt.

set(input /dev/null)
if(EXISTS "${FOLDER}/input.txt")
  set(input "${FOLDER}/input.txt")
endif()
execute_process(COMMAND "${PROGRAM}" ${ARGS}
  INPUT_FILE "${input}" OUTPUT_VARIABLE output ERROR_VARIABLE errors RESULT_VARIABLE result)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "${PROGRAM} ended with ${result}\n${output}${errors}")
endif()
file(READ "${FOLDER}/expected_output.txt" expected)
if(NOT output STREQUAL expected)
  message(FATAL_ERROR "the output is not that of ${FOLDER}/expected_output.txt\n"
    "--- expected\n${expected}--- got\n${output}--- standard error\n${errors}")
endif()
