/* What one seed's run looks like: every number of it drawn from the seed (swarm testing).
 *
 * Each fault class is on in about half the seeds and has a rate of its own, so that some runs meet
 * one fault in isolation and others all of them at once.
 */
#ifndef Q_SIM_OPTIONS_H
#define Q_SIM_OPTIONS_H

#include "sim/network.h"

#define FAULT_MAP(X)                                                                               \
    X(PARTITION, "partition")   /* Full: a group of nodes cut off from the rest. */                \
    X(LINK, "link")             /* One-way, or one pair of nodes. */                               \
    X(ONE_WAY, "one_way")       /* A group hears the rest and is not heard, or the reverse. */     \
    X(BRIDGE, "bridge")         /* Groups that one node connects, chains and rings. */             \
    X(FLAP, "flap")             /* Links go up and down and up. */                                 \
    X(HALF_OPEN, "half_open")   /* A connection is gone and one end does not know. */              \
    X(CUT, "cut")               /* A connection breaks in the middle of a frame. */                \
    X(FOREIGN, "foreign")       /* A frame of another cluster, for another node, from nobody. */   \
    X(BANDWIDTH, "bandwidth")   /* Links carry few bytes a second for a while. */                  \
    X(CLOG, "clog")             /* All links of a node hold everything back for a while. */        \
    X(RESET, "reset")           /* A connection between two nodes breaks and comes back. */        \
    X(KILL, "kill")             /* A process dies; the page cache stays. */                        \
    X(POWER, "power")           /* A machine loses power, and with it what was not synced. */      \
    X(POWER_ALL, "power_all")   /* All machines at once. */                                        \
    X(KILL_ALL, "kill_all")     /* All processes at once; their machines keep power. */            \
    X(CRASH_LOOP, "crash_loop") /* A process dies soon after each start, or in it. */              \
    X(STOP, "stop")             /* A process is stopped in good order. */                          \
    X(ROLLING, "rolling")       /* All of them, one after the other. */                            \
    X(PAUSE, "pause")           /* A process stands still and goes on. */                          \
    X(SUSPEND, "suspend")       /* A machine stands still, its monotonic clock too. */             \
    X(STARVED, "starved")       /* A process hardly gets to run. */                                \
    X(DISK_SLOW, "disk_slow")   /* The syncs of a machine take long for a while. */                \
    X(DISK_ERROR, "disk_error") /* A write or sync fails. */                                       \
    X(DISK_FULL, "disk_full")   /* No space for a while. */                                        \
    X(CLOCK, "clock")           /* A wall clock jumps, up to an hour. */                           \
    X(CLOCK_FREEZE, "clock_freeze") /* A wall clock stands still. */                               \
    X(CLOCK_JITTER, "clock_jitter") /* Readings of a wall clock go back and forth. */              \
    X(CLOCK_DRIFT, "clock_drift")   /* A monotonic clock changes its rate. */                      \
    X(RESIGN, "resign")             /* A leader is asked to hand over. */                          \
    X(ROT, "rot") /* A bit of an old log segment flips while its machine is off. */

enum fault_class {
#define X(name, text) FAULT_##name,
    FAULT_MAP(X)
#undef X
        FAULT_CLASSES
};

struct sim_options {
    uint64_t seed;
    uint32_t node_count;
    uint32_t client_count;
    uint32_t operation_count;
    uint64_t duration_us; /* Of the phase with faults. */
    uint32_t pipeline_max;
    uint64_t patience_us;    /* A client leaves a node that has not answered for this long ... */
    uint32_t switch_percent; /* ... and one that has with this probability. */
    uint32_t heartbeat_ms;
    uint32_t election_min_ms;
    uint32_t election_max_ms;
    uint32_t request_timeout_ms;
    uint64_t wal_segment_size;
    uint64_t log_keep_bytes;
    uint32_t parked_max;
    uint32_t value_padding_max;
    uint32_t keys_per_class;
    uint64_t turn_delay_us; /* A node gathers events this long before its turn. */
    uint32_t engine_flush_ppm;
    uint64_t sync_mean_us;
    uint32_t drift_ppm_max;
    uint32_t wall_offset_ms_max;
    struct network_options network;
    uint64_t fault_interval_us[FAULT_CLASSES]; /* Mean; 0 = off. */
    /* Not drawn. */
    uint32_t nodes_forced; /* 0 = drawn. */
    bool verbose;
    bool selftest; /* Drop one acknowledged write inside the cluster. */
    /* Partitions by enumeration (sim/partitions); partition_nodes 0 = an ordinary run. */
    uint32_t partition_nodes;
    uint32_t partition_pattern;
    node_id partition_leader;
    bool partition_resets; /* Cut connections break at once instead of standing silently. */
};

const char *fault_name(enum fault_class class);
/* Draws everything from `seed`. The last fields of `out` are kept. */
void sim_options_draw(struct sim_options *out, uint64_t seed);

#endif
