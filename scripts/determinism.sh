#!/usr/bin/env bash
# Proves that nothing of a simulated run can see the machine it runs on: links what quorate-sim is
# made of, but for the parts listed in `outside`, and looks at what is left undefined. No clock, no
# random numbers, no environment, no process, thread, file or socket is among what is allowed.
#
# usage: scripts/determinism.sh [PRESET]      objects of build/PRESET, release unless told
#        scripts/determinism.sh --self-test   planted violations must be found; TAP output
#
# What no symbol shows is looked for in the code (instructions that read a clock or random numbers)
# and in its texts (%p). That nothing follows an address is shown by scripts/sim_determinism.py.
set -euo pipefail
cd "$(dirname "$0")/.."

# Linked into quorate-sim, and outside of the run of a seed. The only door from inside to here is
# what `allowed` names.
#   base/os/heap, log, clock   memory; the log on stderr, with the time; the time
#   store/os_files, rocks      the real disk and engine: the simulator brings its own
#   sim/main, arguments        the command line
#   sim/campaign, attempt,
#   sim/crash/campaign         worker processes and the time a campaign may take
#   sim/shrink                 a campaign of its own
#   sim/seeds_file             reads tests/seeds.txt
#   sim/heap_count             counts the heap for a bound; no hash depends on it
outside='base/os/(heap|log|clock)|store/(os_files|rocks)'
outside+='|sim/(main|arguments|campaign|crash/campaign|attempt|shrink|seeds_file|heap_count)'

# Memory and strings. An address may be used, not looked at.
allowed='mem(cpy|move|set|cmp|chr)|__mem[a-z]*_chk|bcmp'
allowed+='|str(chr|cmp|cspn|len|ncmp|pbrk|rchr|spn|str)'
allowed+='|heap_(alloc|alloc_raw|realloc|free)|heap_count_(begin|live|peak)'
# Texts: made, and printed where nothing reads them back.
allowed+='|v?snprintf|v?f?printf|__v?s?n?f?printf_chk|f?puts|f?putc|putchar|fwrite|stdout|stderr'
allowed+='|log_event'
# Comparators order by all that matters: ties are equal, so an unstable sort gives one result.
allowed+='|qsort'
# jansson: its tables have a random seed, but are printed in the order of insertion.
allowed+='|json_[a-z_]*'
# The end of a process, and what the compiler needs.
allowed+='|check_failed|abort|__stack_chk_fail|_GLOBAL_OFFSET_TABLE_|__udivti3|__popcountdi2'

# Of llhttp only what is undefined counts: a debug function that nothing calls prints addresses.
instructions='rdtscp?|rdrand|rdseed|rdpid|cpuid|syscall|sysenter|int +\$0x80|mrs'

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# looks OBJECT...: what the objects could see of the machine.
looks() {
    local object
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
    nm -u "$scratch/all.o" | awk -v allowed="^($allowed)$" '$2 !~ allowed { print "symbol " $2 }'
    for object in "$@"; do
        [[ $object != */llhttp.dir/* ]] || continue
        objdump -d --no-show-raw-insn "$object" | awk -F'\t' -v bad="^($instructions)( |$)" \
            -v name="$object" '$2 ~ bad { print "instruction " $2 " in " name }'
        strings -d "$object" | awk -v name="$object" \
            '/%[-0-9]*p/ { print "text \"" $0 "\" in " name }'
    done
}

# judge OBJECT...: fails and says why when the objects see the machine.
judge() {
    local found
    found=$(looks "$@")
    if [ -n "$found" ]; then
        echo "not deterministic:"
        sort -u <<<"$found" | sed 's/^/  /'
        return 1
    fi
    echo "determinism: ok ($# objects)"
}

# The compilation database names the objects of today; objects of sources long gone may lie about.
judge_preset() {
    local database=build/$1/compile_commands.json objects=()
    local rooms='q_(base|core|wire|store|node|front|simlib)|llhttp'
    [ ! -f "$database" ] || mapfile -t objects < <(
        grep -oE " -o CMakeFiles/($rooms)\.dir/[^ ]*\.o" "$database" |
            sed "s|^ -o |build/$1/|" | grep -vE "/($outside)\.c\.o$" | sort
    )
    if [ ${#objects[@]} -eq 0 ]; then
        echo "no objects in build/$1: build it first"
        return 1
    fi
    judge "${objects[@]}"
}

# plant NUMBER WANTED NAME FLAGS CODE: a case whose object must be refused (with WANTED in what is
# said of it), or accepted (ok).
plant() {
    gcc -std=gnu11 -O2 $4 -c -x c - -o "$scratch/plant.o" <<<"$5"
    judge "$scratch/plant.o" >"$scratch/said" || true
    if grep -q "$2" "$scratch/said"; then
        echo "ok $1 - determinism: $3"
    else
        sed 's/^/# /' "$scratch/said"
        echo "not ok $1 - determinism: $3"
        failed=1
    fi
}

self_test() {
    failed=0
    echo 1..13
    plant 1 "determinism: ok" "memory, texts, sorting and printing are accepted" "" '
        #include <stdio.h>
        #include <stdlib.h>
        #include <string.h>
        int by(const void *a, const void *b) { return memcmp(a, b, 8); }
        void f(char *a, size_t n) { qsort(a, n, 8, by); printf("%.8s", a); }'
    plant 2 "symbol time" "time() is refused" "" '
        #include <time.h>
        long f(void) { return (long)time(0); }'
    plant 3 "symbol clock_gettime" "clock_gettime() is refused" "" '
        #include <time.h>
        long f(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_nsec; }'
    plant 4 "symbol localtime" "the time zone is refused" "" '
        #include <time.h>
        int f(time_t t) { return localtime(&t)->tm_hour; }'
    plant 5 "symbol clock_monotonic_ms" "our own clock past env is refused" "" '
        unsigned long clock_monotonic_ms(void);
        unsigned long f(void) { return clock_monotonic_ms(); }'
    plant 6 "symbol random" "random() is refused" "" '
        #include <stdlib.h>
        long f(void) { return random(); }'
    plant 7 "symbol getrandom" "getrandom() is refused" "" '
        #include <sys/random.h>
        long f(void *p) { return getrandom(p, 8, 0); }'
    plant 8 "symbol getenv" "the environment is refused" "" '
        #include <stdlib.h>
        char *f(void) { return getenv("HOME"); }'
    plant 9 "symbol getpid" "the process id is refused" "" '
        #include <unistd.h>
        int f(void) { return getpid(); }'
    plant 10 "symbol pthread_create" "threads are refused" "" '
        #include <pthread.h>
        void *g(void *p) { return p; }
        int f(pthread_t *t) { return pthread_create(t, 0, g, 0); }'
    plant 11 "text" "a printed address is refused" "" '
        #include <stdio.h>
        void f(void *p) { printf("at %p", p); }'
    plant 12 "instruction" "the cycle counter is refused" "" '
        #if defined(__x86_64__)
        unsigned long long f(void) { return __builtin_ia32_rdtsc(); }
        #else
        unsigned long f(void) {
            unsigned long t; __asm__("mrs %0, cntvct_el0" : "=r"(t)); return t; }
        #endif'
    plant 13 "no plain object" "an object that hides its symbols (LTO) is refused" -flto '
        #include <time.h>
        long f(void) { return (long)time(0); }'
    return $failed
}

case ${1:-release} in
    --self-test) self_test ;;
    *) judge_preset "${1:-release}" ;;
esac
