#!/usr/bin/env bash
# Looks for data races: the rooms that have threads, under TSan.
#
# usage: scripts/tsan.sh
#
# Unit tests of net, server and store, then three nodes under redis-benchmark, kill -9 and restarts
# (tests/e2e/front_door_test.py). Any report is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."

tests=()
for source in tests/unit/{net,server,store}/*_test.c; do
    name=${source#tests/}
    name=${name%_test.c}
    tests+=("test_${name//\//_}")
done
scripts/build.sh tsan quorate "${tests[@]}"

# RocksDB is not compiled with TSan, which therefore cannot see how its threads agree.
suppressions=$PWD/build/tsan/suppressions
echo 'called_from_lib:librocksdb.so' >"$suppressions"
export TSAN_OPTIONS="suppressions=$suppressions ignore_noninstrumented_modules=1 exitcode=66"
for name in "${tests[@]}"; do
    "build/tsan/tests/$name"
done
QUORATE_BIN=$PWD/build/tsan/quorate /usr/bin/python3 tests/e2e/front_door_test.py
