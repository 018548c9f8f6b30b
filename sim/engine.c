#include "sim/engine.h"

#include "base/check.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/os/heap.h"
#include "sim/digest.h"
#include "sim/draw.h"
#include "sim/wrapped_engine.h"

struct sim_engine {
    struct wrapped_engine wrapped; /* Owns a memory engine. */
    struct prng prng;
    uint32_t flush_ppm;
    uint32_t flush_polls_max;
    uint32_t flush_polls; /* Until the flush under way is done; 0 = none. */
    bool is_off;
    uint64_t rotten_which; /* Keys whose hash mod `rotten_of` is this; rotten_of 0 = none. */
    uint64_t rotten_of;
    uint64_t digest; /* Of what the inner one holds. */
};

static struct sim_engine *of(struct engine *engine)
{
    return (struct sim_engine *)(void *)engine;
}

static int sim_get(struct engine *engine, struct bytes key, struct engine_value *out_value)
{
    const struct sim_engine *sim = of(engine);
    if (sim->rotten_of > 0 && hash_bytes(key) % sim->rotten_of == sim->rotten_which) {
        return Q_ECORRUPT;
    }
    return sim->wrapped.inner->ops->get(sim->wrapped.inner, key, out_value);
}

static int sim_get_persisted(struct engine *engine, struct bytes key, struct engine_value *out)
{
    struct sim_engine *sim = of(engine);
    if (sim->flush_polls > 0 && --sim->flush_polls == 0) {
        const int err = sim->wrapped.inner->ops->flush(sim->wrapped.inner, true);
        if (err != Q_OK) {
            return err;
        }
    }
    return sim->wrapped.inner->ops->get_persisted(sim->wrapped.inner, key, out);
}

static int sim_write(struct engine *engine, const struct engine_operation *operations, size_t count)
{
    struct sim_engine *sim = of(engine);
    if (sim->is_off) {
        return Q_EIO;
    }
    const int err = digest_write(&sim->digest, sim->wrapped.inner, operations, count);
    if (err == Q_OK && draw_ppm(&sim->prng, sim->flush_ppm)) {
        return sim->wrapped.inner->ops->flush(sim->wrapped.inner, true);
    }
    return err;
}

static int sim_flush(struct engine *engine, bool wait)
{
    struct sim_engine *sim = of(engine);
    if (sim->is_off) {
        return Q_EIO;
    }
    if (!wait && sim->flush_polls_max > 0) {
        sim->flush_polls = (uint32_t)prng_between(&sim->prng, 1, sim->flush_polls_max);
        return Q_OK;
    }
    sim->flush_polls = 0;
    return sim->wrapped.inner->ops->flush(sim->wrapped.inner, wait);
}

static void sim_close(struct engine *engine)
{
    sim_engine_free(engine);
}

struct engine *sim_engine_new(uint64_t seed, uint32_t flush_ppm, uint32_t flush_polls_max)
{
    struct sim_engine *sim = heap_alloc(sizeof *sim);
    struct wrapped_engine *wrapped = &sim->wrapped;
    wrapped_engine_init(wrapped, memory_engine_new());
    sim->flush_ppm = flush_ppm;
    sim->flush_polls_max = flush_polls_max;
    prng_init(&sim->prng, seed);
    wrapped->ops.get = sim_get;
    wrapped->ops.get_persisted = sim_get_persisted;
    wrapped->ops.write = sim_write;
    wrapped->ops.flush = sim_flush;
    wrapped->ops.close = sim_close;
    return &wrapped->base;
}

void sim_engine_free(struct engine *engine)
{
    if (engine == NULL) {
        return;
    }
    struct sim_engine *sim = of(engine);
    sim->wrapped.inner->ops->close(sim->wrapped.inner);
    heap_free(sim);
}

struct engine *sim_engine_copy(struct engine *engine)
{
    struct sim_engine *sim = of(engine);
    struct prng prng = sim->prng; /* What the engine draws next does not depend on copies of it. */
    struct engine *copy = sim_engine_new(prng_next(&prng), sim->flush_ppm, sim->flush_polls_max);
    struct engine *inner = of(copy)->wrapped.inner;
    const struct engine_ops *ops = sim->wrapped.inner->ops;
    struct engine_iterator *iterator =
        ops->iterator_new(sim->wrapped.inner, NULL, (struct bytes){0}, (struct bytes){0});
    while (ops->iterator_next(iterator)) {
        const struct engine_operation put = {.kind = ENGINE_PUT,
                                             .key = ops->iterator_key(iterator),
                                             .value = ops->iterator_value(iterator)};
        Q_CHECK(inner->ops->write(inner, &put, 1) == Q_OK);
    }
    ops->iterator_free(iterator);
    Q_CHECK(inner->ops->flush(inner, true) == Q_OK);
    of(copy)->is_off = true;
    return copy;
}

void sim_engine_rot(struct engine *engine, uint64_t which, uint64_t of_count)
{
    Q_CHECK(which < of_count || of_count == 0);
    of(engine)->rotten_which = which;
    of(engine)->rotten_of = of_count;
}

void sim_engine_power_off(struct engine *engine)
{
    of(engine)->is_off = true;
    of(engine)->flush_polls = 0;
}

void sim_engine_power_on(struct engine *engine)
{
    struct sim_engine *sim = of(engine);
    const uint64_t unflushed = memory_engine_unflushed(sim->wrapped.inner);
    memory_engine_crash(sim->wrapped.inner, (size_t)prng_below(&sim->prng, unflushed + 1));
    sim->is_off = false;
    sim->digest = digest_of(sim->wrapped.inner);
}

void sim_engine_wipe(struct engine *engine)
{
    struct sim_engine *sim = of(engine);
    sim->wrapped.inner->ops->close(sim->wrapped.inner);
    sim->wrapped.inner = memory_engine_new();
    sim->rotten_of = 0;
    sim->digest = 0;
}

uint64_t sim_engine_digest(struct engine *engine)
{
    return of(engine)->digest;
}
