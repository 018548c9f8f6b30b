/* A node: consensus, log and state machine glued together behind struct env.
 *
 * DESIGN
 *
 * No sockets, no threads, no clock of its own: the server (libuv) and the simulator both drive it
 * by the functions below and call node_turn once after each batch of events. Requests come in as
 * struct node_request and get exactly one reply through `done`, unless cancelled: at once (local
 * reads, refusals), when their log entry is applied, when a ReadIndex round confirmed leadership,
 * or at their deadline. A request that reached a follower is forwarded to the leader; one that
 * finds no leader is parked.
 */
#ifndef Q_NODE_NODE_H
#define Q_NODE_NODE_H

#include "base/ids.h"
#include "base/limits.h"
#include "base/list.h"
#include "core/raft/raft.h"
#include "node/env.h"
#include "node/request.h"
#include "store/engine.h"
#include "store/file.h"
#include "store/wal.h"

struct node;

#define NODE_ADDRESS_SIZE_MAX 262 /* host:port */

struct node_options {
    char self[NODE_ADDRESS_SIZE_MAX];                 /* Own peer address, one of the list. */
    char addresses[NODES_MAX][NODE_ADDRESS_SIZE_MAX]; /* Peer addresses of the static list. */
    size_t address_count;
    uint32_t heartbeat_ms;
    uint32_t election_min_ms;
    uint32_t election_max_ms;
    uint32_t request_timeout_ms; /* Deadline of a request without its own; default 5000. */
    uint64_t value_size_max;
    uint64_t log_keep_bytes;
    uint64_t wal_segment_size;
    size_t append_size_max;   /* Of one AppendEntries message; 0 = APPEND_SIZE_MAX. */
    size_t apply_size_max;    /* Applied in one go; 0 = APPLY_BYTES_MAX. */
    size_t inflight_max;      /* Appends under way to one follower; 0 = INFLIGHT_MESSAGES_MAX. */
    size_t parked_max;        /* Requests waiting for anything; past it BUSY. */
    size_t waiting_bytes_max; /* Their bytes in sum, or one; 0 = WAITING_BYTES_MAX. */
    uint64_t seed;            /* Randomness comes from here alone. */
};

/* One request in flight. The caller owns it and keeps it until `done` or node_cancel. */
struct node_request {
    struct request request; /* In: borrowed during node_submit only. */
    uint32_t timeout_ms;    /* In: 0 = the node's default. */
    /* In: called exactly once, maybe from within node_submit; `reply` (node/reply.h) is borrowed
     * during the call. */
    void (*done)(struct node_request *request, struct bytes reply);
    void *owner; /* In: for the caller. */

    /* Private to the node from here. */
    struct list link;          /* In the list of its state. */
    struct list deadline_link; /* In the list of all, by deadline. */
    struct list id_link;       /* FORWARDED: in the table by id. */
    int state;
    uint64_t id;
    uint64_t deadline_ms;
    struct payload *payload; /* Encoded request, one reference. */
    raft_index index;
    raft_term term;
    uint64_t read_context;
    node_id forwarded_to;
    size_t reply_start;  /* COMPLETING: its part of the batch's replies; */
    size_t reply_size;   /* SIZE_MAX = another entry took its place. */
    bool maybe_executed; /* An earlier attempt may take effect. */
    bool refused;        /* Ended without doing anything, surely. */
    void *counting;      /* COUNTING: the count under way. */
};

/* Opens the log, recovers, and starts as follower. `env` stays the caller's and is used until
 * node_free. On failure `error` says what and what to do. Q_OK, Q_ECORRUPT, Q_EIO, Q_ENOSPC,
 * Q_EINVAL (wrong cluster). */
int node_start(const struct node_options *options,
               const struct env *env,
               struct node **out_node,
               char *error,
               size_t error_size);
/* Answers what waits with an error and frees the node; no job may be in flight. NULL is fine. */
void node_free(struct node *node);

void node_submit(struct node *node, struct node_request *request);
/* The caller lost interest: `done` will not be called. The write may still happen. */
void node_cancel(struct node *node, struct node_request *request);

/* A whole message body from a peer. The caller has checked the frame (checksum, `to` is this node)
 * and stripped it; `cluster_id` is the frame's, judged here because a HELLO may come before ours is
 * known, or from a node of another cluster that must be told so. */
void node_receive(struct node *node, node_id from, uint64_t cluster_id, struct bytes body);
/* What frames to peers are sealed with; 0 until the cluster is known. */
uint64_t node_cluster_id(const struct node *node);
/* This node's number = place of its address in the sorted list, from 1; peers likewise. */
node_id node_self(const struct node *node);
const char *node_address(const struct node *node, node_id id);
void node_peer_changed(struct node *node, node_id peer, bool connected);
/* The log job ended; `result` of wal_job_write, else wal_job_sync. */
void node_log_done(struct node *node, int result);
struct wal *node_wal(struct node *node);

/* Call after every batch of events and at node_next_deadline. */
void node_turn(struct node *node);
uint64_t node_next_deadline(const struct node *node);

/* Hands leadership over (orderly shutdown). */
void node_resign(struct node *node);
/* Hands it to that node, if this one leads and that one catches up soon; else nothing happens. */
void node_transfer(struct node *node, node_id to);
/* Q_OK, or why the node must stop (failed log); `error` then has the text. */
int node_health(const struct node *node, const char **out_error);

struct node_peer_status {
    node_id id;
    char address[NODE_ADDRESS_SIZE_MAX];
    bool connected;
    bool heard;             /* Within the last election timeout. */
    raft_index match_index; /* Known to the leader only. */
};

struct node_status {
    node_id self;
    bool booted; /* Knows its cluster. */
    uint64_t cluster_id;
    node_id leader;
    enum raft_role role;
    raft_term term;
    raft_index commit_index;
    raft_index applied_index;
    raft_index last_index;
    raft_index first_index;
    hlc_time shard_time;
    size_t waiting;     /* Requests in flight here. */
    uint64_t forwarded; /* Requests sent on to the leader since start. */
    uint64_t elections; /* Role changes to candidate since start. */
    struct wal_stats wal;
    struct node_peer_status peers[NODES_MAX]; /* In order of id, self included. */
    size_t peer_count;
    char waiting_for[1024]; /* While booting: who is missing, or what is wrong; else empty. */
};
void node_status(const struct node *node, struct node_status *out_status);

/* False until this process has heard from the others that its directory is not an old copy: till
 * then it neither hears nor says anything of Raft. */
bool node_takes_part(const struct node *node);

/* For the simulator's checkers. Borrowed. */
const struct raft *node_raft(const struct node *node);
/* Reads that wait for a ReadIndex round with this context or a smaller one. */
size_t node_reads_waiting(const struct node *node, uint64_t context);
/* What the node holds that has a limit. */
struct node_load {
    size_t requests;
    size_t request_bytes;
    size_t gated_messages; /* Messages of Raft that wait for a save. */
    size_t gated_bytes;
    size_t payloads;    /* Of log entries. */
    bool is_installing; /* A snapshot takes the place of its state. */
    uint64_t id_rows;
    uint64_t id_bytes;
};
void node_load(const struct node *node, struct node_load *out_load);
/* Hash of the applied state (data, request ids, shard time): equal at equal applied index. O(n).
 * 0 while there is no such state: not booted, or a snapshot is being installed. */
uint64_t node_state_hash(struct node *node);

#endif
