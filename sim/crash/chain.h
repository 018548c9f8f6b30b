/* The entries a cluster has committed, one after the other, and the state after each of them.
 *
 * It is what the state machine of a node is compared with: the state at applied index i must be the
 * state after entries 1 to i. The states come from the production state machine on an engine that
 * never crashes, one entry a batch.
 */
#ifndef Q_SIM_CRASH_CHAIN_H
#define Q_SIM_CRASH_CHAIN_H

#include "core/raft/log.h"
#include "node/machine/machine.h"

#define CRASH_GROUP ((group_id)1) /* The one group there is. */

struct crash_link {
    struct raft_entry entry; /* The payload is owned. */
    uint64_t state_hash;     /* After it. */
    struct engine *state;    /* Owned. After it. */
};

struct crash_chain {
    struct crash_link *links; /* Owned. */
    size_t count;
    raft_index before; /* Index before links[0]. */
    raft_term before_term;
    uint64_t before_hash;
    struct engine *engine; /* Owned. */
    struct machine machine;
};

void crash_chain_init(struct crash_chain *chain);
/* Goes on after entry `index` of another chain, independently of it. */
void crash_chain_init_after(struct crash_chain *chain,
                            const struct crash_chain *from,
                            raft_index index);
void crash_chain_deinit(struct crash_chain *chain);

raft_index crash_chain_last(const struct crash_chain *chain);
/* Appends a copy. Its hlc must be above that of the last one. */
void crash_chain_append(struct crash_chain *chain, const struct raft_entry *entry);
/* chain->before < index <= last. Borrowed until the chain changes. */
const struct crash_link *crash_chain_at(const struct crash_chain *chain, raft_index index);
/* The term of an entry; of index 0 it is 0. chain->before <= index <= last. */
raft_term crash_chain_term(const struct crash_chain *chain, raft_index index);
/* The hash of the state after an entry: what node_state_hash says. As crash_chain_term. */
uint64_t crash_chain_state_hash(const struct crash_chain *chain, raft_index index);

#endif
