/* A one-node cluster driven by hand: boot, writes, reads, restart. */
#include "base/err.h"
#include "base/os/log.h"
#include "harness/test.h"
#include "node/node.h"
#include "node/reply.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct world {
    char directory[64];
    struct files *files;
    struct engine *engine;
    struct env env;
    struct node *node;
    uint64_t now_ms;
    bool job;
};

static uint64_t now_of(void *context)
{
    return ((struct world *)context)->now_ms;
}

static uint64_t wall_of(void *context)
{
    return 1700000000000 + ((struct world *)context)->now_ms;
}

static struct buf *no_peer(void *context, node_id to)
{
    (void)context;
    (void)to;
    return NULL;
}

static void no_peer_end(void *context, node_id to)
{
    (void)context;
    (void)to;
}

static void log_start(void *context)
{
    ((struct world *)context)->job = true;
}

static void turn(struct world *world)
{
    world->now_ms++;
    node_turn(world->node);
    while (world->job) {
        world->job = false;
        int err = wal_job_write(node_wal(world->node));
        err = err == Q_OK ? wal_job_sync(node_wal(world->node)) : err;
        node_log_done(world->node, err);
        node_turn(world->node);
    }
}

static void world_start(struct world *world)
{
    struct node_options options = {
        .self = "127.0.0.1:7482",
        .addresses = {"127.0.0.1:7482"},
        .address_count = 1,
        .heartbeat_ms = 50,
        .election_min_ms = 300,
        .election_max_ms = 600,
        .request_timeout_ms = 5000,
        .value_size_max = VALUE_SIZE_DEFAULT,
        .log_keep_bytes = (uint64_t)16 * 1024,
        .wal_segment_size = (uint64_t)64 * 1024,
        .parked_max = 1000,
        .seed = 7,
    };
    world->env = (struct env){.context = world,
                              .files = world->files,
                              .engine = world->engine,
                              .monotonic_ms = now_of,
                              .wall_ms = wall_of,
                              .peer_begin = no_peer,
                              .peer_end = no_peer_end,
                              .log_start = log_start};
    char error[512] = "";
    const int err = node_start(&options, &world->env, &world->node, error, sizeof error);
    if (err != Q_OK) {
        print_message("node_start: %s\n", error);
    }
    REQUIRE(err == Q_OK);
}

static void world_open(struct world *world)
{
    log_configure(LOG_OFF, false);
    *world = (struct world){.now_ms = 1000};
    (void)snprintf(world->directory, sizeof world->directory, "/tmp/quorate-node-test-XXXXXX");
    REQUIRE(mkdtemp(world->directory) != NULL);
    world->files = os_files_new(world->directory);
    world->engine = memory_engine_new();
    world_start(world);
}

static void world_close(struct world *world)
{
    node_free(world->node);
    world->engine->ops->close(world->engine);
    os_files_free(world->files);
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", world->directory);
    REQUIRE(system(command) == 0);
}

struct answer {
    struct node_request request;
    bool done;
    struct buf reply;
};

static void answered(struct node_request *request, struct bytes reply)
{
    struct answer *answer = LIST_ITEM(request, struct answer, request);
    REQUIRE(!answer->done);
    answer->done = true;
    buf_append(&answer->reply, reply);
}

/* Submits and turns until the reply is there; returns its first item. */
static struct reply_item ask(struct world *world, struct answer *answer, struct request request)
{
    buf_clear(&answer->reply);
    answer->done = false;
    answer->request = (struct node_request){.request = request, .done = answered};
    node_submit(world->node, &answer->request);
    for (int i = 0; i < 10000 && !answer->done; i++) {
        turn(world);
    }
    REQUIRE(answer->done);
    struct reader r = reader_of(buf_bytes(&answer->reply));
    struct reply_item item = {0};
    REQUIRE(reply_read(&r, &item));
    return item;
}

static struct reply_item set(struct world *w, struct answer *a, const char *key, const char *value)
{
    const struct bytes args[] = {bytes_of_text(key), bytes_of_text(value)};
    return ask(w, a, (struct request){.op = OP_SET, .args = args, .arg_count = 2});
}

static struct reply_item get(struct world *w, struct answer *a, const char *key)
{
    const struct bytes args[] = {bytes_of_text(key)};
    return ask(w, a, (struct request){.op = OP_GET, .args = args, .arg_count = 1});
}

TEST(a_single_node_forms_a_cluster_and_serves)
{
    struct world world;
    struct answer answer = {0};
    world_open(&world);
    EXPECT(set(&world, &answer, "cat", "tom").kind == REPLY_STATUS);
    EXPECT(bytes_equal(get(&world, &answer, "cat").bytes, bytes_of_text("tom")));
    EXPECT(get(&world, &answer, "dog").kind == REPLY_NIL);
    buf_deinit(&answer.reply);
    world_close(&world);
}

TEST(a_restart_keeps_what_was_acknowledged_though_the_engine_lost_it)
{
    struct world world;
    struct answer answer = {0};
    world_open(&world);
    for (int i = 0; i < 500; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "k%d", i);
        EXPECT(set(&world, &answer, key, key).kind == REPLY_STATUS);
    }
    node_free(world.node);
    memory_engine_crash(world.engine, 3);
    world_start(&world);
    for (int i = 0; i < 500; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "k%d", i);
        EXPECT(bytes_equal(get(&world, &answer, key).bytes, bytes_of_text(key)));
    }
    struct node_status status;
    node_status(world.node, &status);
    EXPECT(status.first_index > 1); /* 16 KiB of log are kept: the rest was compacted. */
    buf_deinit(&answer.reply);
    world_close(&world);
}

TEST(lists_counters_and_ids_work)
{
    struct world world;
    struct answer answer = {0};
    world_open(&world);
    const struct bytes push[] = {bytes_of_text("list"), bytes_of_text("a"), bytes_of_text("b"),
                                 bytes_of_text("c")};
    EXPECT(ask(&world, &answer, (struct request){.op = OP_RPUSH, .args = push, .arg_count = 4})
               .integer == 3);
    EXPECT(ask(&world, &answer,
               (struct request){.op = OP_LRANGE, .args = push, .arg_count = 1, .a = 0, .b = -1})
               .integer == 3);
    EXPECT(bytes_equal(
        ask(&world, &answer, (struct request){.op = OP_LPOP, .args = push, .arg_count = 1, .a = -1})
            .bytes,
        bytes_of_text("a")));
    EXPECT(get(&world, &answer, "list").kind == REPLY_ERROR);
    EXPECT(set(&world, &answer, "list", "now a string").kind == REPLY_STATUS);
    EXPECT(get(&world, &answer, "list").kind == REPLY_BULK);
    char id[40];
    (void)snprintf(id, sizeof id, "%llu-x", (unsigned long long)wall_of(&world));
    const struct bytes counter[] = {bytes_of_text("n")};
    const struct request increment = {
        .op = OP_INCRBY, .args = counter, .arg_count = 1, .a = 5, .request_id = bytes_of_text(id)};
    EXPECT(ask(&world, &answer, increment).integer == 5);
    EXPECT(ask(&world, &answer, increment).integer == 5);
    EXPECT(bytes_equal(get(&world, &answer, "n").bytes, bytes_of_text("5")));
    EXPECT(ask(&world, &answer, (struct request){.op = OP_DBSIZE}).integer == 2);
    buf_deinit(&answer.reply);
    world_close(&world);
}

TEST_MAIN(CASE(a_single_node_forms_a_cluster_and_serves),
          CASE(a_restart_keeps_what_was_acknowledged_though_the_engine_lost_it),
          CASE(lists_counters_and_ids_work))
