/* node/replica: the log does not grow past what is to be kept of it. */
#include "harness/node_world.h"
#include "harness/test.h"
#include "node/node_private.h"

#include <stdio.h>
#include <string.h>

#define KEEP 4096

/* Three nodes that keep KEEP bytes of their logs. */
static void open_keeping_little(struct world *world)
{
    world_open(world, 3);
    world->options.log_keep_bytes = KEEP;
    for (node_id id = 1; id <= 3; id++) {
        world_crash(world, id, 0);
        world_start(world, id);
    }
}

static raft_index first_index(const struct world *world, node_id id)
{
    struct node_status status;
    node_status(world->places[id].node, &status);
    return status.first_index;
}

static uint64_t log_bytes(const struct world *world, node_id id)
{
    return node_raft(world->places[id].node)->log.bytes;
}

/* Writes a value of `size` bytes and waits for the answer. */
static void write_value_at(struct world *world, node_id id, size_t size)
{
    static char value[2 * KEEP + 1];
    REQUIRE(size < sizeof value);
    memset(value, 'v', size);
    value[size] = '\0';
    struct answer answer = {0};
    answer_set(world, id, &answer, "key", value);
    answer_wait(world, &answer);
    REQUIRE(answer.item.kind == REPLY_STATUS);
    answer_deinit(&answer);
}

static void write_value(struct world *world, size_t size)
{
    write_value_at(world, world_settle(world), size);
}

TEST(the_log_is_cut_off_while_writes_go_on)
{
    struct world world;
    open_keeping_little(&world);
    for (int i = 0; i < 200; i++) {
        write_value(&world, 500);
        world_run_for(&world, 50);
        EXPECT(log_bytes(&world, world_leader(&world)) < 4 * (uint64_t)KEEP);
    }
    EXPECT(first_index(&world, world_leader(&world)) > 150);
    world_close(&world);
}

/* What holds the log back then is an entry that is not committed, not state that is not flushed: a
 * flush changes nothing. Later ones must not be taken for still under way. */
TEST(a_large_entry_that_waits_for_its_commit_does_not_stop_compaction_for_good)
{
    struct world world;
    open_keeping_little(&world);
    for (int i = 0; i < 20; i++) {
        write_value(&world, 500);
    }
    world_run_for(&world, 1000);
    const node_id leader = world_settle(&world);
    for (node_id id = 1; id <= 3; id++) {
        if (id != leader) {
            world_cut(&world, leader, id, true);
        }
    }
    char value[2 * KEEP];
    memset(value, 'v', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    struct answer answer = {0};
    answer_set(&world, leader, &answer, "key", value);
    world_run_for(&world, 250); /* Some looks at the log, and less than an election timeout. */
    EXPECT(answer.count == 0);
    EXPECT(log_bytes(&world, leader) > KEEP);
    for (node_id id = 1; id <= 3; id++) {
        if (id != leader) {
            world_cut(&world, leader, id, false);
        }
    }
    answer_wait(&world, &answer);
    answer_deinit(&answer);
    for (int i = 0; i < 100; i++) {
        write_value(&world, 500);
    }
    world_run_for(&world, 1000);
    for (node_id id = 1; id <= 3; id++) {
        EXPECT(log_bytes(&world, id) < 4 * (uint64_t)KEEP);
    }
    world_close(&world);
}

/* While a snapshot is under way to a follower, what follows it is kept whatever is flushed. */
TEST(a_log_held_back_by_a_snapshot_stream_is_no_reason_to_flush)
{
    struct world world;
    open_keeping_little(&world);
    const node_id leader = world_settle(&world);
    const node_id away = world_other(&world, leader, leader);
    const node_id third = world_other(&world, leader, away);
    world_cut(&world, away, leader, true);
    world_cut(&world, away, third, true);
    for (int i = 0; i < 40; i++) {
        write_value_at(&world, leader, 500);
    }
    world_run_for(&world, 1000);
    world_cut(&world, away, leader, false);
    const struct node *node = world.places[leader].node;
    for (int i = 0; i < 5000 && snapshot_send_index(node) == UINT64_MAX; i++) {
        world_step(&world);
    }
    REQUIRE(snapshot_send_index(node) != UINT64_MAX);
    world_cut(&world, away, leader, true);
    int flushes = 0;
    raft_index last = node->replica.flush_index;
    for (int i = 0; i < 10; i++) {
        write_value_at(&world, leader, 600);
        world_run_for(&world, 110);
        flushes += node->replica.flush_index != last;
        last = node->replica.flush_index;
    }
    EXPECT(log_bytes(&world, leader) > KEEP);
    EXPECT(flushes <= 1);
    world_close(&world);
}

TEST_MAIN(CASE(the_log_is_cut_off_while_writes_go_on),
          CASE(a_large_entry_that_waits_for_its_commit_does_not_stop_compaction_for_good),
          CASE(a_log_held_back_by_a_snapshot_stream_is_no_reason_to_flush))
