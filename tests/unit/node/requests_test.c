/* The one reply of a request: at its deadline in each state, at limits, and from within `done`. */
#include "base/os/heap.h"
#include "harness/node_world.h"
#include "node/node_private.h"

static size_t waiting_at(const struct world *world, node_id id)
{
    struct node_status status;
    node_status(world->places[id].node, &status);
    return status.waiting;
}

static void ask_for(
    struct world *world, node_id id, struct answer *answer, enum op op, uint32_t timeout_ms)
{
    const struct bytes args[] = {bytes_of_text("n")};
    const bool counts = op == OP_INCRBY;
    answer_ask(
        world, id, answer,
        (struct request){
            .op = op, .args = args, .arg_count = op == OP_DBSIZE ? 0 : 1, .a = counts ? 1 : 0},
        timeout_ms);
}

/* Nobody needs to look before the deadline, and at it the answer is there. */
static void expect_at_deadline(struct world *world,
                               node_id id,
                               struct answer *answer,
                               enum request_state state,
                               const char *text)
{
    REQUIRE(answer->count == 0);
    REQUIRE((enum request_state)answer->request.state == state);
    const uint64_t deadline_ms = answer->request.deadline_ms;
    REQUIRE(node_next_deadline(world->places[id].node) <= deadline_ms);
    while (world->now_ms + 1 < deadline_ms) {
        world_step(world);
    }
    REQUIRE(answer->count == 0);
    world_step(world);
    REQUIRE(answer_starts(answer, text));
    answer_deinit(answer);
}

#define NO_LEADER(ms)                                                                              \
    "CLUSTERDOWN no leader confirmed by a majority within " ms " ms; nothing was done"

TEST(before_the_cluster_has_formed_a_request_waits_until_its_deadline)
{
    struct world world;
    struct answer answer = {0};
    world_open(&world, 2);
    world_crash(&world, 2, 0);
    ask_for(&world, 1, &answer, OP_INCRBY, 300);
    expect_at_deadline(&world, 1, &answer, REQUEST_PARKED,
                       "CLUSTERDOWN the cluster has not formed yet; see /status");
    EXPECT(waiting_at(&world, 1) == 0);
    world_close(&world);
}

TEST(without_a_leader_nothing_was_done)
{
    struct world world;
    struct answer write = {0};
    struct answer read = {0};
    world_open(&world, 3);
    const node_id leader = world_settle(&world);
    const node_id follower = world_other(&world, leader, leader);
    world_cut(&world, follower, leader, true);
    world_cut(&world, follower, world_other(&world, leader, follower), true);
    world_run_for(&world, 1000);
    ask_for(&world, follower, &write, OP_INCRBY, 250);
    ask_for(&world, follower, &read, OP_GET, 300);
    expect_at_deadline(&world, follower, &write, REQUEST_PARKED, NO_LEADER("250"));
    expect_at_deadline(&world, follower, &read, REQUEST_PARKED, NO_LEADER("300"));
    EXPECT(waiting_at(&world, follower) == 0);
    world_close(&world);
}

TEST(a_proposed_write_is_in_doubt_at_its_deadline_and_names_its_entry)
{
    struct world world;
    struct answer answer = {0};
    world_open(&world, 3);
    const node_id leader = world_settle(&world);
    for (node_id id = 1; id <= 3; id++) {
        world_cut(&world, leader, id, true);
    }
    ask_for(&world, leader, &answer, OP_INCRBY, 0);
    const struct raft *raft = node_raft(world.places[leader].node);
    char text[80];
    (void)snprintf(text, sizeof text, "OUTCOMEUNKNOWN 1.%llu.%llu ",
                   (unsigned long long)raft->hard.term, (unsigned long long)raft->log.last_index);
    expect_at_deadline(&world, leader, &answer, REQUEST_PROPOSED, text);
    EXPECT(waiting_at(&world, leader) == 0);
    world_close(&world);
}

TEST(a_read_whose_leader_is_alone_is_answered_at_its_deadline)
{
    struct world world;
    struct answer early = {0};
    struct answer late = {0};
    world_open(&world, 3);
    const node_id leader = world_settle(&world);
    for (node_id id = 1; id <= 3; id++) {
        world_cut(&world, leader, id, true);
    }
    ask_for(&world, leader, &late, OP_GET, 0);
    ask_for(&world, leader, &early, OP_GET, 200);
    expect_at_deadline(&world, leader, &early, REQUEST_READING, NO_LEADER("200"));
    world_run_for(&world, 1000); /* Leadership is given up meanwhile. */
    expect_at_deadline(&world, leader, &late, REQUEST_PARKED, NO_LEADER("5000"));
    EXPECT(waiting_at(&world, leader) == 0);
    world_close(&world);
}

