/* A test rig: one production node on a machine that records, and peers that only act a part.
 *
 * The node is number 1 of `node_count`. Its peers boot by the production state machine of
 * core/cluster/boot; of Raft they know no more than to grant votes and acknowledge appends, and
 * whatever a script makes them say. Time moves by hand, and nothing is random: the same script
 * gives the same tape. A log job is written and synced within rig_settle, with a turn of the node
 * in between, as the log thread works beside the node.
 */
#ifndef Q_SIM_CRASH_RIG_H
#define Q_SIM_CRASH_RIG_H

#include "core/cluster/boot.h"
#include "node/node.h"
#include "node/peer_message.h"
#include "node/reply.h"
#include "sim/crash/chain.h"
#include "sim/crash/ledger.h"
#include "sim/crash/machine.h"

#define RIG_SELF         ((node_id)1)
#define RIG_NODES_MAX    3
#define RIG_REQUESTS_MAX 64

struct rig_peer {
    struct boot boot;
    uint64_t incarnation;
    bool is_mute;    /* Hears nothing, says only what a script makes it say. */
    raft_index held; /* Its log, as far as it acknowledged it. */
    raft_term held_term;
    struct witness witness; /* Of the node. */
};

struct rig_request {
    struct node_request request;
    bool is_done;
    bool is_error;
};

/* How the node is configured. */
struct rig_options {
    uint32_t node_count; /* 1 or 3. */
    uint64_t seed;
    uint64_t wal_segment_size;
    uint64_t log_keep_bytes;
};

struct rig {
    struct rig_options options;
    uint64_t now_ms;
    uint64_t starts;
    struct crash_machine *machine; /* Borrowed. */
    struct env env;
    struct node *node; /* Owned. NULL = down. */
    struct identity identity;
    struct ledger ledger;
    struct crash_chain
        *chain; /* Borrowed; grows with what the node commits. NULL = not looked at. */
    struct rig_peer peers[RIG_NODES_MAX + 1];
    struct list mail;
    struct list held_mail; /* Comes while the next log job is being written. */
    bool holds_mail;       /* What scripts make peers say from now on is held like that. */
    bool expects_failure;  /* The node may stop itself: a sync fails. */
    struct buf outgoing;
    bool is_stopping;
    bool log_wanted;
    bool log_is_busy;
    raft_index applied_seen;
    struct rig_request requests[RIG_REQUESTS_MAX];
    size_t request_count;
    raft_index acked;             /* By the node to a scripted leader, last. */
    struct snapshot_ack last_ack; /* Of a snapshot chunk. */
    struct violation violation;
};

/* Down, on this machine, with an empty ledger; peers have no map. End with rig_deinit. */
void rig_init(struct rig *rig, const struct rig_options *options, struct crash_machine *machine);
void rig_deinit(struct rig *rig);
/* Gives a peer the map of its cluster. */
void rig_peer_knows(struct rig *rig, node_id peer, const struct cluster_map *map);

/* Starts the node on what its machine holds. False, and a violation, when it refuses. */
bool rig_start(struct rig *rig);
/* Ends the process without any farewell. Every file must be closed then. */
void rig_stop(struct rig *rig);
/* As rig_stop, and the engine gets to flush, as a clean end lets RocksDB do; then starts again. */
bool rig_restart(struct rig *rig);
/* As rig_stop, but the engine loses what it has not flushed; then starts again. */
bool rig_kill(struct rig *rig);

/* Lets everything happen that can happen now. */
void rig_settle(struct rig *rig);
/* Time passes in steps of at most 10 ms; settles at each. */
void rig_advance(struct rig *rig, uint64_t ms);
/* Advances until the node knows its cluster, at most 20 s. */
void rig_boot(struct rig *rig);
/* Advances until the node leads and has committed in its term, at most 20 s. */
void rig_elect(struct rig *rig);

/* The node's raft; NULL while it is down or knows no cluster. */
const struct raft *rig_raft(const struct rig *rig);
/* The map that peers have agreed on; NULL while none has it. Borrowed. */
const struct cluster_map *rig_map(const struct rig *rig);
/* Operations on the tape so far. */
size_t rig_at(const struct rig *rig);

/* A peer says this to the node; delivered by rig_settle. `message->from` is the peer. */
void rig_say(struct rig *rig, const struct raft_message *message, const struct raft_entry *entries);
/* One part of a snapshot stream. */
void rig_say_chunk(struct rig *rig, node_id from, const struct snapshot_chunk *chunk);

/* A client's write, on its way after rig_settle: SET key value, both texts. */
void rig_submit_set(struct rig *rig, const char *key, struct bytes value);

#endif
