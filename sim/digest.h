/* A hash of everything in an engine that is kept up to date with each write.
 *
 * The sum over all pairs of a hash of the pair: independent of the order, so a write costs what it
 * changes, where node_state_hash walks over everything. Good enough to compare nodes after every
 * turn; against accidents, not against an adversary.
 */
#ifndef Q_SIM_DIGEST_H
#define Q_SIM_DIGEST_H

#include "store/engine.h"

/* Of what the engine holds now. O(n). */
uint64_t digest_of(struct engine *engine);
/* Writes the batch to the engine and brings `digest` up to date, unless the write fails. Returns
 * what the engine does. */
int digest_write(uint64_t *digest,
                 struct engine *engine,
                 const struct engine_operation *operations,
                 size_t count);

#endif