TEST(a_confirmed_read_that_waits_for_the_state_is_answered_at_its_deadline)
{
    struct world world;
    struct answer write = {0};
    struct answer read = {0};
    world_open(&world, 3);
    const node_id leader = world_settle(&world);
    world.places[leader].disk_holds = true; /* The followers commit, the leader may not apply. */
    ask_for(&world, leader, &write, OP_INCRBY, 250);
    world_run_for(&world, 20);
    ask_for(&world, leader, &read, OP_GET, 200);
    world_run_for(&world, 20);
    expect_at_deadline(&world, leader, &read, REQUEST_READY, NO_LEADER("200"));
    answer_wait(&world, &write);
    EXPECT(answer_starts(&write, "OUTCOMEUNKNOWN 1."));
    world.places[leader].disk_holds = false;
    answer_deinit(&write);
    world_close(&world);
}

static enum world_verdict lose_forwards(struct world *world, const struct world_message *message)
{
    (void)world;
    return world_message_type(message) == PEER_FORWARD ? WORLD_DROP : WORLD_PASS;
}

TEST(a_forwarded_write_is_in_doubt_at_its_deadline_and_a_read_is_not)
{
    struct world world;
    struct answer write = {0};
    struct answer read = {0};
    world_open(&world, 3);
    const node_id leader = world_settle(&world);
    const node_id follower = world_other(&world, leader, leader);
    world.judge = lose_forwards;
    ask_for(&world, follower, &write, OP_INCRBY, 300);
    ask_for(&world, follower, &read, OP_GET, 400);
    expect_at_deadline(&world, follower, &write, REQUEST_FORWARDED,
                       "OUTCOMEUNKNOWN - the write was sent to the leader and may or may not take "
                       "effect");
    expect_at_deadline(&world, follower, &read, REQUEST_FORWARDED, NO_LEADER("400"));
    EXPECT(waiting_at(&world, follower) == 0);
    world_close(&world);
}

TEST(a_write_whose_entry_was_replaced_is_done_under_the_next_leader)
{
    struct world world;
    struct answer answers[5] = {0};
    world_open(&world, 3);
    const node_id leader = world_settle(&world);
    for (node_id id = 1; id <= 3; id++) {
        world_cut(&world, leader, id, true);
    }
    for (size_t i = 0; i < 5; i++) {
        ask_for(&world, leader, &answers[i], OP_INCRBY, 4000);
    }
    world_run_for(&world, 1500);
    for (node_id id = 1; id <= 3; id++) {
        world_cut(&world, leader, id, false);
    }
    /* The new leader has written one entry, its own; all five places are void with it. */
    world_run_for(&world, 1000);
    for (size_t i = 0; i < 5; i++) {
        EXPECT(answers[i].count == 1 && answers[i].item.kind == REPLY_INTEGER);
        answer_deinit(&answers[i]);
    }
    world_close(&world);
}

/* ---- limits ---- */

TEST(the_node_takes_as_many_requests_as_it_may_and_not_one_more)
{
    struct world world;
    struct answer answers[4] = {0};
    world_open(&world, 2);
    world_crash(&world, 2, 0);
    world.places[1].node->options.parked_max = 3;
    for (size_t i = 0; i < 4; i++) {
        ask_for(&world, 1, &answers[i], OP_GET, 300);
        EXPECT(answers[i].count == (i == 3 ? 1 : 0));
    }
    EXPECT(answer_starts(&answers[3], "BUSY too many requests are in flight on this node"));
    node_cancel(world.places[1].node, &answers[0].request);
    ask_for(&world, 1, &answers[3], OP_GET, 300);
    EXPECT(answers[3].count == 0);
    world_run_for(&world, 400);
    EXPECT(answers[0].count == 0);
    for (size_t i = 0; i < 4; i++) {
        EXPECT(answers[i].count == (i == 0 ? 0 : 1));
        answer_deinit(&answers[i]);
    }
    world_close(&world);
}

static size_t bytes_at(const struct world *world, node_id id)
{
    struct node_load load;
    node_load(world->places[id].node, &load);
    return load.request_bytes;
}

