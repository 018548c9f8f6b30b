/* Snapshots from node to node: a bad network, crashes in every phase, a leader that steps down. */
#include "base/os/heap.h"
#include "harness/node_world.h"
#include "node/node_private.h"

#define KEYS       100
#define VALUE_SIZE ((size_t)20 * 1024)

/* A cluster of three whose node `lagging` is down and cannot be caught up by the log. */
struct scene {
    struct world world;
    node_id leader;
    node_id lagging;
    node_id other;
};

static void write_keys(struct world *world, node_id at, int first, int count)
{
    struct answer answer = {0};
    char *value = heap_alloc_raw(VALUE_SIZE + 1);
    memset(value, 'v', VALUE_SIZE);
    value[VALUE_SIZE] = '\0';
    for (int i = first; i < first + count; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "k%d", i);
        answer_set(world, at, &answer, key, value);
        answer_wait(world, &answer);
        REQUIRE(answer.item.kind == REPLY_STATUS);
    }
    heap_free(value);
    answer_deinit(&answer);
}

static void scene_open(struct scene *scene)
{
    struct world *world = &scene->world;
    world_open(world, 3);
    scene->leader = world_settle(world);
    scene->lagging = world_other(world, scene->leader, scene->leader);
    scene->other = world_other(world, scene->leader, scene->lagging);
    for (node_id id = 1; id <= 3; id++) {
        world->places[id].node->options.log_keep_bytes = (uint64_t)64 * 1024;
    }
    world->options.log_keep_bytes = (uint64_t)64 * 1024;
    write_keys(world, scene->leader, 0, 3);
    world_run_for(world, 200);
    world_crash(world, scene->lagging, 0);
    write_keys(world, scene->leader, 3, KEYS - 3);
    world_run_for(world, 500);
    REQUIRE(node_raft(world->places[scene->leader].node)->log.start_index > 50);
}

static const struct raft *raft_at(const struct scene *scene, node_id id)
{
    return node_raft(scene->world.places[id].node);
}

static bool has_caught_up(struct scene *scene)
{
    const node_id leader = world_leader(&scene->world);
    return leader != NODE_NONE && scene->world.places[scene->lagging].node != NULL &&
           !snapshot_is_installing(scene->world.places[scene->lagging].node) &&
           raft_at(scene, scene->lagging)->applied_index > 90 &&
           raft_at(scene, scene->lagging)->applied_index == raft_at(scene, leader)->applied_index;
}

static void expect_caught_up(struct scene *scene)
{
    struct world *world = &scene->world;
    for (int i = 0; i < 60000 && !has_caught_up(scene); i++) {
        world_step(world);
    }
    REQUIRE(has_caught_up(scene));
    const node_id leader = world_leader(world);
    raft_check(raft_at(scene, scene->lagging));
    REQUIRE(node_state_hash(world->places[scene->lagging].node) ==
            node_state_hash(world->places[leader].node));
    /* It takes part again, and what it holds survives a restart. */
    write_keys(world, world_settle(world), KEYS, 2);
    world_run_for(world, 200);
    world_crash(world, scene->lagging, 0);
    world_start(world, scene->lagging);
    world_settle(world);
    world_run_for(world, 1000);
    REQUIRE(node_state_hash(world->places[scene->lagging].node) ==
            node_state_hash(world->places[world_leader(world)].node));
}

static bool exists(struct scene *scene, const char *name)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", scene->world.places[scene->lagging].directory.path,
                   name);
    return access(path, F_OK) == 0;
}

TEST(a_follower_behind_the_log_gets_a_snapshot)
{
    struct scene scene;
    scene_open(&scene);
    world_start(&scene.world, scene.lagging);
    expect_caught_up(&scene);
    EXPECT(!exists(&scene, "snapshots/install"));
    world_close(&scene.world);
}

TEST(a_second_snapshot_to_send_waits_for_the_first)
{
    struct scene scene;
    scene_open(&scene);
    struct node *leader = scene.world.places[scene.leader].node;
    world_start(&scene.world, scene.lagging);
    for (int i = 0; i < 5000 && leader->sender == NULL; i++) {
        world_step(&scene.world);
    }
    EXPECT(leader->sender != NULL);
    snapshot_send_start(leader, scene.other);
    /* It is put off: whoever lost its stream to another would wait for chunks for ever. */
    expect_caught_up(&scene);
    world_close(&scene.world);
}

TEST(lost_repeated_and_reordered_chunks_do_no_harm)
{
    struct scene scene;
    scene_open(&scene);
    scene.world.lose_percent = 15;
    scene.world.twice_percent = 30;
    scene.world.delay_max_ms = 12;
    world_start(&scene.world, scene.lagging);
    for (int i = 0; i < 60000 && !has_caught_up(&scene); i++) {
        world_step(&scene.world);
    }
    EXPECT(has_caught_up(&scene));
    scene.world.lose_percent = 0;
    scene.world.twice_percent = 0;
    scene.world.delay_max_ms = 1;
    expect_caught_up(&scene);
    world_close(&scene.world);
}

