/* One trial: a node starts on what a crash left, is judged, works on, and is crashed once more.
 *
 * Owed to every state that a crash may leave (docs/internals/sim-use.md, Crash states): the node
 * starts; its identity, term, vote and entries are what was promised before, with nothing added;
 * its state is that of its applied index; and it can go on: it takes part in its cluster, commits
 * new entries, and after losing power or being killed holds all of them.
 */
#ifndef Q_SIM_CRASH_TRIAL_H
#define Q_SIM_CRASH_TRIAL_H

#include "sim/crash/rig.h"

/* The crash: where, and what was promised before it. What it points to is borrowed. */
struct trial_crash {
    const struct ledger *ledger;
    size_t at;
    bool was_killed;
    const struct crash_chain *history; /* What the cluster has committed. */
    const struct cluster_map *map;     /* That peers have; NULL = none has one. */
};

struct trial {
    struct trial_crash crash;
    struct crash_machine *machine;
    struct rig rig;
    size_t first; /* The start of the node: operations [first, end) of the machine's tape. */
    size_t end;
    size_t found;       /* The version of the crash's ledger that the node holds. */
    raft_index applied; /* At start. */
    struct violation violation;
};

/* Starts a node on `tape`, which is taken over, and judges what it holds. End with trial_deinit,
 * whatever trial->violation says. `starts` tells processes apart: their random numbers differ. */
void trial_init(struct trial *trial,
                struct tape *tape,
                const struct trial_crash *crash,
                const struct rig_options *options,
                uint64_t starts);
void trial_deinit(struct trial *trial);
/* Lets it work on, ends it, by a power failure or (`is_kill`) by a kill that leaves the page cache,
 * and starts it again. Only when there is no violation yet. */
void trial_go_on(struct trial *trial, bool is_kill);

#endif