TEST(the_node_takes_as_many_bytes_of_requests_as_it_may_or_one_request)
{
    struct world world;
    struct answer answers[4] = {0};
    char value[1001];
    memset(value, 'v', 1000);
    value[1000] = '\0';
    world_open(&world, 2);
    world_crash(&world, 2, 0);
    answer_set(&world, 1, &answers[0], "k", value);
    const size_t size = bytes_at(&world, 1);
    EXPECT(size > 1000 && size < 1100);
    world.places[1].node->options.waiting_bytes_max = size * 2;
    answer_set(&world, 1, &answers[1], "k", value);
    EXPECT(answers[1].count == 0 && bytes_at(&world, 1) == size * 2);
    answer_set(&world, 1, &answers[2], "k", value);
    EXPECT(answer_starts(&answers[2], "BUSY too many requests are in flight on this node"));
    EXPECT(bytes_at(&world, 1) == size * 2);
    node_cancel(world.places[1].node, &answers[0].request);
    node_cancel(world.places[1].node, &answers[1].request);
    EXPECT(bytes_at(&world, 1) == 0);
    world.places[1].node->options.waiting_bytes_max = 1; /* Still room for one. */
    answer_set(&world, 1, &answers[3], "k", value);
    EXPECT(answers[3].count == 0);
    world_close(&world);
    for (size_t i = 0; i < 4; i++) {
        answer_deinit(&answers[i]);
    }
}

/* A device that hangs for minutes: what it holds back does not pile up without end. */
TEST(messages_that_wait_for_the_log_device_are_bounded)
{
    struct world world;
    world_open(&world, 3);
    const node_id leader = world_settle(&world);
    const node_id other = world_other(&world, leader, leader);
    world.places[other].disk_holds = true;
    struct answer answer = {0};
    answer_set(&world, leader, &answer, "k", "v"); /* It has something to save, for ever. */
    answer_wait(&world, &answer);
    world_run_for(&world, 250000);
    struct node_load load;
    node_load(world.places[other].node, &load);
    EXPECT(load.gated_messages == GATED_MESSAGES_MAX);
    world.places[other].disk_holds = false;
    world_run_for(&world, 2000);
    node_load(world.places[other].node, &load);
    EXPECT(load.gated_messages == 0 && load.gated_bytes == 0);
    answer_set(&world, leader, &answer, "k", "w");
    answer_wait(&world, &answer);
    world_run_for(&world, 1000);
    EXPECT(node_raft(world.places[other].node)->applied_index ==
           node_raft(world.places[leader].node)->applied_index);
    answer_deinit(&answer);
    world_close(&world);
}

TEST(a_leader_takes_no_more_uncommitted_bytes_than_the_limit)
{
    struct world world;
    struct answer answers[5] = {0};
    world_open(&world, 3);
    const node_id leader = world_settle(&world);
    for (node_id id = 1; id <= 3; id++) {
        world_cut(&world, leader, id, true);
    }
    const size_t size = UNCOMMITTED_BYTES_MAX / 4 - 100;
    uint8_t *value = heap_alloc(size + 100);
    for (size_t i = 0; i < 5; i++) {
        const struct bytes args[] = {bytes_of_text("k"), bytes_of(value, size)};
        answer_ask(&world, leader, &answers[i],
                   (struct request){.op = OP_SET, .args = args, .arg_count = 2}, 0);
        EXPECT(answers[i].count == (i == 4 ? 1 : 0));
    }
    EXPECT(answer_starts(&answers[4], "BUSY too many writes are waiting to be committed"));
    heap_free(value);
    world_close(&world);
    for (size_t i = 0; i < 5; i++) {
        EXPECT(answer_starts(&answers[i], i < 4 ? "OUTCOMEUNKNOWN 1." : "BUSY"));
        answer_deinit(&answers[i]);
    }
}

/* ---- DBSIZE ---- */

static void write_many(struct world *world, node_id id, int first, int count)
{
    struct answer answer = {0};
    const size_t arg_count = (size_t)count * 2;
    struct bytes *args = heap_alloc(arg_count * sizeof *args);
    char(*keys)[12] = heap_alloc((size_t)count * sizeof *keys);
    for (int i = 0; i < count; i++) {
        (void)snprintf(keys[i], sizeof keys[i], "%d", first + i);
        args[(size_t)i * 2] = bytes_of_text(keys[i]);
        args[(size_t)i * 2 + 1] = bytes_of_text("v");
    }
    answer_ask(world, id, &answer,
               (struct request){.op = OP_MSET, .args = args, .arg_count = arg_count}, 0);
    answer_wait(world, &answer);
    REQUIRE(answer.item.kind == REPLY_STATUS);
    heap_free(keys);
    heap_free(args);
    answer_deinit(&answer);
}