static enum world_verdict drop_installed(struct world *world, const struct world_message *message)
{
    int *dropped = world->judge_context;
    if (world_message_type(message) != PEER_SNAPSHOT_ACK ||
        message->body[message->size - 1] != SNAPSHOT_INSTALLED || *dropped >= 3) {
        return WORLD_PASS;
    }
    ++*dropped;
    return WORLD_DROP;
}

TEST(a_lost_report_of_the_installation_is_made_good)
{
    struct scene scene;
    int dropped = 0;
    scene_open(&scene);
    scene.world.judge = drop_installed;
    scene.world.judge_context = &dropped;
    world_start(&scene.world, scene.lagging);
    expect_caught_up(&scene);
    EXPECT(dropped > 0);
    world_run_for(&scene.world, 2000);
    EXPECT(scene.world.places[scene.leader].node->sender == NULL);
    world_close(&scene.world);
}

TEST(a_crash_while_chunks_arrive_begins_anew)
{
    struct scene scene;
    scene_open(&scene);
    world_start(&scene.world, scene.lagging);
    for (int i = 0; i < 5000 && !exists(&scene, "snapshots/incoming"); i++) {
        world_step(&scene.world);
    }
    EXPECT(exists(&scene, "snapshots/incoming"));
    world_crash(&scene.world, scene.lagging, 0);
    world_start(&scene.world, scene.lagging);
    EXPECT(!exists(&scene, "snapshots/incoming"));
    expect_caught_up(&scene);
    world_close(&scene.world);
}

/* Runs until the snapshot is staged and nothing of it is installed yet. */
static void run_to_installation(struct scene *scene)
{
    struct world *world = &scene->world;
    for (int i = 0; i < 10000; i++) {
        world->now_ms++;
        world_deliver(world);
        if (snapshot_is_installing(world->places[scene->lagging].node)) {
            return;
        }
        world_turns(world);
    }
    test_failed("an installation begins", __FILE__, __LINE__);
}

TEST(a_crash_in_the_installation_installs_again_from_the_staged_file)
{
    /* What the engine kept: nothing, the deletion, and of the records one batch more or less. */
    for (size_t keep = 0; keep < 5; keep++) {
        struct scene scene;
        scene_open(&scene);
        world_start(&scene.world, scene.lagging);
        run_to_installation(&scene);
        EXPECT(exists(&scene, "snapshots/install"));
        world_crash(&scene.world, scene.lagging, keep);
        world_start(&scene.world, scene.lagging);
        EXPECT(raft_at(&scene, scene.lagging)->applied_index > 90);
        EXPECT(!exists(&scene, "snapshots/install"));
        expect_caught_up(&scene);
        world_close(&scene.world);
    }
}

static int flush_nothing(struct engine *engine, bool wait)
{
    (void)engine;
    REQUIRE(!wait);
    return Q_OK;
}

TEST(a_crash_before_the_engine_has_persisted_it_installs_again)
{
    for (size_t keep = 0; keep < 6; keep++) {
        struct scene scene;
        scene_open(&scene);
        world_start(&scene.world, scene.lagging);
        struct engine *engine = scene.world.places[scene.lagging].engine;
        const struct engine_ops *ops = engine->ops;
        struct engine_ops slow = *ops;
        slow.flush = flush_nothing;
        engine->ops = &slow;
        run_to_installation(&scene);
        world_run_for(&scene.world, 1500); /* Hears heartbeats, does not campaign. */
        EXPECT(snapshot_is_installing(scene.world.places[scene.lagging].node));
        EXPECT(world_leader(&scene.world) == scene.leader);
        engine->ops = ops;
        world_crash(&scene.world, scene.lagging, keep);
        world_start(&scene.world, scene.lagging);
        EXPECT(raft_at(&scene, scene.lagging)->applied_index > 90);
        expect_caught_up(&scene);
        world_close(&scene.world);
    }
}

TEST(a_crash_after_the_installation_before_the_log_is_reset_starts_from_the_state)
{
    struct scene scene;
    scene_open(&scene);
    world_start(&scene.world, scene.lagging);
    run_to_installation(&scene);
    scene.world.places[scene.lagging].disk_holds = true;
    for (int i = 0; i < 1000 && snapshot_is_installing(scene.world.places[scene.lagging].node);
         i++) {
        world_step(&scene.world);
    }
    EXPECT(!snapshot_is_installing(scene.world.places[scene.lagging].node));
    world_crash(&scene.world, scene.lagging, 0);
    scene.world.places[scene.lagging].disk_holds = false;
    world_start(&scene.world, scene.lagging);
    EXPECT(raft_at(&scene, scene.lagging)->applied_index > 90);
    expect_caught_up(&scene);
    world_close(&scene.world);
}

