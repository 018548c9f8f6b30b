/* The return of a replica: before it takes part again it asks the others what they remember of it.
 *
 * DESIGN
 *
 * A process that starts from a data directory with a map takes no part in Raft (it neither votes
 * nor acknowledges nor campaigns) until a majority of the voters, itself included, has spoken, and
 * all of them or RESUME_GRACE_MS have passed. A majority costs no availability: without one there
 * is no leader anyway. The grace is for the one who knows: with three nodes the first to answer may
 * be the one that has heard nothing.
 *
 * An answer is judged by what the directory held at the start, (term t, last index l), against the
 * largest promise (T, i) the other has of an earlier process:
 *   a start as late or later than this one: another copy of the directory ran;
 *   t < T: a term, and perhaps a vote, is forgotten;
 *   t == T and l < i: acknowledged entries are forgotten;
 *   t > T: nothing to say: the leader of a later term may have replaced them.
 * Any of the first three: the directory is an old copy and the node must stop. Questions go on
 * until all have answered, and an answer that comes late is judged all the same.
 *
 * What it cannot see is in docs/decisions/0013. Pure; the caller owns it.
 */
#ifndef Q_CORE_CLUSTER_RESUME_H
#define Q_CORE_CLUSTER_RESUME_H

#include "base/ids.h"
#include "base/limits.h"
#include "core/cluster/witness.h"

#define RESUME_ASK_EVERY_MS      100
#define RESUME_ASK_EVERY_DONE_MS 1000 /* Once it takes part, those that have not answered. */
/* Twice the longest pause between two attempts to connect (net/peer_link). */
#define RESUME_GRACE_MS 1000

/* What this process found in its directory. */
struct resume_state {
    uint64_t incarnation;
    raft_term term;
    raft_index last_index;
};

enum resume_verdict {
    RESUME_FINE,
    RESUME_START_FORGOTTEN,
    RESUME_TERM_FORGOTTEN,
    RESUME_ENTRIES_FORGOTTEN
};

struct resume {
    struct resume_state found;
    node_id self;
    size_t voter_count; /* Ids 1..voter_count. */
    bool answered[NODES_MAX];
    size_t answered_count; /* Itself not included. */
    uint64_t grace_until_ms;
    uint64_t ask_at_ms;
    bool is_done; /* It takes part. Never false again. */
};

/* What a testimony says of a directory that held `found`. */
enum resume_verdict resume_judge(const struct resume_state *found, const struct testimony *said);

void resume_init(struct resume *resume,
                 const struct resume_state *found,
                 node_id self,
                 size_t voter_count,
                 uint64_t now_ms);
/* Time moved. Returns how many of `out_ask` (NODES_MAX) are to be asked now. */
size_t resume_tick(struct resume *resume, uint64_t now_ms, node_id *out_ask);
/* That voter answered this process's question. RESUME_FINE, or why the node must stop. */
enum resume_verdict resume_hear(struct resume *resume, node_id from, const struct testimony *said);
/* When resume_tick has something to do; UINT64_MAX = never again. */
uint64_t resume_next_deadline(const struct resume *resume);

#endif
