#include "sim/wrapped_engine.h"

static struct engine *inner_of(struct engine *engine)
{
    return ((struct wrapped_engine *)(void *)engine)->inner;
}

static int wrapped_get(struct engine *engine, struct bytes key, struct engine_value *out)
{
    struct engine *inner = inner_of(engine);
    return inner->ops->get(inner, key, out);
}

static struct engine_snapshot *wrapped_snapshot_new(struct engine *engine)
{
    struct engine *inner = inner_of(engine);
    return inner->ops->snapshot_new(inner);
}

static void wrapped_snapshot_free(struct engine *engine, struct engine_snapshot *snapshot)
{
    struct engine *inner = inner_of(engine);
    inner->ops->snapshot_free(inner, snapshot);
}

static struct engine_iterator *wrapped_iterator_new(struct engine *engine,
                                                    struct engine_snapshot *snapshot,
                                                    struct bytes from,
                                                    struct bytes to)
{
    struct engine *inner = inner_of(engine);
    return inner->ops->iterator_new(inner, snapshot, from, to);
}

void wrapped_engine_init(struct wrapped_engine *wrapped, struct engine *inner)
{
    wrapped->inner = inner;
    wrapped->ops = *inner->ops; /* Values and iterators are the inner engine's own. */
    wrapped->ops.get = wrapped_get;
    wrapped->ops.snapshot_new = wrapped_snapshot_new;
    wrapped->ops.snapshot_free = wrapped_snapshot_free;
    wrapped->ops.iterator_new = wrapped_iterator_new;
    wrapped->base.ops = &wrapped->ops;
}