TEST(a_new_node_whose_log_was_slow_can_start_after_a_crash_in_the_installation)
{
    struct scene scene;
    scene_open(&scene);
    /* As a node that never wrote anything: the map is there, the log and the state are not. */
    struct world_place *place = &scene.world.places[scene.lagging];
    place->engine->ops->close(place->engine);
    place->engine = memory_engine_new();
    char command[160];
    (void)snprintf(command, sizeof command, "rm -rf '%s/wal'", place->directory.path);
    EXPECT(system(command) == 0);
    /* Nor did it ever tell the others anything. */
    const node_id others[] = {scene.leader, scene.other};
    for (size_t i = 0; i < 2; i++) {
        node_peer(scene.world.places[others[i]].node, scene.lagging)->witness = (struct witness){0};
    }
    world_start(&scene.world, scene.lagging);
    place->disk_holds = true;
    world_run_for(&scene.world, 3000);
    world_crash(&scene.world, scene.lagging, 3);
    place->disk_holds = false;
    world_start(&scene.world, scene.lagging);
    expect_caught_up(&scene);
    world_close(&scene.world);
}

TEST(a_leader_that_steps_down_stops_its_stream_and_the_next_one_begins_anew)
{
    struct scene scene;
    scene_open(&scene);
    world_start(&scene.world, scene.lagging);
    for (int i = 0; i < 5000 && scene.world.places[scene.leader].node->sender == NULL; i++) {
        world_step(&scene.world);
    }
    EXPECT(scene.world.places[scene.leader].node->sender != NULL);
    struct raft *raft = (struct raft *)(uintptr_t)raft_at(&scene, scene.leader);
    EXPECT(raft_transfer(raft, scene.world.now_ms, scene.other) == Q_OK);
    for (int i = 0; i < 3000 && raft->role == RAFT_LEADER; i++) {
        world_step(&scene.world);
    }
    EXPECT(raft->role != RAFT_LEADER);
    world_run_for(&scene.world, 2);
    EXPECT(scene.world.places[scene.leader].node->sender == NULL);
    expect_caught_up(&scene);
    world_close(&scene.world);
}

TEST(a_leader_that_is_gone_leaves_no_half_snapshot)
{
    struct scene scene;
    scene_open(&scene);
    world_start(&scene.world, scene.lagging);
    for (int i = 0; i < 5000 && !exists(&scene, "snapshots/incoming"); i++) {
        world_step(&scene.world);
    }
    EXPECT(scene.world.places[scene.lagging].node->receiver != NULL);
    world_crash(&scene.world, scene.leader, 0);
    world_run_for(&scene.world, 1500);
    /* The two others go on: the lagging one installs what the new leader has. */
    expect_caught_up(&scene);
    world_start(&scene.world, scene.leader);
    world_settle(&scene.world);
    world_close(&scene.world);
}

TEST(a_state_without_its_log_is_refused)
{
    struct world world;
    struct answer answer = {0};
    char error[512] = "";
    world_open(&world, 1);
    world_settle(&world);
    answer_set(&world, 1, &answer, "cat", "tom");
    answer_wait(&world, &answer);
    world_crash(&world, 1, 100);
    char command[160];
    (void)snprintf(command, sizeof command, "rm -rf '%s/wal'", world.places[1].directory.path);
    EXPECT(system(command) == 0);
    EXPECT(world_try_start(&world, 1, error, sizeof error) == Q_ECORRUPT);
    EXPECT(strstr(error, "wal/ was lost or replaced") != NULL);
    answer_deinit(&answer);
    world_close(&world);
}

TEST(a_chunk_with_impossible_numbers_is_no_chunk)
{
    const struct snapshot_chunk good = {
        .group = 1, .term = 3, .id = 1, .index = 10, .index_term = 2, .last = true};
    for (int i = 0; i < 5; i++) {
        struct snapshot_chunk chunk = good;
        chunk.term = i == 1 ? 0 : chunk.term;
        chunk.index = i == 2 ? 0 : chunk.index;
        chunk.index_term = i == 3 ? 0 : i == 4 ? 4 : chunk.index_term;
        uint8_t bytes[SNAPSHOT_CHUNK_HEADER_SIZE];
        struct writer w = writer_of(bytes, sizeof bytes);
        snapshot_chunk_write(&w, &chunk);
        struct reader r = reader_of(bytes_of(bytes, sizeof bytes));
        snapshot_chunk_read(&r, &chunk);
        EXPECT(r.failed == (i > 0));
    }
}

TEST_MAIN(CASE(a_follower_behind_the_log_gets_a_snapshot),
          CASE(a_second_snapshot_to_send_waits_for_the_first),
          CASE(lost_repeated_and_reordered_chunks_do_no_harm),
          CASE(a_lost_report_of_the_installation_is_made_good),
          CASE(a_crash_while_chunks_arrive_begins_anew),
          CASE(a_crash_in_the_installation_installs_again_from_the_staged_file),
          CASE(a_crash_before_the_engine_has_persisted_it_installs_again),
          CASE(a_crash_after_the_installation_before_the_log_is_reset_starts_from_the_state),
          CASE(a_new_node_whose_log_was_slow_can_start_after_a_crash_in_the_installation),
          CASE(a_leader_that_steps_down_stops_its_stream_and_the_next_one_begins_anew),
          CASE(a_leader_that_is_gone_leaves_no_half_snapshot),
          CASE(a_state_without_its_log_is_refused),
          CASE(a_chunk_with_impossible_numbers_is_no_chunk))
