/* sim/engine: a flush that takes its time, and what power takes away meanwhile. */
#include "base/err.h"
#include "harness/test.h"
#include "sim/engine.h"

#define POLLS_MAX 20

static void put(struct engine *engine, const char *key)
{
    const struct engine_operation operation = {
        .kind = ENGINE_PUT, .key = bytes_of_text(key), .value = bytes_of_text("x")};
    REQUIRE(engine->ops->write(engine, &operation, 1) == Q_OK);
}

static bool is_persisted(struct engine *engine, const char *key)
{
    struct engine_value value;
    const int err = engine->ops->get_persisted(engine, bytes_of_text(key), &value);
    REQUIRE(err == Q_OK || err == Q_ENOTFOUND);
    if (err == Q_OK) {
        engine_value_release(engine, &value);
    }
    return err == Q_OK;
}

/* How many looks it took until the key was persistent. */
static uint32_t polls_until(struct engine *engine, const char *key)
{
    uint32_t polls = 1;
    while (!is_persisted(engine, key) && polls <= POLLS_MAX) {
        polls++;
    }
    return polls;
}

TEST(a_flush_nobody_waits_for_is_done_within_so_many_looks)
{
    uint32_t most = 0;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct engine *engine = sim_engine_new(seed, 0, POLLS_MAX);
        put(engine, "a");
        EXPECT(engine->ops->flush(engine, false) == Q_OK);
        const uint32_t polls = polls_until(engine, "a");
        EXPECT(polls <= POLLS_MAX);
        most = polls > most ? polls : most;
        sim_engine_free(engine);
    }
    EXPECT(most > POLLS_MAX / 2);
}

TEST(a_flush_that_is_waited_for_or_takes_no_time_is_done_at_once)
{
    struct engine *engine = sim_engine_new(1, 0, POLLS_MAX);
    put(engine, "a");
    EXPECT(!is_persisted(engine, "a"));
    EXPECT(engine->ops->flush(engine, true) == Q_OK);
    EXPECT(is_persisted(engine, "a"));
    sim_engine_free(engine);
    engine = sim_engine_new(1, 0, 0);
    put(engine, "a");
    EXPECT(engine->ops->flush(engine, false) == Q_OK);
    EXPECT(is_persisted(engine, "a"));
    sim_engine_free(engine);
}

TEST(power_that_fails_during_a_flush_ends_it)
{
    struct engine *engine = sim_engine_new(3, 0, POLLS_MAX);
    put(engine, "a");
    EXPECT(engine->ops->flush(engine, false) == Q_OK);
    sim_engine_power_off(engine);
    EXPECT(engine->ops->flush(engine, false) == Q_EIO);
    sim_engine_power_on(engine);
    put(engine, "b");
    EXPECT(polls_until(engine, "b") > POLLS_MAX);
    sim_engine_free(engine);
}

TEST_MAIN(CASE(a_flush_nobody_waits_for_is_done_within_so_many_looks),
          CASE(a_flush_that_is_waited_for_or_takes_no_time_is_done_at_once),
          CASE(power_that_fails_during_a_flush_ends_it))
