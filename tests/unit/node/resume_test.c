/* A node that comes back on an old copy of its directory: noticed by those it has made promises to,
 * before it can break them. */
#include "base/err.h"
#include "harness/node_world.h"
#include "node/node_private.h"

#include <string.h>

struct scene {
    struct world world;
    node_id leader;
    node_id victim;
    node_id other;
    struct temporary_directory copy;
    size_t spoken; /* Messages of Raft the victim has sent. */
};

static enum world_verdict count_spoken(struct world *world, const struct world_message *message)
{
    struct scene *scene = world->judge_context;
    if (message->from == scene->victim && world_message_type(message) == PEER_RAFT) {
        scene->spoken++;
    }
    return WORLD_PASS;
}

static void write_some(struct scene *scene, const char *key)
{
    struct answer answer = {0};
    answer_set(&scene->world, scene->leader, &answer, key, "value");
    answer_wait(&scene->world, &answer);
    REQUIRE(answer_starts(&answer, "OK"));
    answer_deinit(&answer);
    world_run_for(&scene->world, 200); /* Until all followers have it. */
}

static void scene_open(struct scene *scene)
{
    *scene = (struct scene){0};
    world_open(&scene->world, 3);
    scene->world.judge_context = scene;
    scene->leader = world_settle(&scene->world);
    scene->victim = world_other(&scene->world, scene->leader, NODE_NONE);
    scene->other = world_other(&scene->world, scene->leader, scene->victim);
    temporary_directory_make(&scene->copy);
    write_some(scene, "first");
}

static void scene_close(struct scene *scene)
{
    world_close(&scene->world);
    temporary_directory_remove(&scene->copy);
}

static void copy_directory(const char *from, const char *to)
{
    char command[256];
    (void)snprintf(command, sizeof command, "rm -rf '%s' && cp -a '%s' '%s'", to, from, to);
    REQUIRE(system(command) == 0);
}

static void take_copy(struct scene *scene)
{
    copy_directory(scene->world.places[scene->victim].directory.path, scene->copy.path);
}

static void put_copy(struct scene *scene)
{
    const struct world_place *place = &scene->world.places[scene->victim];
    char command[256];
    /* The directory itself stays: the file table holds it open. */
    (void)snprintf(command, sizeof command, "rm -rf '%s'/* && cp -a '%s'/. '%s'",
                   place->directory.path, scene->copy.path, place->directory.path);
    REQUIRE(system(command) == 0);
}

static const struct node *victim_of(const struct scene *scene)
{
    return scene->world.places[scene->victim].node;
}

/* The victim starts, says nothing of Raft, and stops because of what it has forgotten. */
static void expect_stop(struct scene *scene, const char *forgotten)
{
    struct world *world = &scene->world;
    const char *error = NULL;
    world->places[scene->victim].may_fail = true;
    world->judge = count_spoken;
    scene->spoken = 0;
    world_start(world, scene->victim);
    world_run_for(world, 500);
    const int health = node_health(victim_of(scene), &error);
    REQUIRE(health == Q_ESTALE);
    REQUIRE(strstr(error, "old copy") != NULL && strstr(error, forgotten) != NULL);
    REQUIRE(strstr(error, "leave this node stopped") != NULL);
    REQUIRE(!node_takes_part(victim_of(scene)));
    REQUIRE(scene->spoken == 0);
    world_crash(world, scene->victim, 0);
}

static void expect_welcome(struct scene *scene)
{
    world_start(&scene->world, scene->victim);
    world_run_for(&scene->world, 500);
    REQUIRE(node_takes_part(victim_of(scene)));
    REQUIRE(node_raft(victim_of(scene))->leader == scene->leader);
}

TEST(a_directory_that_has_forgotten_acknowledged_entries_is_refused_at_each_start)
{
    struct scene scene;
    scene_open(&scene);
    take_copy(&scene);
    write_some(&scene, "second");
    world_crash(&scene.world, scene.victim, 0);
    put_copy(&scene);
    for (int i = 0; i < 4; i++) {
        expect_stop(&scene, "more log entries");
    }
    EXPECT(scene.spoken == 0);
    scene_close(&scene);
}

