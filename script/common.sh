# Sourced by the scripts beside it: where we are, how many jobs, and how to be quiet when all is well.
# shellcheck shell=bash

set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Notes go to standard error, so that script/run leaves standard output to the program.
say() { printf 'busway: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# One job a core, but no more than memory carries: a compiler takes up to 1.5 GB.
jobs_default() {
  local cores memory_kb by_memory
  cores=$(nproc)
  memory_kb=$(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo)
  by_memory=$((memory_kb / 1500000))
  if ((by_memory < 1)); then by_memory=1; fi
  if ((by_memory < cores)); then echo "$by_memory"; else echo "$cores"; fi
}
JOBS=${JOBS:-$(jobs_default)}

# quietly LOG COMMAND...: its output is shown only if it fails.
quietly() {
  local log=$1
  shift
  mkdir -p "$(dirname "$log")"
  if ! "$@" >"$log" 2>&1 </dev/null; then
    grep -vE '^\[[0-9]+/[0-9]+\]' "$log" | tail -n 100 >&2 || true
    die "failed: $* (all of its output: $log)"
  fi
}

# configure PRESET [CMAKE ARGUMENT...]: into build/PRESET.
configure() {
  local preset=$1
  shift
  if [[ -z ${CMAKE_GENERATOR:-} ]] && command -v ninja >/dev/null; then
    export CMAKE_GENERATOR=Ninja
  fi
  quietly "build/$preset/configure.log" cmake --preset "$preset" "$@"
}

# build PRESET [TARGET...]: what CMake makes of it; on a terminal with the progress line.
build() {
  local preset=$1 command
  shift
  command=(cmake --build "build/$preset" --parallel "$JOBS")
  if (($# > 0)); then command+=(--target "$@"); fi
  if [[ ! -e build/$preset/.built ]]; then
    say "building $preset in build/$preset; the first time takes some minutes"
  fi
  if [[ -t 2 ]]; then
    "${command[@]}" >&2 </dev/null || die "the build of $preset failed"
  else
    quietly "build/$preset/build.log" "${command[@]}"
  fi
  touch "build/$preset/.built"
}

# run_tests PRESET [CTEST ARGUMENT...]: shows what failed, with its output, and the summary.
RUN_UNDER=()
run_tests() {
  local preset=$1
  shift
  "${RUN_UNDER[@]}" ctest --test-dir "build/$preset" --output-on-failure --no-label-summary --no-tests=error \
    --parallel "$(nproc)" "$@" </dev/null |
    grep --line-buffered -Ev '^ +Start +[0-9]+: |^ *[0-9]+/[0-9]+ Test +#.* Passed +|^Internal ctest'
}