TEST(dbsize_counts_in_slices_what_there_was_when_it_began)
{
    struct world world;
    struct answer sizes[2] = {0};
    struct answer cut = {0};
    world_open(&world, 1);
    world_settle(&world);
    write_many(&world, 1, 0, 30000);
    write_many(&world, 1, 30000, 30001);
    ask_for(&world, 1, &sizes[0], OP_DBSIZE, 0);
    ask_for(&world, 1, &sizes[1], OP_DBSIZE, 0);
    ask_for(&world, 1, &cut, OP_DBSIZE, 3);
    world_step(&world);
    EXPECT((enum request_state)sizes[0].request.state == REQUEST_COUNTING);
    EXPECT(node_next_deadline(world.places[1].node) <= world.now_ms);
    write_many(&world, 1, 100000, 10);
    EXPECT(sizes[0].count == 0 && sizes[1].count == 0); /* Writes go on meanwhile. */
    world_run_for(&world, 20);
    EXPECT(sizes[0].count == 1 && sizes[0].item.integer == 60001);
    EXPECT(sizes[1].count == 1 && sizes[1].item.integer == 60001);
    EXPECT(answer_starts(&cut, "TRYAGAIN "));
    ask_for(&world, 1, &sizes[0], OP_DBSIZE, 0);
    world_step(&world);
    node_cancel(world.places[1].node, &sizes[0].request);
    ask_for(&world, 1, &sizes[1], OP_DBSIZE, 0);
    answer_wait(&world, &sizes[1]);
    EXPECT(sizes[0].count == 0 && sizes[1].item.integer == 60011);
    EXPECT(node_next_deadline(world.places[1].node) > world.now_ms);
    answer_deinit(&sizes[0]);
    answer_deinit(&sizes[1]);
    answer_deinit(&cut);
    world_close(&world);
}

/* ---- local reads ---- */

static void ask_local(struct world *world, node_id id, struct answer *answer, uint64_t max_stale_ms)
{
    const struct bytes args[] = {bytes_of_text("cat")};
    answer_ask(world, id, answer,
               (struct request){.op = OP_GET,
                                .args = args,
                                .arg_count = 1,
                                .level = LEVEL_LOCAL,
                                .max_stale_ms = max_stale_ms},
               0);
    REQUIRE(answer->count == 1);
}

TEST(a_follower_that_hears_its_leader_is_fresh_though_nothing_is_written)
{
    struct world world;
    struct answer answer = {0};
    world_open(&world, 3);
    const node_id leader = world_settle(&world);
    const node_id follower = world_other(&world, leader, leader);
    answer_set(&world, leader, &answer, "cat", "tom");
    answer_wait(&world, &answer);
    world_run_for(&world, 3000);
    ask_local(&world, follower, &answer, 200);
    EXPECT(answer.item.kind == REPLY_BULK);
    for (node_id id = 1; id <= 3; id++) {
        world_cut(&world, follower, id, true);
    }
    world_run_for(&world, 300);
    ask_local(&world, follower, &answer, 200);
    EXPECT(answer_starts(&answer, "TRYAGAIN "));
    answer_deinit(&answer);
    world_close(&world);
}

TEST(a_follower_is_fresh_under_load)
{
    struct world world;
    struct answer answer = {0};
    struct answer writes[4] = {0};
    world_open(&world, 3);
    const node_id leader = world_settle(&world);
    const node_id follower = world_other(&world, leader, leader);
    world.delay_max_ms = 3;
    answer_set(&world, leader, &answer, "cat", "tom");
    answer_wait(&world, &answer);
    for (int i = 0; i < 1000; i++) {
        struct answer *write = &writes[i % 4];
        if (write->count == 1 || i < 4) {
            answer_set(&world, leader, write, "dog", "rex");
        }
        /* The follower's disk is always a little behind. */
        world.places[follower].disk_holds = i % 4 != 0;
        world_step(&world);
        if (i > 300) {
            ask_local(&world, follower, &answer, 150);
            EXPECT(answer.item.kind == REPLY_BULK);
        }
    }
    world.places[follower].disk_holds = false;
    world_run_for(&world, 100);
    for (size_t i = 0; i < 4; i++) {
        answer_deinit(&writes[i]);
    }
    answer_deinit(&answer);
    world_close(&world);
}

