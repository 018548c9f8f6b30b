/* Raft as a pure state machine: events go in by function call, effects come out of raft_collect.
 *
 * DESIGN
 *
 * The protocol never calls anybody: no clock, no allocation, no I/O. Every function that hears of
 * time takes `now_ms` (monotonic). Functions only change state; what has to happen in the world is
 * gathered by raft_collect once per loop turn, so that all proposals of a turn go out together.
 * The semantics are etcd/raft's (PreVote, CheckQuorum, Probe/Replicate/Snapshot progress,
 * asynchronous storage); sections cited are of Ongaro's dissertation.
 *
 * STORAGE IS ASYNCHRONOUS
 *
 * RAFT_EFFECT_SAVE asks for hard state and/or entries to be made durable, in order, and has a
 * `save` number. Messages whose meaning rests on it (votes, append acknowledgements, own vote
 * requests) carry that number in `after_save` and must not leave before raft_persisted(save) could
 * be called. The leader's own appends are not gated: it sends in parallel with its own write and
 * counts itself only once its entries are durable.
 *
 * Entries are handed out for APPLY only when committed AND durable here, so applied state never
 * runs ahead of the local log.
 *
 * OWNERSHIP
 *
 * The caller owns struct raft, the ring inside `log`, and all payloads. Entries given to
 * raft_propose or raft_receive are copied as descriptors; their payloads must stay valid while the
 * log holds the index (see RAFT_EFFECT_SAVE for how the node learns which are held).
 */
#ifndef Q_CORE_RAFT_RAFT_H
#define Q_CORE_RAFT_RAFT_H

#include "base/ids.h"
#include "base/limits.h"
#include "base/prng.h"
#include "core/raft/log.h"
#include "core/raft/message.h"

enum raft_role { RAFT_FOLLOWER, RAFT_PRE_CANDIDATE, RAFT_CANDIDATE, RAFT_LEADER };

struct raft_config {
    node_id self;
    node_id voters[NODES_MAX]; /* Sorted, distinct, containing self. */
    size_t voter_count;
    uint32_t heartbeat_ms;    /* Default 50. */
    uint32_t election_min_ms; /* Timeout drawn from [min, max]; defaults 300 and 600. */
    uint32_t election_max_ms;
    size_t append_bytes_max; /* Per message, or one entry. */
    size_t inflight_messages_max;
    size_t inflight_bytes_max;
    size_t uncommitted_bytes_max; /* Proposals beyond are refused; always room for one. */
    size_t apply_bytes_max;       /* Per APPLY effect, or one entry. */
    uint64_t seed;                /* For election timeouts. */
};

struct raft_hard_state {
    raft_term term;
    node_id vote; /* NODE_NONE = none in this term. */
};

enum raft_progress_state {
    RAFT_PROBE,     /* One append per heartbeat until the follower's log is found. */
    RAFT_REPLICATE, /* Optimistic: next_index runs ahead of acknowledgements, within the window. */
    RAFT_SNAPSHOT   /* Paused: the node streams a snapshot. */
};

/* What the leader knows of one voter, itself included. Invariant: match_index < next_index. */
struct raft_progress {
    node_id id;
    enum raft_progress_state state;
    raft_index match_index;
    raft_index next_index;
    bool probe_sent;
    bool recently_active;      /* Heard since the last CheckQuorum. */
    raft_index snapshot_index; /* In RAFT_SNAPSHOT: index of the snapshot being sent. */
    /* Window of unacknowledged appends, oldest first: last index and bytes of each. */
    struct {
        raft_index last_index;
        size_t bytes;
    } inflight[INFLIGHT_MESSAGES_MAX];
    size_t inflight_first;
    size_t inflight_count;
    size_t inflight_bytes;
    uint64_t read_acked;    /* Largest ReadIndex context this voter confirmed in this term. */
    bool heartbeat_due;     /* Collect sends it a heartbeat. */
    bool append_wanted;     /* Collect sends it an append even when there is nothing new. */
    bool snapshot_due;      /* Collect emits the SNAPSHOT effect. */
    raft_index commit_sent; /* Largest commit index told to it by an append. */
    bool vote_granted;      /* While (pre-)candidate. */
    bool vote_rejected;
    uint64_t heard_at_ms; /* Last message from it; 0 = never. For status. */
};