TEST(a_directory_that_has_forgotten_a_term_is_refused)
{
    struct scene scene;
    scene_open(&scene);
    take_copy(&scene);
    struct raft *raft = (struct raft *)(uintptr_t)node_raft(scene.world.places[scene.leader].node);
    const raft_term term = raft->hard.term;
    EXPECT(raft_transfer(raft, scene.world.now_ms, scene.other) == Q_OK);
    for (int i = 0; i < 3000 && node_raft(victim_of(&scene))->hard.term == term; i++) {
        world_step(&scene.world);
    }
    scene.leader = world_settle(&scene.world);
    EXPECT(node_raft(victim_of(&scene))->hard.term > term);
    world_run_for(&scene.world, 200);
    world_crash(&scene.world, scene.victim, 0);
    put_copy(&scene);
    expect_stop(&scene, "a later term");
    scene_close(&scene);
}

/* It promised nothing in its last process, but that process is proof enough. */
TEST(a_directory_that_has_forgotten_a_start_is_refused)
{
    struct scene scene;
    scene_open(&scene);
    world_crash(&scene.world, scene.victim, 0);
    take_copy(&scene);
    expect_welcome(&scene);
    world_crash(&scene.world, scene.victim, 0);
    put_copy(&scene);
    expect_stop(&scene, "a later start");
    EXPECT(scene.spoken == 0);
    scene_close(&scene);
}

/* As the operator is told to do. A start that was refused must not make the right one look old. */
TEST(the_newest_state_of_the_directory_is_welcome_after_an_old_one_was_refused)
{
    struct scene scene;
    struct temporary_directory newest;
    scene_open(&scene);
    take_copy(&scene);
    write_some(&scene, "second");
    world_crash(&scene.world, scene.victim, 0);
    temporary_directory_make(&newest);
    copy_directory(scene.world.places[scene.victim].directory.path, newest.path);
    put_copy(&scene);
    expect_stop(&scene, "more log entries");
    expect_stop(&scene, "more log entries");
    copy_directory(newest.path, scene.copy.path);
    put_copy(&scene);
    scene.world.places[scene.victim].may_fail = false;
    expect_welcome(&scene);
    temporary_directory_remove(&newest);
    EXPECT(node_takes_part(victim_of(&scene)));
    scene_close(&scene);
}

TEST(after_a_restart_of_all_nodes_nobody_remembers_anything_and_all_take_part_at_once)
{
    struct scene scene;
    scene_open(&scene);
    for (node_id id = 1; id <= 3; id++) {
        world_crash(&scene.world, id, 0);
    }
    for (node_id id = 1; id <= 3; id++) {
        world_start(&scene.world, id);
    }
    world_run_for(&scene.world, UINT64_C(2) * RESUME_ASK_EVERY_MS);
    for (node_id id = 1; id <= 3; id++) {
        EXPECT(node_takes_part(scene.world.places[id].node));
    }
    (void)world_settle(&scene.world);
    scene_close(&scene);
}

TEST(with_one_node_down_another_takes_part_again_after_the_grace)
{
    struct scene scene;
    scene_open(&scene);
    world_crash(&scene.world, scene.other, 0);
    world_crash(&scene.world, scene.victim, 0);
    world_start(&scene.world, scene.victim);
    world_run_for(&scene.world, RESUME_GRACE_MS - 10);
    EXPECT(!node_takes_part(victim_of(&scene)));
    struct node_status status;
    node_status(victim_of(&scene), &status);
    EXPECT(strstr(status.waiting_for, "remember") != NULL);
    world_run_for(&scene.world, 20);
    EXPECT(node_takes_part(victim_of(&scene)));
    node_status(victim_of(&scene), &status);
    EXPECT(status.waiting_for[0] == '\0');
    (void)world_settle(&scene.world);
    scene_close(&scene);
}

TEST(alone_it_never_takes_part)
{
    struct scene scene;
    scene_open(&scene);
    world_crash(&scene.world, scene.other, 0);
    world_crash(&scene.world, scene.leader, 0);
    world_crash(&scene.world, scene.victim, 0);
    world_start(&scene.world, scene.victim);
    world_run_for(&scene.world, 5000);
    EXPECT(!node_takes_part(victim_of(&scene)));
    EXPECT(node_raft(victim_of(&scene))->role == RAFT_FOLLOWER);
    scene_close(&scene);
}

