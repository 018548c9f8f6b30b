/* sim/digest: kept up to date by writes it is what a walk over everything gives. */
#include "base/err.h"
#include "base/prng.h"
#include "harness/test.h"
#include "sim/digest.h"
#include "sim/engine.h"

#include <string.h>

#define KEYS  20
#define BATCH 12

static const char *const NAMES[KEYS + 1] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k",
                                            "l", "m", "n", "o", "p", "q", "r", "s", "t", "u"};

/* Puts, deletes and range deletes, several of them of one key. */
static size_t draw_batch(struct prng *prng, struct engine_operation *out)
{
    const size_t count = (size_t)prng_between(prng, 0, BATCH);
    for (size_t i = 0; i < count; i++) {
        const size_t from = (size_t)prng_below(prng, KEYS);
        out[i] = (struct engine_operation){.kind = ENGINE_PUT,
                                           .key = bytes_of_text(NAMES[from]),
                                           .value = bytes_of_text(NAMES[prng_below(prng, KEYS)])};
        const uint64_t kind = prng_below(prng, 6);
        if (kind == 0) {
            out[i].kind = ENGINE_DELETE;
        } else if (kind == 1) { /* Now and then of nothing. */
            out[i].kind = ENGINE_DELETE_RANGE;
            out[i].value = bytes_of_text(NAMES[prng_between(prng, from > 0 ? from - 1 : 0, KEYS)]);
        }
    }
    return count;
}

TEST(after_any_writes_it_is_that_of_a_walk_over_all)
{
    struct prng prng;
    prng_init(&prng, 1);
    struct engine *engine = memory_engine_new();
    uint64_t digest = digest_of(engine);
    EXPECT(digest == 0);
    uint64_t changes = 0;
    for (int n = 0; n < 3000; n++) {
        struct engine_operation operations[BATCH];
        const size_t count = draw_batch(&prng, operations);
        const uint64_t before = digest;
        EXPECT(digest_write(&digest, engine, operations, count) == Q_OK);
        EXPECT(digest == digest_of(engine));
        changes += digest != before;
    }
    EXPECT(changes > 2000);
    engine->ops->close(engine);
}

TEST(it_does_not_depend_on_the_order_but_on_who_has_what)
{
    const struct engine_operation puts[] = {
        {.kind = ENGINE_PUT, .key = bytes_of_text("a"), .value = bytes_of_text("1")},
        {.kind = ENGINE_PUT, .key = bytes_of_text("b"), .value = bytes_of_text("2")},
        {.kind = ENGINE_PUT, .key = bytes_of_text("b"), .value = bytes_of_text("1")},
        {.kind = ENGINE_PUT, .key = bytes_of_text("a"), .value = bytes_of_text("2")}};
    struct engine *engines[3];
    uint64_t digests[3] = {0};
    for (size_t i = 0; i < 3; i++) {
        engines[i] = memory_engine_new();
    }
    EXPECT(digest_write(&digests[0], engines[0], &puts[0], 1) == Q_OK);
    EXPECT(digest_write(&digests[0], engines[0], &puts[1], 1) == Q_OK);
    EXPECT(digest_write(&digests[1], engines[1], &puts[1], 1) == Q_OK);
    EXPECT(digest_write(&digests[1], engines[1], &puts[0], 1) == Q_OK);
    EXPECT(digest_write(&digests[2], engines[2], &puts[2], 2) == Q_OK);
    EXPECT(digests[0] == digests[1] && digests[0] != digests[2]);
    for (size_t i = 0; i < 3; i++) {
        engines[i]->ops->close(engines[i]);
    }
}

TEST(the_engine_of_a_machine_keeps_it_through_power_loss_and_failed_writes)
{
    const struct engine_operation put = {
        .kind = ENGINE_PUT, .key = bytes_of_text("a"), .value = bytes_of_text("1")};
    const struct engine_operation other = {
        .kind = ENGINE_PUT, .key = bytes_of_text("b"), .value = bytes_of_text("1")};
    struct engine *engine = sim_engine_new(1, 0, 0);
    EXPECT(engine->ops->write(engine, &put, 1) == Q_OK);
    EXPECT(engine->ops->flush(engine, true) == Q_OK);
    const uint64_t persisted = sim_engine_digest(engine);
    EXPECT(persisted != 0 && persisted == digest_of(engine));
    EXPECT(engine->ops->write(engine, &other, 1) == Q_OK);
    EXPECT(sim_engine_digest(engine) != persisted);
    sim_engine_power_off(engine);
    const uint64_t digest = sim_engine_digest(engine);
    EXPECT(engine->ops->write(engine, &other, 1) == Q_EIO);
    EXPECT(sim_engine_digest(engine) == digest);
    sim_engine_power_on(engine);
    EXPECT(sim_engine_digest(engine) == digest_of(engine));
    sim_engine_wipe(engine);
    EXPECT(sim_engine_digest(engine) == 0);
    sim_engine_free(engine);
}

TEST_MAIN(CASE(after_any_writes_it_is_that_of_a_walk_over_all),
          CASE(it_does_not_depend_on_the_order_but_on_who_has_what),
          CASE(the_engine_of_a_machine_keeps_it_through_power_loss_and_failed_writes))
