#include "harness/fault_engine.h"

#include "base/err.h"
#include "base/os/heap.h"

struct engine_iterator {
    struct fault_engine *fault;
    struct engine_iterator *real; /* Owned. */
    const void *site;             /* Who made it. */
    int err;
};

static struct fault_engine *fault_of(struct engine *engine)
{
    return (struct fault_engine *)(void *)engine;
}

/* Counts a call; true when it is to fail. */
static bool enter(struct fault_engine *fault, enum fault_kind kind, const void *site)
{
    fault->operations++;
    const bool fails =
        fault->fail_at != 0 && (fault->operations == fault->fail_at ||
                                (fault->fail_sticky && fault->operations > fault->fail_at));
    const struct fault_call call = {.kind = kind, .path = "db/", .site = site};
    if (fault->calls != NULL) {
        fault_calls_note(fault->calls, &call, fails);
    }
    return fails;
}

static int fault_get(struct engine *engine, struct bytes key, struct engine_value *out_value)
{
    struct fault_engine *fault = fault_of(engine);
    if (enter(fault, FAULT_GET, __builtin_return_address(0))) {
        return fault->fail_err;
    }
    return engine_get(fault->real, key, out_value);
}

static int fault_get_persisted(struct engine *engine,
                               struct bytes key,
                               struct engine_value *out_value)
{
    struct fault_engine *fault = fault_of(engine);
    if (enter(fault, FAULT_GET_PERSISTED, __builtin_return_address(0))) {
        return fault->fail_err;
    }
    return fault->real->ops->get_persisted(fault->real, key, out_value);
}

static int fault_batch(struct engine *engine,
                       const struct engine_operation *operations,
                       size_t count)
{
    struct fault_engine *fault = fault_of(engine);
    const bool fails = enter(fault, FAULT_BATCH, __builtin_return_address(0));
    if (fails && !fault->fail_late) {
        return fault->fail_err;
    }
    const int err = fault->real->ops->write(fault->real, operations, count);
    return fails ? fault->fail_err : err;
}

static int fault_flush(struct engine *engine, bool wait)
{
    struct fault_engine *fault = fault_of(engine);
    if (!wait && fault->flushes_put_off > 0) {
        fault->flushes_put_off--;
        return Q_EBUSY;
    }
    const bool fails = enter(fault, FAULT_FLUSH, __builtin_return_address(0));
    if (fails && !fault->fail_late) {
        return fault->fail_err;
    }
    const int err = fault->flush_stalls ? Q_OK : fault->real->ops->flush(fault->real, wait);
    return fails ? fault->fail_err : err;
}

static struct engine_snapshot *fault_snapshot_new(struct engine *engine)
{
    struct fault_engine *fault = fault_of(engine);
    return fault->real->ops->snapshot_new(fault->real);
}

static void fault_snapshot_free(struct engine *engine, struct engine_snapshot *snapshot)
{
    struct fault_engine *fault = fault_of(engine);
    fault->real->ops->snapshot_free(fault->real, snapshot);
}

static struct engine_iterator *fault_iterator_new(struct engine *engine,
                                                  struct engine_snapshot *snapshot,
                                                  struct bytes from,
                                                  struct bytes to)
{
    struct fault_engine *fault = fault_of(engine);
    struct engine_iterator *iterator = heap_alloc(sizeof *iterator);
    iterator->fault = fault;
    iterator->site = __builtin_return_address(0);
    iterator->real = fault->real->ops->iterator_new(fault->real, snapshot, from, to);
    return iterator;
}

static bool fault_iterator_next(struct engine_iterator *iterator)
{
    if (iterator->err != Q_OK || enter(iterator->fault, FAULT_ITERATE, iterator->site)) {
        iterator->err = iterator->err != Q_OK ? iterator->err : iterator->fault->fail_err;
        return false;
    }
    return iterator->fault->real->ops->iterator_next(iterator->real);
}

static struct bytes fault_iterator_key(const struct engine_iterator *iterator)
{
    return iterator->fault->real->ops->iterator_key(iterator->real);
}

static struct bytes fault_iterator_value(const struct engine_iterator *iterator)
{
    return iterator->fault->real->ops->iterator_value(iterator->real);
}

static int fault_iterator_error(const struct engine_iterator *iterator)
{
    return iterator->err != Q_OK ? iterator->err
                                 : iterator->fault->real->ops->iterator_error(iterator->real);
}

static void fault_iterator_free(struct engine_iterator *iterator)
{
    if (iterator != NULL) {
        iterator->fault->real->ops->iterator_free(iterator->real);
        heap_free(iterator);
    }
}

static const char *fault_error_text(const struct engine *engine)
{
    return ((const struct fault_engine *)(const void *)engine)->operations > 0 ? "on demand" : "";
}

static void fault_close(struct engine *engine)
{
    (void)engine; /* The real one is the caller's. */
}

void fault_engine_init(struct fault_engine *fault, struct engine *real)
{
    *fault = (struct fault_engine){.real = real, .fail_err = Q_EIO, .ops = *real->ops};
    /* A value is given back to the engine that pinned it: value_release stays. */
    fault->ops.get = fault_get;
    fault->ops.write = fault_batch;
    fault->ops.get_persisted = fault_get_persisted;
    fault->ops.flush = fault_flush;
    fault->ops.snapshot_new = fault_snapshot_new;
    fault->ops.snapshot_free = fault_snapshot_free;
    fault->ops.iterator_new = fault_iterator_new;
    fault->ops.iterator_next = fault_iterator_next;
    fault->ops.iterator_key = fault_iterator_key;
    fault->ops.iterator_value = fault_iterator_value;
    fault->ops.iterator_error = fault_iterator_error;
    fault->ops.iterator_free = fault_iterator_free;
    fault->ops.error_text = fault_error_text;
    fault->ops.close = fault_close;
    fault->engine.ops = &fault->ops;
}
