/* What the files of the node share.
 *
 *   node.c              life cycle, one turn, messages in, status
 *   boot_driver.c       core/cluster/boot and the identity file
 *   resume_driver.c     core/cluster/resume and what is remembered of peers
 *   recovery.c          what the log and the engine hold at start
 *   replica.c           raft effects: log, gated messages, apply, compaction
 *   requests.c          a request from submit to its one reply
 *   forwarding.c        requests sent to, or taken from, another node
 *   counting.c          DBSIZE in slices
 *   snapshot_send.c     leader's side of a snapshot stream
 *   snapshot_receive.c  follower's side: staged file, installation
 */
#ifndef Q_NODE_NODE_PRIVATE_H
#define Q_NODE_NODE_PRIVATE_H

#include "base/err.h"
#include "base/prng.h"
#include "core/cluster/boot.h"
#include "core/cluster/resume.h"
#include "core/hlc/hlc.h"
#include "core/raft/raft.h"
#include "node/identity.h"
#include "node/machine/machine.h"
#include "node/node.h"
#include "node/payload.h"
#include "node/peer_message.h"

/* The one group there is until the cluster map brings more. */
#define GROUP_DEFAULT ((group_id)1)

enum request_state {
    REQUEST_NEW,        /* Not submitted: all zero. */
    REQUEST_SUBMITTED,  /* Counted and with a deadline; on its way into another state. */
    REQUEST_PARKED,     /* Waits for a leader; nothing was done. */
    REQUEST_PROPOSED,   /* In the log at (term, index). */
    REQUEST_READING,    /* Waits for a ReadIndex round. */
    REQUEST_READY,      /* Read confirmed at `index`; waits for the state to get there. */
    REQUEST_FORWARDED,  /* Sent to `forwarded_to`. */
    REQUEST_COUNTING,   /* DBSIZE under way. */
    REQUEST_COMPLETING, /* Applied; its reply stands in the batch of replies. */
    REQUEST_DONE
};

/* A save of raft and the place in the log that makes it durable. */
struct save_ticket {
    uint64_t number;
    wal_ticket ticket;
};

/* A message that must not leave before a save is durable. */
struct gated_message {
    struct list link;
    uint64_t save;
    node_id to;
    size_t size;
    uint8_t body[];
};

/* One group's raft, log, and state machine on this node. */
struct replica {
    group_id group;
    struct raft raft;
    struct raft_entry *slots;  /* Owned: the ring lent to raft. */
    struct payload **payloads; /* Owned: payload of each index held, same ring positions. */
    size_t capacity;           /* Of both. */
    raft_index payload_first;  /* Payloads are held for [first, last]. */
    raft_index payload_last;
    struct machine machine;
    struct hlc clock;
    struct save_ticket saves[RAFT_SAVES_MAX];
    size_t save_first;
    size_t save_count;
    struct list gated;
    size_t gated_count;
    size_t gated_bytes;
    enum raft_role role; /* As of the last ROLE effect. */
    raft_term term;
    node_id leader;
    uint64_t fresh_at_ms;    /* The leader told us then of a commit index that we applied. */
    raft_index fresh_wanted; /* Commit index told, not applied yet, and when it was told. */
    uint64_t fresh_wanted_at_ms;
    uint64_t compact_at_ms; /* Next look at the log's size. */
    /* The newest flush asked for makes the state up to here persistent; 0 = none was needed. */
    raft_index flush_index;
    bool unfinished;    /* Raft has more effects than the last turn had time for. */
    bool state_durable; /* The log on disk has a STATE: a start can tell it from a lost one. */
};

#define FORWARD_WINDOW 16384 /* Ids remembered per peer, to tell repeated FORWARDs. */

struct peer {
    bool connected;
    uint64_t incarnation; /* Largest seen; 0 = not heard from. */
    /* Not heard since its connection broke: it may have restarted, and a FORWARD to the incarnation
     * we know would then be refused without an answer. */
    bool may_have_restarted;
    uint64_t heard_at_ms;
    struct witness witness;     /* Its `incarnation` is the one above. */
    uint64_t stale_incarnation; /* One that asked and was found to be an old copy. */
    /* FORWARD ids taken from this incarnation: the largest, and a bit for each below it. */
    uint64_t forward_max;
    uint64_t forward_seen[FORWARD_WINDOW / 64];
};