static enum world_verdict lose_appends(struct world *world, const struct world_message *message)
{
    (void)world;
    const bool append = world_message_type(message) == PEER_RAFT &&
                        message->body[PEER_HEADER_SIZE + 4] == RAFT_MSG_APPEND;
    return append ? WORLD_DROP : WORLD_PASS;
}

TEST(a_leader_that_has_committed_nothing_yet_is_as_old_as_what_it_heard)
{
    struct world world;
    struct answer answer = {0};
    world_open(&world, 3);
    const node_id leader = world_settle(&world);
    answer_set(&world, leader, &answer, "cat", "tom");
    answer_wait(&world, &answer);
    world_run_for(&world, 200);
    world.judge = lose_appends;
    world_crash(&world, leader, 0);
    for (int i = 0; i < 5000 && world_leader(&world) == NODE_NONE; i++) {
        world_step(&world);
    }
    const node_id next = world_leader(&world);
    EXPECT(next != NODE_NONE);
    world_run_for(&world, 300);
    EXPECT(world_leader(&world) == next);
    ask_local(&world, next, &answer, 200);
    EXPECT(answer_starts(&answer, "TRYAGAIN "));
    world.judge = NULL;
    world_run_for(&world, 300);
    ask_local(&world, next, &answer, 200);
    EXPECT(answer.item.kind == REPLY_BULK);
    answer_deinit(&answer);
    world_close(&world);
}

/* ---- from within `done` ---- */

struct chain {
    struct node_request request;
    struct world *world;
    int count;
    struct node_request *victim; /* Cancelled by the first reply. */
};

static void chain_ask(struct chain *chain, enum level level);

static void chain_done(struct node_request *request, struct bytes reply)
{
    struct chain *chain = LIST_ITEM(request, struct chain, request);
    REQUIRE(reply.size > 0);
    chain->count++;
    if (chain->victim != NULL) {
        node_cancel(chain->world->places[1].node, chain->victim);
        chain->victim = NULL;
    }
    if (chain->count < 5) {
        chain_ask(chain, chain->count % 2 == 1 ? LEVEL_LOCAL : LEVEL_DEFAULT);
    }
}

static void chain_ask(struct chain *chain, enum level level)
{
    const struct bytes args[] = {bytes_of_text("n")};
    chain->request.request = (struct request){
        .op = level == LEVEL_LOCAL ? OP_GET : OP_INCRBY,
        .level = level,
        .a = level == LEVEL_LOCAL ? 0 : 1,
        .args = args,
        .arg_count = 1,
    };
    chain->request.timeout_ms = 0;
    chain->request.done = chain_done;
    node_submit(chain->world->places[1].node, &chain->request);
}

TEST(done_may_submit_the_same_request_and_cancel_others)
{
    struct world world;
    world_open(&world, 1);
    world_settle(&world);
    struct chain chains[3] = {0};
    for (size_t i = 0; i < 3; i++) {
        chains[i].world = &world;
        chain_ask(&chains[i], LEVEL_DEFAULT);
    }
    chains[0].victim = &chains[1].request; /* Applied in the same batch, not answered yet. */
    world_run_for(&world, 50);
    EXPECT(chains[0].count == 5 && chains[1].count == 0 && chains[2].count == 5);
    struct node_status status;
    node_status(world.places[1].node, &status);
    EXPECT(status.waiting == 0);
    world_close(&world);
}

/* ---- long work ---- */

static struct world *slow_world;
static const struct engine_ops *slow_ops;

static int write_slowly(struct engine *engine,
                        const struct engine_operation *operations,
                        size_t count)
{
    slow_world->now_ms += 15;
    return slow_ops->write(engine, operations, count);
}

