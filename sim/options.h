/* What one seed's run looks like: every number of it drawn from the seed (swarm testing).
 *
 * Each fault class is on in about half the seeds and has a rate of its own, so that some runs meet
 * one fault in isolation and others all of them at once.
 */
#ifndef Q_SIM_OPTIONS_H
#define Q_SIM_OPTIONS_H

#include "base/ids.h"
#include "base/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLIENTS_MAX      16
#define PIPELINE_MAX     8
#define IDLE_MAX         20
#define FAULTS_NAMED_MAX 1024 /* Faults of one class that can be left out by number. */

/* Type, field, name, smallest, largest and plain value, and what it is if the name does not say. A
 * new row is a new option: declared, printed, parsed and shrunk; sim_options_draw draws it. The
 * plain value is the simplest one: what the shrinker tries, and what the field has when nothing is
 * drawn (draw=0). */
#define OPTION_MAP(X)                                                                              \
    X(uint32_t, node_count, "nodes", 1, NODES_MAX, 1, "")                                          \
    X(uint32_t, client_count, "clients", 1, CLIENTS_MAX, 1, "")                                    \
    X(uint32_t, operation_count, "operations", 1, 1000000, 1, "")                                  \
    X(uint64_t, duration_us, "duration_us", 1000, 86400000000, 1000, "of the phase with faults")   \
    X(uint32_t, pipeline_max, "pipeline", 1, PIPELINE_MAX, 1, "operations a client has under way") \
    X(uint64_t, patience_us, "patience_us", 1000, 60000000, 2000000,                               \
      "a client leaves a silent node")                                                             \
    X(uint32_t, switch_percent, "switch_percent", 0, 100, 0,                                       \
      "how often it leaves one that answers")                                                      \
    X(uint32_t, heartbeat_ms, "heartbeat_ms", 1, 1000, 50, "")                                     \
    X(uint32_t, election_min_ms, "election_min_ms", 2, 5000, 300, "")                              \
    X(uint32_t, election_max_ms, "election_max_ms", 2, 5000, 600, "")                              \
    X(uint32_t, request_timeout_ms, "request_timeout_ms", 1, 60000, 1000, "")                      \
    X(uint64_t, wal_segment_size, "wal_segment_size", 4096, 1073741824, 65536, "")                 \
    X(uint64_t, log_keep_bytes, "log_keep_bytes", 1024, 1073741824, 65536, "")                     \
    X(uint32_t, append_size_max, "append_size", 0, 1048576, 0, "of entries in one message")        \
    X(uint32_t, inflight_max, "inflight", 0, 256, 0, "appends under way to one follower")          \
    X(uint32_t, apply_size_max, "apply_size", 0, 1048576, 0, "of entries applied in one go")       \
    X(uint32_t, parked_max, "parked_max", 1, 1000000, 1000, "requests that may wait in a node")    \
    X(uint32_t, value_padding_max, "value_padding", 0, 4000, 0, "")                                \
    X(uint32_t, filler_size, "filler", 0, 1000000, 0, "large values, so that snapshots are long")  \
    X(uint32_t, odd_percent, "odd_percent", 0, 100, 0, "requests that no history holds")           \
    X(uint32_t, keys_per_class, "keys", 1, 8, 1, "of each class of the workload")                  \
    X(uint64_t, turn_delay_us, "turn_delay_us", 0, 1000000, 0,                                     \
      "a node gathers events before a turn")                                                       \
    X(uint32_t, engine_flush_ppm, "engine_flush_ppm", 0, 1000000, 10000,                           \
      "writes that persist all")                                                                   \
    X(uint32_t, engine_flush_polls, "engine_flush_polls", 0, 10000, 0,                             \
      "looks at a flush until it is done")                                                         \
    X(uint32_t, id_age_ms, "id_age_ms", 0, 600000, 0, "of a request id when it is first used")     \
    X(uint64_t, sync_mean_us, "sync_mean_us", 0, 10000000, 500, "")                                \
    X(uint32_t, drift_ppm_max, "drift_ppm", 0, 100000, 0, "of monotonic clocks")                   \
    X(uint32_t, wall_offset_ms_max, "wall_offset_ms", 0, 3600000, 0, "")                           \
    X(uint32_t, client_cut_ppm, "client_cut_ppm", 0, 1000000, 0,                                   \
      "requests and replies within which the client goes")                                         \
    X(uint32_t, client_slow_ppm, "client_slow_ppm", 0, 1000000, 0, "replies that wait to be read") \
    X(uint32_t, client_bytes_ppm, "client_bytes_ppm", 0, 1000000, 0, "requests byte by byte")      \
    X(uint32_t, idle_connections, "idle_connections", 0, IDLE_MAX, 0, "of clients to each node")   \
    X(uint32_t, variation, "variation", 0, 1000000, 0, "another run of the same (not drawn)")      \
    X(bool, log_keep_differs, "log_keep_differs", 0, 1, 0, "some nodes keep more")                 \
    X(bool, ids_lag, "ids_lag", 0, 1, 0, "some request ids are of clocks that are wrong")          \
    X(bool, permanent, "permanent", 0, 1, 0, "a minority stays broken after the faults")           \
    X(bool, selftest, "selftest", 0, 1, 0, "drop one acknowledged write (not drawn)")              \
    X(uint32_t, partition_nodes, "partition_nodes", 0, 5, 0, "enumerated partition (not drawn)")   \
    X(uint32_t, partition_pattern, "partition_pattern", 0, 100000, 0, "its links")                 \
    X(node_id, partition_leader, "partition_leader", 0, 5, 0, "who leads when links are cut")      \
    X(bool, partition_resets, "partition_resets", 0, 1, 0, "connections break, not silently")

