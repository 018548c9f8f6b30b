#!/usr/bin/env bash
# Proves that the pure rooms cannot reach the operating system: links the objects of core, wire and
# base without base/os together and looks at what is still undefined. And that they keep nothing
# between calls: no object may hold a variable that can be written, but for the table of marks
# (docs/decisions/0012).
#
# usage: scripts/purity.sh [PRESET]      objects of build/PRESET, release unless told
#        scripts/purity.sh --self-test   planted violations must be found; TAP output
#
# llhttp is judged apart: its objects may also abort() in states it holds impossible, and its debug
# function, which nothing calls, prints. Objects must be plain -O2 ones: LTO hides symbols from nm,
# sanitizers and coverage add their own, and -O0 leaves unused allocations of inlined xxHash in.
set -euo pipefail
cd "$(dirname "$0")/.."

pure='memcpy|memmove|memset|memcmp|memchr|bcmp|strlen|__mem(cpy|move|set)_chk'
pure+='|check_failed|__stack_chk_fail|_GLOBAL_OFFSET_TABLE_|__udivti3|__popcountdi2'
llhttp='abort|fprintf|__fprintf_chk|stderr'
# Variables that may be written: reachability marks, and which planted bug is on.
variables='mark_table|plant_active'

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# leaks ALLOWED OBJECT...: prints what the objects leave undefined beyond ALLOWED.
leaks() {
    local allowed=$1 object
    shift
    for object in "$@"; do
        if readelf -SW "$object" 2>/dev/null | grep -q '\.gnu\.lto_' ||
            ! readelf -h "$object" >/dev/null 2>&1; then
            echo "$object is no plain object (LTO?): nm would see nothing in it"
            return
        fi
    done
    ld -r -o "$scratch/all.o" "$@" 2>&1 || {
        echo "ld -r failed"
        return
    }
    nm -u "$scratch/all.o" | awk '{print $2}' | grep -Ev "^($allowed)$" || true
}

# variables OBJECT...: prints the variables of the objects that can be written. Tables of addresses
# that the loader fills in and then protects (.data.rel.ro) are none.
variables() {
    objdump -t "$@" | awk -F'\t' -v allowed="^($variables)$" '
        NF == 2 { n = split($1, left, " "); m = split($2, right, " ")
            if (left[n] ~ /^(\.data|\.bss|\.tdata|\.tbss|\*COM\*)/ &&
                left[n] !~ /^\.data\.rel\.ro/ && right[1] !~ /^0+$/ && right[m] !~ allowed)
                print right[m] " is a variable" }'
}

# judge PURE_OBJECT... -- LIBRARY_OBJECT...: fails and says why when something leaks.
judge() {
    local ours=() found
    while [ "$1" != -- ]; do
        ours+=("$1")
        shift
    done
    shift
    found=$(
        leaks "$pure|llhttp_[a-z_]*" "${ours[@]}"
        [ $# -eq 0 ] || leaks "$pure|$llhttp" "${ours[@]}" "$@"
        variables "${ours[@]}"
    )
    if [ -n "$found" ]; then
        echo "not pure:"
        sort -u <<<"$found" | sed 's/^/  /'
        return 1
    fi
    echo "purity: ok (${#ours[@]} objects)"
}

# The compilation database names the objects of today; objects of sources long gone may lie about.
objects_of() { # PRESET LIBRARY
    local database=build/$1/compile_commands.json
    [ ! -f "$database" ] || grep -o " -o CMakeFiles/$2\.dir/[^ ]*\.o" "$database" |
        sed "s|^ -o |build/$1/|" | grep -v /base/os/ | sort
}

judge_preset() {
    local ours theirs
    mapfile -t ours < <(for room in q_base q_core q_wire; do objects_of "$1" "$room"; done)
    mapfile -t theirs < <(objects_of "$1" llhttp)
    if [ ${#ours[@]} -eq 0 ]; then
        echo "no objects in build/$1: build it first"
        return 1
    fi
    judge "${ours[@]}" -- "${theirs[@]}"
}

# plant NUMBER WANTED NAME FLAGS CODE: a case whose object must be refused, or accepted.
plant() {
    local verdict=pure
    gcc -std=c11 -O2 $4 -c -x c - -o "$scratch/plant.o" <<<"$5"
    judge "$scratch/plant.o" -- >"$scratch/said" || verdict=leaks
    if [ $verdict = "$2" ]; then
        echo "ok $1 - purity: $3"
    else
        sed 's/^/# /' "$scratch/said"
        echo "not ok $1 - purity: $3"
        failed=1
    fi
}

self_test() {
    failed=0
    echo 1..9
    plant 1 pure "memory functions and check_failed are accepted" "" '
        #include <string.h>
        void check_failed(const char *f, int l, const char *e);
        void f(void *a, void *b, unsigned long n) {
            if (!n) check_failed("", 0, "");
            memcpy(a, b, n); }'
    plant 2 leaks "malloc is refused" "" '
        #include <stdlib.h>
        void *f(void) { return malloc(8); }'
    plant 3 leaks "a clock is refused" "" '
        #include <time.h>
        long f(void) { return (long)time(0); }'
    plant 4 leaks "printing is refused" "" '
        #include <stdio.h>
        void f(int n) { printf("%d", n); }'
    plant 5 leaks "an object that hides its symbols (LTO) is refused" -flto '
        #include <stdlib.h>
        void *f(void) { return malloc(8); }'
    plant 6 leaks "a global variable is refused" "" '
        int count;
        int f(void) { return ++count; }'
    plant 7 leaks "a variable of a function that outlives the call is refused" "" '
        int f(void) { static int count = 5; return ++count; }'
    plant 8 leaks "a variable of a thread is refused" "" '
        static _Thread_local int count;
        int f(void) { return ++count; }'
    plant 9 pure "the table of marks, and tables that nobody writes, are accepted" "-fPIE" '
        unsigned char mark_table[100];
        static const char *const names[] = {"a", "b"};
        const char *f(int i) { mark_table[i] = 1; return names[i]; }'
    return $failed
}

case ${1:-release} in
    --self-test) self_test ;;
    *) judge_preset "${1:-release}" ;;
esac
