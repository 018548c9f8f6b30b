/* Damage: a machine starts on a disk that is not what it was promised to be.
 *
 * DESIGN
 *
 * All such faults strike between two processes, while the machine is off: what a disk did wrong
 * earlier (a write that never reached the platter, or the wrong place of it) shows at the next
 * start at the earliest, for until then the page cache hides it. So a fault crashes its machine and
 * says what the start will find; the disk is changed just before the start, and kept as it was.
 *
 * What is owed then:
 *
 *   the start fails and names a file                       fine: the machine stays down for ever
 *   it starts, and all it had promised is there            fine: no harm done
 *   it starts, something is forgotten that another process
 *     that is up has heard (a witness)                     it is silent and stops itself within 2
 * s, at each start the same, but no witness is left                       nobody could know: the
 * undamaged disk is put back, and the fault did not happen another node's disk the start fails and
 * says so; then it gets its own back an empty disk                                          it
 * runs, says so, and takes no part
 *
 * A machine that has rightly refused mostly gets its own disk back after a while, as the operator
 * is told to do, and must be welcome again. Some never do.
 *
 * So that the witnesses are there when they are asked, the machine starts only once the others are
 * up and the network between them is whole, and no fault begins until it is judged.
 */
#ifndef Q_SIM_DAMAGE_H
#define Q_SIM_DAMAGE_H

#include "base/bytes.h"
#include "base/ids.h"
#include "base/limits.h"
#include "base/prng.h"
#include "core/raft/raft.h"

struct disk;
struct engine;
struct host;
struct world;

enum damage_kind {
    DAMAGE_NONE,
    DAMAGE_ROT,       /* A bit of a file has flipped. */
    DAMAGE_LOST,      /* A synced write never reached the platter. */
    DAMAGE_MISDIRECT, /* It reached another place. */
    DAMAGE_FILES,     /* A file or directory is gone, or shorter; or the state is an old one. */
    DAMAGE_ENGINE,    /* Reads of a part of the state fail their checksum. */
    DAMAGE_BACKUP,    /* All of it is as it was some time ago. */
    DAMAGE_WIPE,      /* Nothing is there. */
    DAMAGE_SWAP,      /* It is a copy of another machine's disk. */
    DAMAGE_KINDS
};

enum damage_watch {
    WATCH_NOTHING,
    WATCH_STALE,   /* It has forgotten what a witness knows. */
    WATCH_STRANGER /* Its directory is new: it may take no part. */
};

/* The largest promise of one node that another's present process has heard. */
struct heard_promise {
    raft_term term;
    raft_index index;
};

struct damage {
    enum damage_kind next; /* What the next start finds. */
    enum damage_kind done; /* What a start has found. */
    struct prng prng;      /* Of the fault: the rest of the run draws nothing of it. */
    node_id other;         /* SWAP: whose. */
    uint32_t put_off;      /* How often the start waited for the others. */
    enum damage_watch watch;
    uint64_t judged_at_us; /* WATCH_*: by then it has stopped, or says what is wrong. */
    uint32_t stops;        /* How often it has stopped itself as an old copy. */
    bool has_taken_part;   /* Its own disk is behind by now: it cannot have that back. */
    /* Owned. */
    struct disk *old_disk; /* BACKUP, FILES: taken earlier ... */
    struct engine *old_engine;
    struct heard_promise old_promise; /* ... when the node was there. */
    struct disk *own_disk;            /* What it should have been. */
    struct engine *own_engine;
};

/* ---- sim/fault_damage.c begins it ---- */

/* The machine is to come back with this. It must be up. */
void damage_begin(struct host *host, enum damage_kind kind);
/* Keeps a copy of disk and state, for BACKUP and FILES. */
void damage_take_copy(struct host *host);
/* True when the node has promised something since. */
bool damage_copy_is_old(const struct host *host);
/* The operator comes and puts the right disk back, if the machine was found to have a wrong one. */
void damage_mend(struct host *host);
/* What has been condemned and runs all the same is taken away. */
void damage_clear_away(struct world *world);
/* True while a machine is being judged: no fault begins. */
bool damage_needs_calm(const struct world *world);

/* ---- sim/host.c asks at its turns ---- */

/* False: the others are not ready yet; try again. */
bool damage_may_start(struct host *host);
/* The machine has power, and no process yet. */
void damage_before_start(struct host *host);

/* True when the start has rightly failed; what is to become of the machine is settled, too. Judge
 * the failure as any other otherwise. */
bool damage_start_failed(struct host *host, int err, const char *error);
/* The process is up, `raft` what it has recovered or NULL, and has said nothing yet. False: it is
 * to be taken down, and the damage undone. */
bool damage_started(struct host *host, const struct raft *raft);
/* The machine, with no process on it, gets back the disk that it should have had. */
void damage_undo(struct host *host);
/* After a turn. */
void damage_look(struct host *host);
/* A message of Raft leaves. */
void damage_sends_raft(struct host *host);
/* A message of Raft has arrived and counts. `body` begins with the Raft message. */
void damage_heard(struct host *host, node_id from, struct bytes body);
/* The process stops itself. True when its disk had it coming. */
bool damage_stopped(struct host *host, int err, const char *error);
/* True when the ordinary checks cannot be asked of it. */
bool damage_is_judged_here(const struct host *host);
void damage_deinit(struct host *host);

#endif