struct snapshot_sender;
struct snapshot_receiver;

#define ID_BUCKETS 4096

struct node {
    struct node_options options;
    const struct env *env; /* Borrowed. */
    struct files *files;   /* Borrowed. */
    struct engine *engine; /* Borrowed. */
    struct prng prng;
    struct identity identity;
    uint64_t incarnation_before; /* Of the start before this one. */
    struct boot boot;
    struct resume resume; /* Once booted. */
    uint64_t resume_log_at_ms;
    struct cluster_list list; /* Sorted; ids are places + 1. */
    node_id self;
    struct wal *wal; /* Owned. */
    struct replica replica;
    bool booted; /* The map is stored and the replica runs. */
    int failure; /* Q_OK, or why the node must stop. */
    char failure_text[1024];
    uint64_t now_ms;
    struct peer peers[NODES_MAX];

    /* Requests. Each is in the list of its state and in `deadlines`. */
    size_t request_count;
    size_t request_bytes; /* Of their payloads. */
    uint64_t last_request_id;
    struct list deadlines; /* Sorted by deadline. */
    struct list parked;
    struct list proposed; /* Sorted by index; several of one index after a change of leader. */
    struct list reading;  /* Sorted by context. */
    struct list ready;
    struct list counting;
    struct list completing;
    struct list *forwarded; /* Owned: ID_BUCKETS lists by id. */
    struct buf replies;     /* Replies of the batch being applied. */
    struct buf scratch;
    bool parked_retry; /* Something changed: route parked requests again. */
    uint64_t parked_retry_at_ms;

    struct snapshot_sender *sender;     /* Owned; NULL = none under way. */
    node_id given_up_on;                /* The last follower whose stream came to nothing ... */
    uint64_t others_first_until_ms;     /* ... waits until then. */
    struct snapshot_receiver *receiver; /* Owned; NULL = none under way. */
    uint64_t last_stream_id;

    uint64_t forwarded_total;
    uint64_t elections_total;
};

static inline struct peer *node_peer(struct node *node, node_id id)
{
    return &node->peers[id - 1];
}

