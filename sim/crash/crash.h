/* Crash states by enumeration: every workload is crashed everywhere, and every state it may leave
 * is tried (sim/crash/trial).
 *
 * A state that two crashes leave alike is tried once, unless more is promised the second time. One
 * state in `again` is crashed at each operation of its recovery as well, and one in that many of
 * those once more.
 */
#ifndef Q_SIM_CRASH_CRASH_H
#define Q_SIM_CRASH_CRASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct crash_workload;
struct violation;

#define CRASH_DEPTH         3
#define CRASH_AGAIN_DEFAULT 16
#define CRASH_NO_CUT        UINT64_MAX

struct crash_options {
    uint64_t seed;
    uint64_t limit;       /* Of the first level per workload, spread over all of it; 0 = all. */
    uint64_t again;       /* 0 = no crashes in a recovery. */
    uint64_t only_cut;    /* Try this cut of the first level alone; CRASH_NO_CUT = all. */
    const char *workload; /* NULL = each. */
    uint32_t jobs;
    bool verbose;
    bool stop_at_violation;
};

/* Where an enumeration is: numbers of cuts, from 0, of each level it has gone down to. */
struct crash_place {
    uint64_t cuts[CRASH_DEPTH];
    size_t depth;
};

struct crash_result {
    uint64_t operations; /* Of the workload that were crashed. */
    uint64_t cuts[CRASH_DEPTH];
    uint64_t states; /* Distinct, of all levels together. */
    uint64_t recoveries[CRASH_DEPTH];
    uint64_t violations;
    uint64_t hash;
};

/* Enumerates one workload in this process, printing violations. `place` is kept up to date, for
 * whoever has to tell where the process died. */
void crash_enumerate(const struct crash_workload *workload,
                     const struct crash_options *options,
                     struct crash_place *place,
                     struct crash_result *result);
/* The line that names a violation and tells how to see it again. */
void crash_print_violation(const struct crash_workload *workload,
                           const struct crash_options *options,
                           const struct crash_place *place,
                           const struct violation *violation);

/* Runs the workloads chosen, each in a process of its own, so that one that dies is reported too.
 * Prints a table and the last line: states=N recoveries=N workloads=N violations=N hash=X. Returns
 * the exit status: 0 clean, 1 a violation, 2 no such workload. */
int crash_campaign(const struct crash_options *options);

#endif