/* Of the network between nodes; columns as above. */
#define NETWORK_OPTION_MAP(X)                                                                      \
    X(uint64_t, delay_min_us, "delay_min_us", 0, 10000000, 100, "")                                \
    X(uint64_t, delay_mean_us, "delay_mean_us", 0, 10000000, 500,                                  \
      "exponential, above the minimum")                                                            \
    X(uint32_t, tail_ppm, "tail_ppm", 0, 1000000, 0, "frames that take up to tail_max_us")         \
    X(uint64_t, tail_max_us, "tail_max_us", 0, 60000000, 0, "")                                    \
    X(uint32_t, loss_ppm, "loss_ppm", 0, 1000000, 0, "")                                           \
    X(uint32_t, duplicate_ppm, "duplicate_ppm", 0, 1000000, 0, "")                                 \
    X(uint32_t, replay_ppm, "replay_ppm", 0, 1000000, 0, "frames that come again seconds later")   \
    X(uint32_t, flip_ppm, "flip_ppm", 0, 1000000, 0, "frames with one flipped bit")                \
    X(bool, reorder, "reorder", 0, 1, 0, "else a link delivers in order, as TCP does")

/* A new row is a new class: its mean interval is the option <name>_every_us. */
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
    X(DISK_HUNG, "disk_hung")       /* A sync does not come back for a minute or two, or ever. */  \
    X(DISK_READ, "disk_read")       /* Reads fail at a start. */                                   \
    X(ROT, "rot")                   /* A bit of a file flips while its machine is off. */          \
    X(LOST, "lost")                 /* A synced write never reached the platter. */                \
    X(MISDIRECT, "misdirect")       /* It reached another place. */                                \
    X(FILES, "files")               /* A file or directory is gone, short, or old. */              \
    X(ENGINE_ROT, "engine_rot")     /* A part of the state fails its checksum when it is read. */  \
    X(WIPE, "wipe")                 /* A machine comes back with an empty disk. */                 \
    X(BACKUP, "backup")             /* It comes back as it was some time ago. */                   \
    X(SWAP, "swap")                 /* It comes back with another machine's disk. */

enum fault_class {
#define X(name, text) FAULT_##name,
    FAULT_MAP(X)
#undef X
        FAULT_CLASSES
};

struct network_options {
#define X(type, field, ...) type field;
    NETWORK_OPTION_MAP(X)
#undef X
};

/* Which faults of a run happen: the n-th of a class (from 1) is bit n - 1 of its row. */
struct fault_set {
    bool is_limited; /* False: all of them. */
    uint64_t bits[FAULT_CLASSES][FAULTS_NAMED_MAX / 64];
};

/* Together with the seed these determine a run. Rows stand in the order that a reader wants.
 * NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding) */
struct sim_options {
    uint64_t seed;
#define X(type, field, ...) type field;
    OPTION_MAP(X)
#undef X
    struct network_options network;
    uint64_t fault_interval_us[FAULT_CLASSES]; /* Mean; 0 = off. */
    struct fault_set only_faults;
    /* Changes nothing in the run. */
    bool verbose;
};

const char *fault_name(enum fault_class class);
/* Everything plain: a calm run of one node. Keeps `verbose`. */
void sim_options_plain(struct sim_options *out, uint64_t seed);
/* Draws everything from `seed`. Keeps `verbose`. */
void sim_options_draw(struct sim_options *out, uint64_t seed);
/* True when a run can have these options together; else *out_error says why not. Values within
 * the bounds of their rows may still contradict each other. */
bool sim_options_fit(const struct sim_options *options, const char **out_error);

/* True when the n-th fault of that class, from 1, is to happen. */
bool fault_set_has(const struct fault_set *set, enum fault_class class, uint64_t number);
/* Limits the set, if it was not, to what is added; number <= FAULTS_NAMED_MAX. */
void fault_set_add(struct fault_set *set, enum fault_class class, uint64_t number);

#endif