/* node.c */
void node_fail(struct node *node, int err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* As node_fail; `what` failed in db/, and the engine may know more. */
void node_fail_storage(struct node *node, int err, const char *what);
/* What a read of the engine came to. Damaged data stop the node: another replica has them whole,
 * and this one would answer with errors for ever. Any other failure may pass. */
void node_judge_read(struct node *node, int err);
/* Begins a message to a peer with its header; NULL = cannot be sent now. End with node_send_end. */
struct buf *node_send_begin(struct node *node, node_id to, enum peer_message_type type);
void node_send_end(struct node *node, node_id to);

/* boot_driver.c */
int boot_driver_start(struct node *node, char *error, size_t error_size);
void boot_driver_tick(struct node *node);
void boot_driver_receive(struct node *node, node_id from, struct bytes body);

/* recovery.c */
struct recovery; /* What the log said, between opening it and starting the replica. */
int recovery_open_log(struct node *node, struct recovery **out, char *error, size_t error_size);
/* Starts the replica from engine and log. Consumes the recovery. */
int recovery_start_replica(struct node *node,
                           struct recovery *recovery,
                           char *error,
                           size_t error_size);
/* Q_OK when the log holds nothing, as it must before there is a map; Q_ECORRUPT with a text. */
int recovery_expect_nothing(const struct recovery *recovery, char *error, size_t error_size);
/* Of a node that has no log yet. */
struct recovery *recovery_empty(void);
void recovery_free(struct recovery *recovery);

/* replica.c */
void replica_deinit(struct node *node);
/* Makes room in the ring for `count` more entries and what raft may add by itself. */
void replica_make_room(struct replica *replica, size_t count);
/* Payloads follow the log: drops those of entries that went, NULL for those raft added. */
void replica_sync_payloads(struct replica *replica);
void replica_set_payload(struct replica *replica, raft_index index, struct payload *payload);
void replica_receive(struct node *node, node_id from, struct bytes body);
void replica_collect(struct node *node);
void replica_log_done(struct node *node);
/* Appends entries [first, last] of raft's log to the write-ahead log. */
void replica_log_entries(struct node *node, raft_index first, raft_index last);
void replica_compact(struct node *node);
/* Writes term, vote and the log's start as the group's STATE record. */
wal_ticket replica_save_state(struct node *node, struct raft_hard_state hard);
/* Age of local state in ms, as told by the leader; UINT64_MAX when never heard. */
uint64_t replica_age_ms(const struct node *node);

struct group_state {
    struct raft_hard_state hard;
    raft_index start_index;
    raft_term start_term;
};
#define GROUP_STATE_SIZE 29 /* version u8, term, vote u32, start index, start term */
void group_state_write(struct writer *w, const struct group_state *state);
bool group_state_read(struct bytes in, struct group_state *out_state);

/* requests.c */
void requests_init(struct node *node);
void requests_deinit(struct node *node);
/* Sends a request on its way again; it must be in no list but `deadlines`. */
void request_route(struct node *node, struct node_request *request);
void request_finish(struct node *node, struct node_request *request, struct bytes reply);
void request_fail(struct node *node,
                  struct node_request *request,
                  const char *prefix,
                  const char *format,
                  ...) __attribute__((format(printf, 4, 5)));
/* Puts it into `deadlines` by its deadline_ms. */
void request_link_deadline(struct node *node, struct node_request *request);
/* Another node refused it without doing anything: passed on, unless an earlier attempt is in doubt.
 */
void request_refused_elsewhere(struct node *node, struct node_request *request, struct bytes reply);
/* The write may or may not happen: said so, or tried again when its id makes that safe. */
void request_unknown(struct node *node, struct node_request *request);
/* It certainly did not happen here: tried again elsewhere. */
void request_retry(struct node *node, struct node_request *request);
bool request_is_write(const struct node_request *request);
/* Entry `index` of `term` was applied with this reply in node->replies. */
void requests_applied(struct node *node, raft_index index, raft_term term, size_t reply_start);
/* The batch is committed: deliver. */
void requests_deliver(struct node *node);
void requests_reads_confirmed(struct node *node, uint64_t context, raft_index index);
void requests_serve_ready(struct node *node);
/* Leadership changed: queued reads are void, parked requests may go. */
void requests_role_changed(struct node *node);
/* The state jumped to `index` by snapshot. */
void requests_jumped(struct node *node, raft_index index);
void requests_tick(struct node *node);

/* forwarding.c */
/* A request taken from another node. */
struct remote_request {
    struct node_request base;
    node_id origin;
    uint64_t origin_incarnation;
    uint64_t origin_id;
};
bool request_is_remote(const struct node_request *request);
bool forward_send(struct node *node, struct node_request *request, node_id to);
void forward_receive(struct node *node, node_id from, const struct peer_header *, struct reader *r);
void forward_reply_receive(struct node *node, struct reader *r);
/* Answers a remote request with RETRY and frees it. */
void forward_reply_retry(struct node *node, struct node_request *request);
/* `leader` is known to lead: what was forwarded to others will hardly be answered by them. */
void forward_leader_changed(struct node *node, node_id leader);
/* The peer restarted or its connection broke: what was forwarded there is in doubt. */
void forward_peer_lost(struct node *node, node_id peer);

/* counting.c */
void counting_start(struct node *node, struct node_request *request);
void counting_step(struct node *node);
void counting_stop(struct node_request *request);

/* snapshot_send.c */
void snapshot_send_start(struct node *node, node_id to);
void snapshot_send_ack(struct node *node, node_id from, const struct snapshot_ack *ack);
void snapshot_send_tick(struct node *node);
void snapshot_send_stop(struct node *node);
uint64_t snapshot_send_deadline(const struct node *node);
/* Last entry in the snapshot being sent; UINT64_MAX when none is. */
raft_index snapshot_send_index(const struct node *node);

/* snapshot_receive.c */
void snapshot_receive_chunk(struct node *node, node_id from, const struct snapshot_chunk *chunk);
void snapshot_receive_tick(struct node *node);
/* True while a snapshot is being installed: the state machine is not usable. */
bool snapshot_is_installing(const struct node *node);
void snapshot_receive_stop(struct node *node);
/* At start: finishes an installation that a crash interrupted. */
int snapshot_recover(struct node *node, char *error, size_t error_size);

#endif
