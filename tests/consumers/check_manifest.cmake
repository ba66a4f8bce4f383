# Fails unless the manifest beside LIBRARY tells of the bytes that LIBRARY has now.

cmake_minimum_required(VERSION 3.25)

set(manifest "${LIBRARY}")
cmake_path(REPLACE_EXTENSION manifest LAST_ONLY plugin.yaml)
file(SHA256 "${LIBRARY}" sum)
file(STRINGS "${manifest}" line REGEX "^sha256: ")
if(NOT line STREQUAL "sha256: ${sum}")
  message(FATAL_ERROR "${manifest} says \"${line}\", but the sum of ${LIBRARY} is ${sum}")
endif()