#define RAFT_OUTBOX_MAX 128 /* Replies waiting for collect; beyond it messages are dropped. */
#define RAFT_SAVES_MAX  64  /* SAVE effects in flight; at the limit collect emits none. */

struct raft_outgoing {
    struct raft_message message;
    bool gated; /* Waits for the newest SAVE there is when it is collected. */
};

/* One SAVE in flight. Saves complete in order, so its completion makes the log durable up to
 * `last_index` as it was then. What has been replaced since is not what was written: a truncation
 * lowers `last_index` of every save in flight, so that a late completion can never mark a newer
 * tail durable, even when the same entries came back in between ("append ABA"). */
struct raft_save {
    uint64_t number;
    raft_term term;        /* Term that is durable with it: tells a candidate its vote is. */
    raft_index last_index; /* 0 = nothing of the present log. */
    raft_term last_term;   /* Its term, compared again at completion. */
    uint64_t emitted_at_ms;
};

struct raft {
    struct raft_config config;
    struct raft_log log;
    struct prng prng;
    uint64_t now_ms;

    enum raft_role role;
    struct raft_hard_state hard;
    node_id leader; /* NODE_NONE when unknown. */
    raft_index commit_index;
    raft_index applied_index;          /* Told by raft_applied. */
    raft_index applying_index;         /* Handed out for APPLY. */
    raft_index stable_index;           /* Durable here; <= log.last_index. */
    raft_index saving_index;           /* Handed out in SAVE effects; stable <= saving <= last. */
    struct raft_hard_state saved_hard; /* As in the last SAVE; differs from `hard` = must save. */
    raft_term durable_term;            /* The term a crash now would leave. */
    hlc_time last_hlc;                 /* Largest ever seen in this log. */
    uint64_t save_number;              /* Last SAVE emitted. */
    uint64_t save_done;                /* Last SAVE completed. */
    struct raft_save saves[RAFT_SAVES_MAX];
    size_t save_first;
    size_t save_count;

    uint64_t election_timeout_ms; /* Drawn anew at each change of role or term. */
    uint64_t election_deadline_ms;
    uint64_t heartbeat_deadline_ms;
    uint64_t check_quorum_deadline_ms;
    uint64_t leader_heard_at_ms;
    struct raft_progress progress[NODES_MAX];

    raft_index term_start_index; /* Leader: index of its no-op; reads wait for its commit. */
    size_t uncommitted_bytes;

    /* ReadIndex. Rounds are numbered; the number is the context and is never used again, not for a
     * retry either. A read gets the number of the next round, so it is confirmed by
     * acknowledgements of heartbeats sent after it arrived. A round is in flight while confirmed <
     * round. */
    uint64_t read_context;       /* Largest context given to a caller: <= round + 1. */
    uint64_t read_round_context; /* Context of the newest round started. */
    raft_index read_round_index; /* Commit index when that round started. */
    uint64_t read_confirmed;     /* Largest context confirmed by a quorum ... */
    raft_index read_ready_index; /* ... and the index it may be served at. */
    bool read_ready_pending;     /* A READ effect is due. */

    node_id transfer_target;
    uint64_t transfer_deadline_ms;
    bool transfer_sent;
    bool forced_election; /* The election under way was asked for by TIMEOUT_NOW. */

    struct raft_outgoing outbox[RAFT_OUTBOX_MAX];
    size_t outbox_count;
    uint64_t dropped_messages; /* For metrics. */
    bool role_changed;
};

/* Starts as follower from what recovery found. `slots` is the ring for the log (capacity a power
 * of two). Recovered entries are then fed with raft_recover_entry (in order), and raft_recovered
 * ends recovery: everything in the log is durable, `applied` is what storage holds. When applied is
 * beyond the log or below its start the caller must have reset the log to applied first. */
void raft_init(struct raft *raft,
               const struct raft_config *config,
               struct raft_entry *slots,
               size_t capacity,
               struct raft_hard_state hard);
void raft_recover_entry(struct raft *raft, const struct raft_entry *entry);
void raft_recovered(struct raft *raft, uint64_t now_ms, raft_index applied);
/* It takes part from now on: until here it got neither ticks nor messages. */
void raft_resume(struct raft *raft, uint64_t now_ms);

/* ---- events ---- */

