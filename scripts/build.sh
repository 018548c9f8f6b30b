#!/usr/bin/env bash
# Configures a preset when that was not done yet and builds targets of it (all, when none is named).
#
# usage: scripts/build.sh PRESET [TARGET...]        JOBS=n limits the parallel jobs
set -euo pipefail
cd "$(dirname "$0")/.."

preset=$1
shift
targets=()
[ $# -eq 0 ] || targets=(--target "$@")

# Only the first time: afterwards Ninja runs CMake again by itself when a CMake file or the set of
# sources changed. A tree that was moved or copied has a cache that names another place.
cache=build/$preset/CMakeCache.txt
if [ ! -f "build/$preset/build.ninja" ] ||
    ! grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$PWD" "$cache" ||
    [ CMakePresets.json -nt "$cache" ]; then
    fresh=()
    [ ! -f "$cache" ] || fresh=(--fresh)
    mkdir -p build
    log=build/configure-$preset.log
    cmake "${fresh[@]}" --preset "$preset" -Wno-dev >"$log" 2>&1 || {
        cat "$log" >&2
        exit 1
    }
fi
exec cmake --build "build/$preset" --parallel "${JOBS:-$(nproc)}" "${targets[@]}"
