/* Progress under fire: a majority that is whole goes on, whatever happens to the others.
 *
 * DESIGN
 *
 * Every quorum of voters is watched by itself. As long as each of its nodes is in order and so is
 * each link between two of them, both ways, the cluster owes progress: after some election timeouts
 * it has a leader, and a few writes asked of the quorum's nodes later something new is committed.
 * Any disturbance and any progress starts that count anew. Who is outside may do what he likes: a
 * deposed leader that goes on, a node that calls elections all the time, one-way links.
 *
 * This asks more than the end of a run, where everything is healed, and less than the enumerated
 * partitions (sim/partitions), where nothing else goes wrong and every write must be answered.
 */
#ifndef Q_SIM_CHECK_PROGRESS_H
#define Q_SIM_CHECK_PROGRESS_H

#include "base/ids.h"
#include "base/limits.h"
#include "sim/check/violation.h"

#include <stdint.h>

/* As many writes must have been asked for, so that one which is refused or lost with its client
 * does not count. */
#define PROGRESS_WRITES 3

/* How the cluster is now. */
struct progress_look {
    uint64_t now_us;
    node_id node_count;
    uint64_t committed; /* Newest index known to be committed. */
    /* By node, and [from][to] by link: 0 = not in order; else it is what it was at the last look
     * only if nothing has happened to it since. */
    uint64_t nodes[NODES_MAX + 1];
    uint64_t links[NODES_MAX + 1][NODES_MAX + 1];
    uint64_t last_index[NODES_MAX + 1]; /* A node that catches up makes progress. */
    uint64_t writes[NODES_MAX + 1];     /* Asked of the node so far. */
};

struct progress_limits {
    uint64_t settle_us; /* From the last disturbance to a leader. */
    uint64_t answer_us; /* From the last of PROGRESS_WRITES to a commit. */
};

/* One quorum. */
struct progress_watch {
    uint64_t calm_us;     /* Of its last disturbance or commit. */
    uint64_t since_us;    /* Likewise, or when a node of it last caught up. */
    uint64_t least_index; /* Of its nodes' logs. */
    /* Of the longest of its logs at calm_us: who gets that far catches up. What is written later
     * waits for a commit, and longer logs without one are no progress. */
    uint64_t goal_index;
    bool is_settled;
    uint64_t writes_before; /* Asked of its nodes until it had settled. */
    uint64_t asked_at_us;   /* When PROGRESS_WRITES more had been; 0 = not yet. */
};

/* A zeroed struct has seen nothing. */
struct progress {
    struct progress_look last;
    uint64_t node_since_us[NODES_MAX + 1];
    uint64_t link_since_us[NODES_MAX + 1][NODES_MAX + 1];
    uint64_t committed_at_us;
    struct progress_watch watches[(size_t)1 << NODES_MAX]; /* By set: bit id - 1. */
};

/* To be called often; reports into `violation`. */
void progress_look(struct progress *progress,
                   const struct progress_look *look,
                   const struct progress_limits *limits,
                   struct violation *violation);

#endif
