#!/usr/bin/env bash
# Runs parsers under libFuzzer with ASan and UBSan.
#
# usage: scripts/fuzz.sh TARGET SECONDS       TARGET as in tests/fuzz/TARGET_fuzz.c
#        scripts/fuzz.sh --rotation SECONDS   the two targets whose turn it is today; TAP output
#
# tests/fuzz/corpus/TARGET is read only; new inputs go to build/fuzz/corpus/TARGET, findings to
# build/fuzz/findings. To keep new inputs: build/fuzz/fuzz/TARGET_fuzz -merge=1 (see the manual).
set -euo pipefail
cd "$(dirname "$0")/.."

targets() {
    local source
    for source in tests/fuzz/*_fuzz.c; do
        source=${source##*/}
        printf '%s\n' "${source%_fuzz.c}"
    done
}

fuzz() { # TARGET SECONDS
    local kept=tests/fuzz/corpus/$1 fresh=build/fuzz/corpus/$1 dictionary=tests/fuzz/$1.dict
    local inputs=("$fresh") options=()
    mkdir -p "$fresh" build/fuzz/findings
    [ ! -d "$kept" ] || inputs+=("$kept")
    [ ! -f "$dictionary" ] || options+=("-dict=$dictionary")
    "build/fuzz/fuzz/$1_fuzz" -max_total_time="$2" -timeout=10 -rss_limit_mb=2048 \
        -print_final_stats=1 -artifact_prefix="build/fuzz/findings/$1-" "${options[@]}" \
        "${inputs[@]}"
}

rotation() { # SECONDS
    local all day number failed=0 target
    mapfile -t all < <(targets)
    day=$(($(date +%s) / 86400))
    local chosen=("${all[day % ${#all[@]}]}")
    [ ${#all[@]} -lt 2 ] || chosen+=("${all[(day + 1) % ${#all[@]}]}")
    # All are built: one that does not compile must not wait for its turn to be noticed.
    scripts/build.sh fuzz "${all[@]/%/_fuzz}" || return 1
    echo "1..${#chosen[@]}"
    number=0
    for target in "${chosen[@]}"; do
        number=$((number + 1))
        if fuzz "$target" "$1" 2>&1; then
            echo "ok $number - fuzz: $target, $1 s"
        else
            echo "not ok $number - fuzz: $target, $1 s"
            failed=1
        fi
    done
    return $failed
}

if [ "${1:-}" = --rotation ] && [ $# -eq 2 ]; then
    rotation "$2"
elif [ $# -eq 2 ] && [ -f "tests/fuzz/$1_fuzz.c" ]; then
    scripts/build.sh fuzz "$1_fuzz"
    fuzz "$1" "$2"
else
    sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
    echo "targets: $(targets | paste -sd ' ')" >&2
    exit 2
fi
