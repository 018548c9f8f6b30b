/* A cluster of Raft replicas in memory, with a network and disks that do what a test says.
 *
 * DESIGN
 *
 * No threads, no clock: a test moves time, delivers packets and completes saves one by one, in any
 * order it likes. Each replica has a "disk" that holds exactly what completed saves wrote; a crash
 * loses the rest. After each step an oracle that sees all replicas at once checks election safety,
 * vote uniqueness, leader completeness, that what is committed is durable on a quorum and never
 * changes, state-machine safety, and that reads are not stale. Log matching is checked by
 * cluster_check_logs, which is slower.
 */
#ifndef Q_TESTS_HARNESS_RAFT_CLUSTER_H
#define Q_TESTS_HARNESS_RAFT_CLUSTER_H

#include "base/plant.h"
#include "base/prng.h"
#include "core/raft/raft.h"

#define CLUSTER_PACKETS_MAX 512
#define CLUSTER_HELD_MAX    128
#define CLUSTER_ENTRIES_MAX 32   /* Per message; append_bytes_max of a test must respect it. */
#define CLUSTER_INDEX_MAX   4096 /* Oracle's memory. */
#define CLUSTER_TERM_MAX    4096
#define CLUSTER_READS_MAX   64

struct cluster_packet {
    struct raft_message message;
    struct raft_entry entries[CLUSTER_ENTRIES_MAX];
};

/* A save that storage has taken but not finished. */
struct cluster_save {
    uint64_t number;
    bool has_hard;
    struct raft_hard_state hard;
    raft_index first;
    size_t count;
    struct raft_entry *entries; /* Owned. */
};

struct cluster_disk {
    struct raft_hard_state hard;
    raft_index start_index;
    raft_term start_term;
    raft_index last_index;
    raft_index applied;
    struct raft_entry entries[CLUSTER_INDEX_MAX]; /* By index; valid in (start, last]. */
};

struct cluster_held {
    uint64_t after_save;
    struct cluster_packet packet;
};

struct cluster_read {
    uint64_t context;
    raft_index needed; /* Largest index known committed when the read arrived. */
};

struct cluster_stream {
    bool active;
    raft_index index;
    raft_term term;
};

struct cluster_node {
    node_id id;
    bool alive;
    bool disk_hangs; /* Saves do not complete. */
    struct raft raft;
    struct raft_entry *slots; /* Owned; the ring. */
    struct cluster_disk disk;
    struct cluster_save saves[RAFT_SAVES_MAX];
    size_t save_count;
    struct cluster_held held[CLUSTER_HELD_MAX];
    size_t held_count;
    struct cluster_read reads[CLUSTER_READS_MAX];
    size_t read_count;
    size_t reads_served;
    raft_index seen_commit; /* How far the oracle has looked. */
    struct cluster_stream streams[NODES_MAX + 1];
    node_id vote_sent[CLUSTER_TERM_MAX]; /* By term: whom it has told that it voted for them. */
};

struct cluster {
    uint64_t seed;
    struct prng prng;
    uint64_t now_ms;
    size_t node_count;
    struct raft_config config;                /* Template: self and seed differ. */
    struct cluster_node nodes[NODES_MAX + 1]; /* By id, from 1. */
    struct cluster_packet packets[CLUSTER_PACKETS_MAX];
    size_t packet_count;
    bool cut[NODES_MAX + 1][NODES_MAX + 1]; /* [from][to]: packets are lost. */
    uint64_t next_value;
    /* Oracle. */
    raft_index committed_to;
    struct raft_entry committed[CLUSTER_INDEX_MAX];
    node_id leaders[CLUSTER_TERM_MAX];
    /* Optional: told of each effect before it is carried out. */
    void (*trace)(struct cluster *cluster, node_id node, const struct raft_effect *effect);
};

/* Usual timing, and windows and messages so small that their limits are met. */
struct raft_config cluster_config(size_t node_count);
/* Nodes 1..count, all started. */
void cluster_init(struct cluster *cluster, size_t node_count, uint64_t seed);
/* As init, with the caller's timing and sizes (self, voters and seed are filled in). */
void cluster_init_config(struct cluster *cluster, struct raft_config config, uint64_t seed);
void cluster_deinit(struct cluster *cluster);

/* Carries out all effects of one replica and lets the oracle look at it. */
void cluster_collect(struct cluster *cluster, node_id id);
void cluster_collect_all(struct cluster *cluster);
/* Moves time and ticks whoever is due; does not collect. */
void cluster_advance(struct cluster *cluster, uint64_t ms);
/* Delivers packet `at` (its slot is freed) or loses it on a cut link; does not collect. */
void cluster_deliver(struct cluster *cluster, size_t at);
void cluster_drop(struct cluster *cluster, size_t at);
void cluster_duplicate(struct cluster *cluster, size_t at);
/* Completes the oldest save of a replica. Returns false when there is none. */
bool cluster_complete_save(struct cluster *cluster, node_id id);
/* Proposes a fresh value; returns what raft_propose did. */
int cluster_propose(struct cluster *cluster, node_id id, raft_index *out_index);
/* The same with the caller's payload, which must stay where it is. */
int cluster_propose_bytes(struct cluster *cluster,
                          node_id id,
                          struct bytes payload,
                          raft_index *out_index);
int cluster_read(struct cluster *cluster, node_id id);
void cluster_crash(struct cluster *cluster, node_id id);
void cluster_restart(struct cluster *cluster, node_id id);
void cluster_compact(struct cluster *cluster, node_id id, raft_index index);
/* Ends the snapshot stream between two nodes, if there is one. */
void cluster_finish_stream(struct cluster *cluster, node_id from, node_id to, bool ok);
/* Cuts or heals both directions. */
void cluster_link(struct cluster *cluster, node_id a, node_id b, bool up);
void cluster_isolate(struct cluster *cluster, node_id id, bool isolated);

/* Delivers, completes and collects until nothing moves any more; time stands still. */
void cluster_settle(struct cluster *cluster);
/* Everything flows, in order, for `ms` of time: packets, saves, streams. */
void cluster_run(struct cluster *cluster, uint64_t ms);
/* The live leader of the highest term; NODE_NONE when there is none. */
node_id cluster_leader(const struct cluster *cluster);
void cluster_check_logs(struct cluster *cluster);
struct raft *cluster_raft(struct cluster *cluster, node_id id);
struct cluster_node *cluster_node_of(struct cluster *cluster, node_id id);

/* As REQUIRE, and prints the seed. */
#define CLUSTER_CHECK(cluster, expr)                                                               \
    ((expr) ? (void)0 : cluster_failed((cluster), #expr, __FILE__, __LINE__))
/* Ends the case. */
void cluster_failed(const struct cluster *cluster, const char *expr, const char *file, int line);

#endif
