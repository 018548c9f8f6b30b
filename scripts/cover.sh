#!/usr/bin/env bash
# Builds with coverage, runs the unit tests and reports line and branch coverage per file.
#
# usage: scripts/cover.sh        report: build/coverage/report/index.html
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/build.sh coverage unit_tests
find build/coverage -name '*.gcda' -delete
failed=0
for test in build/coverage/tests/test_*; do
    "$test" >"$test.log" 2>&1 || {
        echo "failed: ${test##*/}, see $test.log"
        failed=1
    }
done
mkdir -p build/coverage/report
gcovr --root . --filter src/ --filter sim/ --object-directory build/coverage \
    --exclude-unreachable-branches --print-summary \
    --html-details build/coverage/report/index.html --txt build/coverage/report/summary.txt
cat build/coverage/report/summary.txt
exit $failed
