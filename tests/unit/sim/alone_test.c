/* sim/alone: nodes that find their state again on their own disks, and one that does not. */
#include "base/err.h"
#include "base/os/log.h"
#include "harness/test.h"
#include "node/machine/keys.h"
#include "sim/world.h"

#include <string.h>

/* A calm run of three nodes up to its end, before anything is judged. */
static struct world *run(uint64_t seed)
{
    struct sim_options options = {0};
    log_configure(LOG_OFF, false);
    sim_options_plain(&options, seed);
    options.node_count = 3;
    options.client_count = 3;
    options.operation_count = 150;
    options.duration_us = 5 * SECOND;
    options.engine_flush_ppm = 20000;
    struct world *world = world_new(&options);
    world_run_until(world, UINT64_MAX);
    REQUIRE(!world->violation.found);
    return world;
}

static bool is_reported(const struct world *world)
{
    return world->violation.found && strcmp(world->violation.checker, "alone") == 0;
}

TEST(every_node_has_its_state_again_from_its_own_disk)
{
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct world *world = run(seed);
        const uint64_t starts = world->hosts[1].incarnation;
        alone_judge(world);
        EXPECT(!world->violation.found);
        EXPECT(world->hosts[1].incarnation == starts + 1);
        world_free(world);
    }
}

/* Data that no log entry brought, in an engine that has not flushed it: what a state that depends
 * on more than the log looks like. Whether the power failure takes it is drawn. */
TEST(state_that_is_not_in_the_log_is_reported)
{
    int reported = 0;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct world *world = run(seed);
        struct storage_key key;
        storage_key_of(&key, 1, bytes_of_text("ghost"));
        const struct engine_operation put = {.kind = ENGINE_PUT,
                                             .key = storage_key_bytes(&key),
                                             .value = bytes_of_text("S0123456789")};
        struct engine *engine = world->hosts[2].engine;
        REQUIRE(engine->ops->flush(engine, true) == Q_OK);
        REQUIRE(engine->ops->write(engine, &put, 1) == Q_OK);
        alone_judge(world);
        reported += is_reported(world);
        /* What is left in the engine makes the node differ from the others. */
        EXPECT(is_reported(world) || strcmp(world->violation.checker, "state_machine") == 0);
        world_free(world);
    }
    EXPECT(reported > 0);
}

TEST_MAIN(CASE(every_node_has_its_state_again_from_its_own_disk),
          CASE(state_that_is_not_in_the_log_is_reported))
