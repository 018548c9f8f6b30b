/* A cluster (node_world) on disks and engines that fail on demand, with a client that remembers
 * what it was promised.
 *
 * One node is the victim: it may refuse to start or stop itself; all others must stay well. Every
 * write is a pledge: acknowledged (must be there for ever), refused (must never be there) or
 * unknown (either, but the same after each restart).
 */
#ifndef Q_TESTS_HARNESS_FAULT_WORLD_H
#define Q_TESTS_HARNESS_FAULT_WORLD_H

#include "harness/fault_engine.h"
#include "harness/fault_files.h"
#include "harness/node_world.h"

#define PLEDGES_MAX      512
#define PLEDGE_KEY_SIZE  16
#define PLEDGE_VALUE_MAX ((size_t)24 * 1024)

enum pledge_kind {
    PLEDGE_SET,       /* Its own key, `size` bytes that follow from its number. */
    PLEDGE_PUSH,      /* Its number, appended to the one list. */
    PLEDGE_INCREMENT, /* Its own counter, by one, with an idempotency id. */
    PLEDGE_KINDS
};

enum pledge_state { PLEDGE_UNKNOWN, PLEDGE_ACKED, PLEDGE_REFUSED };

struct pledge {
    enum pledge_kind kind;
    enum pledge_state state;
    size_t size;
};

enum victim_state {
    VICTIM_WELL,
    VICTIM_REFUSED, /* node_start failed. */
    VICTIM_STOPPED  /* node_health failed. */
};

struct fault_world {
    struct world world;
    struct fault_files disks[WORLD_NODES_MAX + 1]; /* By id, as in the world. */
    struct fault_engine engines[WORLD_NODES_MAX + 1];
    node_id victim; /* NODE_NONE = nobody may fail. */
    enum victim_state state;
    int error_code;
    char error[512]; /* Why it refused or stopped. */
    struct pledge pledges[PLEDGES_MAX];
    size_t pledge_count;
};

/* `count` places, no node started. The caller may change `f->world.options`. */
void fault_world_prepare(struct fault_world *f, size_t count);
/* Frees everything; no file may be left open. */
void fault_world_close(struct fault_world *f);
/* Starts a node. One that cannot start fails the case, unless it is the victim. */
void fault_world_start(struct fault_world *f, node_id id);
void fault_world_start_all(struct fault_world *f);
/* Time passes; a victim that stops itself is taken down. */
void fault_world_step(struct fault_world *f);
void fault_world_run(struct fault_world *f, uint64_t ms);
/* Runs until the nodes that are up have a leader whom all follow. Gives up silently only when the
 * victim went down meanwhile. */
void fault_world_settle(struct fault_world *f);
/* The process of a node ends, the page cache stays; of the engine's unflushed batches `keep`. */
void fault_world_kill(struct fault_world *f, node_id id, size_t keep);
/* All machines lose power and come back, with no node running. */
void fault_world_power_cut(struct fault_world *f);

/* Options with segments and a log so small that some writes fill them. */
void fault_world_small_log(struct node_options *options);
/* For a world of three: starts all, chooses a follower as victim, kills it, and writes until it
 * needs a snapshot. */
void fault_world_leave_behind(struct fault_world *f);
/* As above, and then the victim dies with the snapshot staged and partly installed. */
void fault_world_stage(struct fault_world *f);
/* Has the victim applied what the leader has? */
bool fault_world_is_level(const struct fault_world *f);
/* Gives the victim a minute to get there. */
void fault_world_level(struct fault_world *f);
/* The victim is level, and its state is the leader's. */
void fault_world_expect_equal(struct fault_world *f);

/* Makes a write and waits for its answer; nothing while no node is up. */
void pledge_make(struct fault_world *f, enum pledge_kind kind, size_t size);
/* `count` writes of `size` bytes. */
void pledge_make_many(struct fault_world *f, size_t count, size_t size);
/* `rounds` small writes of each kind. */
void pledge_make_all_kinds(struct fault_world *f, size_t rounds);
/* Every way of reading must give what the pledges say, or an error. */
void pledges_read(struct fault_world *f);
/* Reads everything, without fault: acknowledged writes are there, refused ones are not, unknown
 * ones are settled one way or the other from now on. */
void pledges_check(struct fault_world *f);

#endif
