/* What a node has promised so far, and whether a node that starts after a crash keeps it.
 *
 * DESIGN
 *
 * Each job of the log makes a *version*: the term, vote and entries that its batch leaves behind,
 * as raft sees them and not as the log encodes them. A job is begun at some point of the machine's
 * tape and confirmed at a later one. A node that starts after a crash in between must hold exactly
 * one of the versions from the newest that is promised to the newest that was begun: less is loss,
 * anything else is a phantom, such as an entry from before a durable truncation.
 *
 * Promised is what the log device confirmed, and what messages say that have left: a vote, a
 * request for votes, an acknowledgement of entries. The identity is promised by any message at all.
 */
#ifndef Q_SIM_CRASH_LEDGER_H
#define Q_SIM_CRASH_LEDGER_H

#include "core/raft/raft.h"
#include "node/identity.h"
#include "sim/check/violation.h"

#define LEDGER_NEVER SIZE_MAX

struct ledger_version {
    size_t visible_at;   /* The first point at which a crash may leave it. */
    size_t confirmed_at; /* The point at which it was known to be durable; LEDGER_NEVER. */
    struct raft_hard_state hard;
    raft_index start_index;
    raft_term start_term;
    size_t count;
    /* Owned. */
    raft_term *terms;
    uint64_t *hashes; /* Of whole entries. */
};

/* Promises other than versions the device confirmed; each holds from `at` on. */
struct ledger_mark {
    size_t at;
    size_t version;         /* At least this one must be found. */
    raft_index state_index; /* The state is at least that of this entry. */
    uint64_t nonce;         /* 0 = none promised. */
    uint64_t incarnation;
    uint64_t cluster_id; /* 0 = no map promised. */
    /* Not promises of the node, but how far the rest of the cluster is. */
    raft_index committed;    /* Entries of its history. */
    uint32_t peers_with_map; /* Bit i = node i. */
};

struct ledger {
    /* Owned. versions[0] is what the machine began with. */
    struct ledger_version *versions;
    size_t version_count;
    struct ledger_mark *marks; /* Never empty; the last one grows. */
    size_t mark_count;
};

/* Of an empty machine. */
void ledger_init(struct ledger *ledger);
/* Of a machine after a crash at point `at` of another ledger's tape, on which version `found` was
 * found. After a kill older versions down to what was promised may still be all that is durable. */
void ledger_init_after(
    struct ledger *ledger, const struct ledger *before, size_t at, size_t found, bool was_killed);
void ledger_deinit(struct ledger *ledger);

/* A job begins that saves all raft has asked to be saved; the tape has `at` operations before it.
 */
void ledger_job_begins(struct ledger *ledger, const struct raft *raft, size_t at);
/* Everything begun so far is durable: a job was synced, or a start has repaired the log. */
void ledger_confirmed(struct ledger *ledger, size_t at);
/* A message left; `raft` NULL while the node knows no cluster. */
void ledger_sent(struct ledger *ledger, const struct raft *raft, struct bytes body, size_t at);
/* A node with this identity has said something. `identity->map` counts if `with_map`. */
void ledger_spoke(struct ledger *ledger, const struct identity *identity, bool with_map, size_t at);
void ledger_committed(struct ledger *ledger, raft_index index, size_t at);
void ledger_peer_has_map(struct ledger *ledger, node_id peer, size_t at);

/* What is promised at a point. Borrowed until the ledger changes. */
const struct ledger_mark *ledger_mark_at(const struct ledger *ledger, size_t at);
/* The oldest and newest version that may be found after a crash at a point. */
size_t ledger_oldest(const struct ledger *ledger, size_t at);
size_t ledger_newest(const struct ledger *ledger, size_t at);
/* Which version a node that has just started holds, the newest that fits; reports a violation and
 * returns LEDGER_NEVER when none does. `raft` NULL = it knows no cluster. */
size_t ledger_find(const struct ledger *ledger,
                   const struct raft *raft,
                   size_t at,
                   struct violation *violation);
/* Is the state found as far as was promised? Reports a violation if not. */
void ledger_check_applied(const struct ledger *ledger,
                          raft_index applied,
                          size_t at,
                          struct violation *violation);
/* Is the identity found the one that was promised? Likewise. */
void ledger_check_identity(const struct ledger *ledger,
                           const struct identity *identity,
                           size_t at,
                           struct violation *violation);

/* Everything about an entry but its index. */
uint64_t ledger_entry_hash(const struct raft_entry *entry);

#endif
