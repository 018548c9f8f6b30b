/* An engine around another one, for those that change a few of its operations. */
#ifndef Q_SIM_WRAPPED_ENGINE_H
#define Q_SIM_WRAPPED_ENGINE_H

#include "store/engine.h"

/* The first member of an engine that wraps. */
struct wrapped_engine {
    struct engine base;
    struct engine_ops ops;
    struct engine *inner; /* Owned by whoever wraps; may be replaced by one of the same kind. */
};

/* Reads, snapshots and iterators are the inner engine's own. What writes, flushes or closes still
 * has to be set in `ops`. */
void wrapped_engine_init(struct wrapped_engine *wrapped, struct engine *inner);

#endif