TEST(a_long_backlog_is_applied_over_several_turns)
{
    struct world world;
    struct answer answers[40] = {0};
    world_open(&world, 1);
    world_settle(&world);
    struct world_place *place = &world.places[1];
    slow_world = &world;
    slow_ops = place->engine->ops;
    struct engine_ops slow = *slow_ops;
    slow.write = write_slowly;
    place->engine->ops = &slow;
    place->disk_holds = true;
    const size_t size = (size_t)900 * 1024; /* One entry is one batch to apply. */
    uint8_t *value = heap_alloc(size);
    for (size_t i = 0; i < 40; i++) {
        const struct bytes args[] = {bytes_of_text("k"), bytes_of(value, size)};
        answer_ask(&world, 1, &answers[i],
                   (struct request){.op = OP_SET, .args = args, .arg_count = 2}, 0);
    }
    heap_free(value);
    world_step(&world);
    place->disk_holds = false;
    place->job = false;
    EXPECT(wal_job_write(node_wal(place->node)) == Q_OK);
    EXPECT(wal_job_sync(node_wal(place->node)) == Q_OK);
    node_log_done(place->node, Q_OK);
    size_t turns = 0;
    const struct raft *raft = node_raft(place->node);
    while (raft->applied_index < raft->log.last_index) {
        const uint64_t before_ms = world.now_ms;
        node_turn(place->node);
        turns++;
        /* Heartbeats and elections do not wait for all of it, and nobody sleeps in between. */
        EXPECT(world.now_ms - before_ms < 100);
        EXPECT(raft->applied_index == raft->log.last_index ||
               node_next_deadline(place->node) <= world.now_ms);
    }
    EXPECT(turns > 5);
    world_run_for(&world, 5);
    EXPECT(node_next_deadline(place->node) > world.now_ms);
    for (size_t i = 0; i < 40; i++) {
        EXPECT(answers[i].count == 1 && answers[i].item.kind == REPLY_STATUS);
        answer_deinit(&answers[i]);
    }
    place->engine->ops = slow_ops;
    world_close(&world);
}

/* ---- failures ---- */

static int write_fails(struct engine *engine,
                       const struct engine_operation *operations,
                       size_t count)
{
    (void)engine;
    (void)operations;
    (void)count;
    return Q_EIO;
}

TEST(a_write_that_was_committed_but_not_applied_is_in_doubt_when_the_node_stops)
{
    struct world world;
    struct answer answer = {0};
    world_open(&world, 1);
    world_settle(&world);
    struct world_place *place = &world.places[1];
    const struct engine_ops *ops = place->engine->ops;
    struct engine_ops broken = *ops;
    broken.write = write_fails;
    place->engine->ops = &broken;
    ask_for(&world, 1, &answer, OP_INCRBY, 0);
    const char *error = NULL;
    for (int i = 0; i < 100 && node_health(place->node, &error) == Q_OK; i++) {
        world.now_ms++;
        node_turn(place->node);
        world_do_job(place);
    }
    EXPECT(node_health(place->node, &error) == Q_EIO);
    world.now_ms += 10000;
    node_turn(place->node);
    EXPECT(answer.count == 0);
    /* It has stopped: there is nothing to call it for. */
    EXPECT(node_next_deadline(place->node) > world.now_ms);
    place->engine->ops = ops;
    world_close(&world);
    EXPECT(answer_starts(&answer, "OUTCOMEUNKNOWN 1."));
    answer_deinit(&answer);
}

TEST_MAIN(CASE(before_the_cluster_has_formed_a_request_waits_until_its_deadline),
          CASE(without_a_leader_nothing_was_done),
          CASE(a_proposed_write_is_in_doubt_at_its_deadline_and_names_its_entry),
          CASE(a_read_whose_leader_is_alone_is_answered_at_its_deadline),
          CASE(a_confirmed_read_that_waits_for_the_state_is_answered_at_its_deadline),
          CASE(a_forwarded_write_is_in_doubt_at_its_deadline_and_a_read_is_not),
          CASE(a_write_whose_entry_was_replaced_is_done_under_the_next_leader),
          CASE(the_node_takes_as_many_requests_as_it_may_and_not_one_more),
          CASE(the_node_takes_as_many_bytes_of_requests_as_it_may_or_one_request),
          CASE(messages_that_wait_for_the_log_device_are_bounded),
          CASE(a_leader_takes_no_more_uncommitted_bytes_than_the_limit),
          CASE(dbsize_counts_in_slices_what_there_was_when_it_began),
          CASE(a_follower_that_hears_its_leader_is_fresh_though_nothing_is_written),
          CASE(a_follower_is_fresh_under_load),
          CASE(a_leader_that_has_committed_nothing_yet_is_as_old_as_what_it_heard),
          CASE(done_may_submit_the_same_request_and_cancel_others),
          CASE(a_long_backlog_is_applied_over_several_turns),
          CASE(a_write_that_was_committed_but_not_applied_is_in_doubt_when_the_node_stops))
