/* The workloads whose crashes are enumerated: each is a short script for one node of a cluster. */
#ifndef Q_SIM_CRASH_WORKLOADS_H
#define Q_SIM_CRASH_WORKLOADS_H

#include "base/prng.h"
#include "sim/crash/rig.h"

#define CRASH_ENTRIES_MAX 128

/* A workload under way, and what is known when it has ended. */
struct crash_run {
    struct crash_machine *machine;
    struct rig rig;
    struct crash_chain chain; /* What the cluster has committed. */
    size_t first;             /* Crashes are enumerated from this point of the tape on. */
    struct prng prng;         /* Sizes of values. */
    /* The log of the scripted leader, from index 1. Payloads are owned. */
    struct raft_entry entries[CRASH_ENTRIES_MAX];
    size_t entry_count;
};

struct crash_workload {
    const char *name;
    const char *text;
    uint32_t node_count;
    uint64_t wal_segment_size;
    uint64_t log_keep_bytes;
    void (*run)(struct crash_run *run);
};

extern const struct crash_workload CRASH_WORKLOADS[];
extern const size_t CRASH_WORKLOAD_COUNT;

/* NULL when there is none of that name. */
const struct crash_workload *crash_workload_find(const char *name);
/* Runs it to its end; look at run->rig.violation. End with crash_workload_deinit. */
void crash_workload_init(struct crash_run *run,
                         const struct crash_workload *workload,
                         uint64_t seed);
void crash_workload_deinit(struct crash_run *run);

#endif
