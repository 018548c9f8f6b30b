/* sim/check/progress: a whole majority that does nothing is reported, and nobody else. */
#include "harness/test.h"
#include "sim/check/progress.h"

#include <string.h>

#define STEP_US 50000

static const struct progress_limits LIMITS = {.settle_us = 1000000, .answer_us = 500000};

/* Nodes 1 to 3, all well. */
struct scene {
    struct progress progress;
    struct progress_look look;
    struct violation violation;
};

static void scene_open(struct scene *scene, node_id node_count)
{
    memset(scene, 0, sizeof *scene);
    scene->look.node_count = node_count;
    for (node_id a = 1; a <= node_count; a++) {
        scene->look.nodes[a] = 1;
        scene->look.last_index[a] = 5;
        for (node_id b = 1; b <= node_count; b++) {
            scene->look.links[a][b] = 1;
        }
    }
}

static void look(struct scene *scene)
{
    scene->look.now_us += STEP_US;
    progress_look(&scene->progress, &scene->look, &LIMITS, &scene->violation);
}

/* Time goes by; node `asked` is asked for a write in each step. True when that was reported. */
static bool run(struct scene *scene, node_id asked, uint64_t time_us)
{
    for (uint64_t at = 0; at < time_us; at += STEP_US) {
        scene->look.writes[asked]++;
        look(scene);
    }
    return scene->violation.found && strcmp(scene->violation.checker, "progress") == 0;
}

TEST(a_whole_majority_that_commits_nothing_is_reported)
{
    struct scene scene;
    scene_open(&scene, 3);
    EXPECT(!run(&scene, 1, 1500000));
    EXPECT(run(&scene, 1, 500000));
}

TEST(commits_keep_it_silent)
{
    struct scene scene;
    scene_open(&scene, 3);
    for (int i = 0; i < 10; i++) {
        scene.look.committed++;
        EXPECT(!run(&scene, 1, 1400000));
    }
}

TEST(nothing_is_owed_to_clients_that_ask_nothing_or_only_a_node_outside)
{
    struct scene scene;
    scene_open(&scene, 3);
    for (int i = 0; i < 100; i++) {
        look(&scene);
    }
    EXPECT(!scene.violation.found);
    for (node_id id = 1; id <= 2; id++) { /* Node 3 is cut off. */
        scene.look.links[id][3] = 0;
        scene.look.links[3][id] = 0;
    }
    EXPECT(!run(&scene, 3, 5000000));
    EXPECT(run(&scene, 2, 3000000));
}

TEST(a_minority_outside_excuses_nothing)
{
    struct scene scene;
    scene_open(&scene, 5);
    scene.look.nodes[4] = 0;
    scene.look.links[5][1] = 0;
    for (int i = 0; i < 60; i++) { /* And one of them dies all the time. */
        scene.look.nodes[5]++;
        scene.look.writes[2]++;
        look(&scene);
    }
    EXPECT(scene.violation.found);
    EXPECT(strstr(scene.violation.reason, "nodes 1 2 3 are") != NULL);
}

TEST(one_link_one_way_or_one_restart_is_a_disturbance)
{
    struct scene scene;
    scene_open(&scene, 3);
    scene.look.nodes[3] = 0; /* Only 1 and 2 are left. */
    for (int i = 0; i < 10; i++) {
        EXPECT(!run(&scene, 1, 1200000));
        scene.look.nodes[2]++; /* Another process. */
    }
    for (int i = 0; i < 10; i++) {
        EXPECT(!run(&scene, 1, 1200000));
        scene.look.links[2][1]++; /* Another connection. */
    }
    scene.look.links[1][2] = 0;
    EXPECT(!run(&scene, 1, 5000000));
    scene.look.links[1][2] = 1;
    EXPECT(run(&scene, 1, 3000000));
}

TEST(half_of_four_nodes_owe_nothing)
{
    struct scene scene;
    scene_open(&scene, 4);
    scene.look.nodes[1] = 0;
    scene.look.nodes[2] = 0;
    EXPECT(!run(&scene, 3, 5000000));
    scene.look.nodes[2] = 1;
    EXPECT(run(&scene, 3, 3000000));
}

TEST(a_node_that_catches_up_makes_progress)
{
    struct scene scene;
    scene_open(&scene, 3);
    scene.look.nodes[3] = 0;
    scene.look.last_index[1] = 1000;
    for (int i = 0; i < 20; i++) {
        EXPECT(!run(&scene, 1, 1200000));
        scene.look.last_index[2]++;
    }
    EXPECT(run(&scene, 1, 3000000));
}

TEST(logs_that_grow_by_new_writes_alone_are_no_progress)
{
    struct scene scene;
    scene_open(&scene, 3);
    scene.look.nodes[3] = 0;
    bool found = false;
    for (int i = 0; i < 10 && !found; i++) {
        found = run(&scene, 1, 300000);
        scene.look.last_index[1]++;
        scene.look.last_index[2]++;
    }
    EXPECT(found);
}

TEST_MAIN(CASE(a_whole_majority_that_commits_nothing_is_reported),
          CASE(commits_keep_it_silent),
          CASE(nothing_is_owed_to_clients_that_ask_nothing_or_only_a_node_outside),
          CASE(a_minority_outside_excuses_nothing),
          CASE(one_link_one_way_or_one_restart_is_a_disturbance),
          CASE(half_of_four_nodes_owe_nothing),
          CASE(a_node_that_catches_up_makes_progress),
          CASE(logs_that_grow_by_new_writes_alone_are_no_progress))
