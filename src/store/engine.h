/* Ordered key-value storage under the state machines: one interface, two engines.
 *
 * Keys are compared as unsigned bytes. A batch is atomic. Nothing here is durable by itself: an
 * engine keeps a *persisted prefix* of the batches written to it (RocksDB: what was flushed from
 * the memtables, its own WAL being off), and after a crash exactly such a prefix is left. The node
 * replays its own log above the applied index that it stores in each batch.
 * All calls come from the owner's thread. Returns: Q_OK, Q_ENOTFOUND, Q_EIO, Q_ECORRUPT, Q_ENOSPC.
 */
#ifndef Q_STORE_ENGINE_H
#define Q_STORE_ENGINE_H

#include "base/bytes.h"

struct engine;
struct engine_iterator;
struct engine_snapshot;

enum engine_operation_kind {
    ENGINE_PUT,
    ENGINE_DELETE,
    ENGINE_DELETE_RANGE /* [key, value): value holds the end key; nothing when it is not above. */
};

struct engine_operation {
    enum engine_operation_kind kind;
    struct bytes key;
    struct bytes value;
};

/* A value pinned in the engine; release it with engine_value_release. */
struct engine_value {
    struct bytes bytes;
    void *pin;
};

struct engine_ops {
    int (*get)(struct engine *engine, struct bytes key, struct engine_value *out_value);
    void (*value_release)(struct engine_value *value);
    int (*write)(struct engine *engine, const struct engine_operation *operations, size_t count);
    /* The value as of the persisted prefix: what would be there after a crash now. Q_EIO when
     * making more of it persistent has failed in the background. */
    int (*get_persisted)(struct engine *engine, struct bytes key, struct engine_value *out_value);
    /* Starts making everything written so far persistent; `wait` until it is. Q_EBUSY, without
     * `wait` only: too much of that is under way, ask again later. */
    int (*flush)(struct engine *engine, bool wait);
    struct engine_snapshot *(*snapshot_new)(struct engine *engine);
    void (*snapshot_free)(struct engine *engine, struct engine_snapshot *snapshot);
    /* Iterates [from, to) in order; an empty `to` means no end; snapshot NULL = the newest state
     * when made. The bounds are copied. */
    struct engine_iterator *(*iterator_new)(struct engine *engine,
                                            struct engine_snapshot *snapshot,
                                            struct bytes from,
                                            struct bytes to);
    /* False at the end or on error. The first call moves to the first key. */
    bool (*iterator_next)(struct engine_iterator *iterator);
    /* Key and value are borrowed until the next iterator_next or iterator_free. */
    struct bytes (*iterator_key)(const struct engine_iterator *iterator);
    struct bytes (*iterator_value)(const struct engine_iterator *iterator);
    int (*iterator_error)(const struct engine_iterator *iterator); /* Q_OK or why it ended. */
    void (*iterator_free)(struct engine_iterator *iterator);
    /* What the last failure was, with the file it was in, as far as the engine knows; "" when there
     * was none. Borrowed until the next call. */
    const char *(*error_text)(const struct engine *engine);
    /* Values, iterators and snapshots are given back before. May make everything persistent. */
    void (*close)(struct engine *engine);
};

/* Every implementation begins with this. */
struct engine {
    const struct engine_ops *ops;
};

/* RocksDB in `directory` (absolute). On failure `error` says what and where. */
int rocks_open(const char *directory, struct engine **out_engine, char *error, size_t error_size);

/* In memory, for the simulator and tests. Keeps an undo journal since the last flush. */
struct engine *memory_engine_new(void);
/* The power failed: rolls back to a persisted prefix. `keep` of the batches written since the last
 * flush survive (0 = none; clamped), as when the engine had flushed on its own just after them. */
void memory_engine_crash(struct engine *engine, size_t keep);
/* A new engine that begins with what this one holds now, all of it persisted. They share memory, so
 * this takes no time, but neither sees what the other writes later. The caller closes both. */
struct engine *memory_engine_branch(const struct engine *engine);
/* Batches written since the last flush. */
size_t memory_engine_unflushed(const struct engine *engine);

static inline int engine_get(struct engine *engine,
                             struct bytes key,
                             struct engine_value *out_value)
{
    return engine->ops->get(engine, key, out_value);
}

static inline void engine_value_release(struct engine *engine, struct engine_value *value)
{
    engine->ops->value_release(value);
}

#endif