/* Time moved. Cheap; call every turn and at raft_next_deadline. */
void raft_tick(struct raft *raft, uint64_t now_ms);
/* When raft_tick must be called next, absolute, monotonic. */
uint64_t raft_next_deadline(const struct raft *raft);

/* A message arrived. `entries` are message->entry_count entries following prev_index. The caller
 * guarantees raft_log_room(&raft->log) >= entry_count. Messages that are not for this node, from a
 * non-voter, or that no correct peer sends, are dropped. */
void raft_receive(struct raft *raft,
                  uint64_t now_ms,
                  const struct raft_message *message,
                  const struct raft_entry *entries);

/* Leader: appends one command. Returns Q_OK and its index; Q_ENOTLEADER; Q_EBUSY when the
 * uncommitted bytes are at their limit or leadership is being transferred. The entry's term and
 * kind are set here; hlc comes from the caller and is raised above the last entry's if need be.
 * Room in the ring is the caller's duty. */
int raft_propose(struct raft *raft, hlc_time hlc, struct bytes payload, raft_index *out_index);

/* Everything up to save `number` is durable. Completions come in order. */
void raft_persisted(struct raft *raft, uint64_t now_ms, uint64_t number);

/* Storage has applied everything up to `index`. */
void raft_applied(struct raft *raft, raft_index index);

/* Leader: asks to confirm leadership for a read. Returns Q_OK and a context; Q_ENOTLEADER. The
 * read may be served when a READ_READY effect has context >= this one and applied >= its index.
 * When leadership is lost the contexts are void (ROLE effect): ask again elsewhere. */
int raft_read_index(struct raft *raft, uint64_t *out_context);

/* Leader: hand leadership to `to` (section 3.10). Q_ENOTLEADER, Q_EINVAL for a non-voter. */
int raft_transfer(struct raft *raft, uint64_t now_ms, node_id to);

/* Drops the log up to `index` <= applied. The caller frees payloads before calling. */
void raft_compact(struct raft *raft, raft_index index);

/* A snapshot (index, term) was durably installed here; the log becomes empty after it, unless it
 * holds that very entry, in which case only the prefix goes. Returns false, changing nothing, when
 * index <= commit_index (a stale snapshot). */
bool raft_restore(struct raft *raft, raft_index index, raft_term term);

/* Leader: the snapshot stream to a follower ended. `ok`: it has installed `index`. */
void raft_snapshot_done(struct raft *raft, node_id to, bool ok, raft_index index);

/* The connection to a peer was lost or made: a replicating follower goes back to probing. */
void raft_peer_unreachable(struct raft *raft, node_id peer);

/* ---- effects ---- */

enum raft_effect_kind {
    RAFT_EFFECT_SAVE,    /* Make hard state (if has_hard) and entries [first, last] durable. Entries
                          * at >= first that were handed out before are replaced: the node drops
                          * their payloads now. */
    RAFT_EFFECT_SEND,    /* Send; entries [first, last] of the log travel along (APPEND). */
    RAFT_EFFECT_APPLY,   /* Apply [first, last] in order, then call raft_applied. */
    RAFT_EFFECT_READ,    /* Reads with a context <= `context` may be served at `index`. */
    RAFT_EFFECT_ROLE,    /* Role, term or known leader changed: look at the struct. */
    RAFT_EFFECT_SNAPSHOT /* Stream a snapshot to `to`: its log cannot be caught up. */
};

struct raft_effect {
    enum raft_effect_kind kind;
    node_id to;
    raft_index first;
    raft_index last;     /* first > last: none. */
    uint64_t save;       /* SAVE: its number. */
    uint64_t after_save; /* SEND: hold back until this save is durable; 0 = leave at once. */
    bool has_hard;
    struct raft_hard_state hard;
    struct raft_message message;
    uint64_t context;
    raft_index index;
};

/* Writes up to `max` effects (max >= 16) and returns how many; call again until it returns 0. Order
 * matters: carry them out as they come. A SAVE comes before the messages that wait for it. */
size_t raft_collect(struct raft *raft, struct raft_effect *out_effects, size_t max);

/* Asserts every invariant that can be seen from inside. The simulator calls it after each step. */
void raft_check(const struct raft *raft);

/* "leader" and so on, for logs and traces; never NULL. */
const char *raft_role_name(enum raft_role role);

/* NULL when `id` is not a voter. */
const struct raft_progress *raft_progress_of(const struct raft *raft, node_id id);

#endif
