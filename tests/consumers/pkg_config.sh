#!/bin/sh
# Builds the consumer with nothing but the compiler and pkg-config:
#   pkg_config.sh COMPILER PKGCONFIG_FOLDER WORK_FOLDER EXPECTED_OUTPUT COMPONENT...
set -eu

compiler=$1
export PKG_CONFIG_PATH="$2"
work=$3
expected=$4
shift 4
here=$(dirname "$0")
mkdir -p "$work"

# The flags are words to be split.
# shellcheck disable=SC2046
"$compiler" -std=c++20 "$here/main.cpp" -o "$work/consumer" $(pkg-config --cflags --libs busway-core)
output=$("$work/consumer")
if [ "$output" != "$expected" ]; then
  echo "the program wrote \"$output\", not \"$expected\""
  exit 1
fi

for component in "$@"; do
  # shellcheck disable=SC2046
  "$compiler" -std=c++20 "$here/component.cpp" -o "$work/$component" \
    $(pkg-config --cflags --libs "busway-$component")
  "$work/$component"
done