/* The hole that is left: those who know do not answer in time. They are heard all the same. */
TEST(a_witness_that_answers_late_still_stops_an_old_copy)
{
    struct scene scene;
    scene_open(&scene);
    take_copy(&scene);
    write_some(&scene, "second");
    world_crash(&scene.world, scene.victim, 0);
    world_crash(&scene.world, scene.other, 0);
    world_start(&scene.world, scene.other); /* It remembers nothing now. */
    world_run_for(&scene.world, 300);
    put_copy(&scene);
    world_cut(&scene.world, scene.leader, scene.victim, true);
    scene.world.places[scene.victim].may_fail = true;
    world_start(&scene.world, scene.victim);
    world_run_for(&scene.world, RESUME_GRACE_MS + 50);
    const char *error = NULL;
    EXPECT(node_takes_part(victim_of(&scene)));
    world_cut(&scene.world, scene.leader, scene.victim, false);
    world_run_for(&scene.world, RESUME_ASK_EVERY_DONE_MS + 100);
    EXPECT(node_health(victim_of(&scene), &error) == Q_ESTALE);
    scene_close(&scene);
}

/* Keeps one answer of each to the victim. */
static struct world_message *kept[4];

static enum world_verdict keep_answers(struct world *world, const struct world_message *message)
{
    const struct scene *scene = world->judge_context;
    if (message->to == scene->victim && world_message_type(message) == PEER_RESUME_ANSWER &&
        kept[message->from] == NULL) {
        kept[message->from] = malloc(sizeof *message + message->size);
        REQUIRE(kept[message->from] != NULL);
        memcpy(kept[message->from], message, sizeof *message + message->size);
    }
    return WORLD_PASS;
}

static enum world_verdict drop_answers(struct world *world, const struct world_message *message)
{
    (void)world;
    return world_message_type(message) == PEER_RESUME_ANSWER ? WORLD_DROP : WORLD_PASS;
}

TEST(answers_to_an_earlier_process_do_not_count)
{
    struct scene scene;
    scene_open(&scene);
    scene.world.judge = keep_answers;
    world_crash(&scene.world, scene.victim, 0);
    expect_welcome(&scene);
    EXPECT(kept[scene.leader] != NULL && kept[scene.other] != NULL);
    world_crash(&scene.world, scene.victim, 0);
    scene.world.judge = drop_answers;
    world_start(&scene.world, scene.victim);
    world_run_for(&scene.world, 10);
    for (node_id id = 1; id <= 3; id++) {
        if (kept[id] != NULL) {
            world_post(&scene.world, kept[id], scene.world.now_ms + 1);
        }
    }
    world_run_for(&scene.world, 3000);
    EXPECT(!node_takes_part(victim_of(&scene)));
    scene.world.judge = NULL;
    world_run_for(&scene.world, 300);
    EXPECT(node_takes_part(victim_of(&scene)));
    for (node_id id = 1; id <= 3; id++) {
        free(kept[id]);
        kept[id] = NULL;
    }
    scene_close(&scene);
}

TEST(a_log_without_the_identity_it_belongs_to_is_refused)
{
    struct scene scene;
    scene_open(&scene);
    world_crash(&scene.world, scene.victim, 0);
    const struct files *files = scene.world.places[scene.victim].files;
    EXPECT(files->remove(files->context, IDENTITY_PATH) == Q_OK);
    char error[512] = "";
    for (int i = 0; i < 2; i++) {
        EXPECT(world_try_start(&scene.world, scene.victim, error, sizeof error) == Q_ECORRUPT);
        EXPECT(strstr(error, "identity") != NULL && strstr(error, "wal/") != NULL);
    }
    scene_close(&scene);
}

TEST_MAIN(CASE(a_directory_that_has_forgotten_acknowledged_entries_is_refused_at_each_start),
          CASE(a_directory_that_has_forgotten_a_term_is_refused),
          CASE(a_directory_that_has_forgotten_a_start_is_refused),
          CASE(the_newest_state_of_the_directory_is_welcome_after_an_old_one_was_refused),
          CASE(after_a_restart_of_all_nodes_nobody_remembers_anything_and_all_take_part_at_once),
          CASE(with_one_node_down_another_takes_part_again_after_the_grace),
          CASE(alone_it_never_takes_part),
          CASE(a_witness_that_answers_late_still_stops_an_old_copy),
          CASE(answers_to_an_earlier_process_do_not_count),
          CASE(a_log_without_the_identity_it_belongs_to_is_refused))
