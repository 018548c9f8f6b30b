/* sim/check/foreign: a frame of another cluster leaves no trace in a node. */
#include "harness/test.h"
#include "sim/check/checks.h"

struct scene {
    struct violation violation;
    struct oracle oracle;
    struct raft before;
    struct raft after;
};

static void set_scene(struct scene *scene)
{
    memset(scene, 0, sizeof *scene);
    oracle_init(&scene->oracle, 3, &scene->violation);
    scene->before.hard.term = 4;
    scene->before.progress[1].heard_at_ms = 1000;
    memcpy(&scene->after, &scene->before, sizeof scene->after);
}

static bool is_reported(struct scene *scene)
{
    check_foreign(&scene->oracle, 2, &scene->before, &scene->after);
    const bool found = scene->violation.found;
    oracle_deinit(&scene->oracle);
    return found;
}

TEST(nothing_changed_is_nothing_to_report)
{
    struct scene scene;
    set_scene(&scene);
    EXPECT(!is_reported(&scene));
}

TEST(a_term_or_a_sign_of_life_taken_from_it_is_reported)
{
    struct scene scene;
    set_scene(&scene);
    scene.after.hard.term = 5;
    EXPECT(is_reported(&scene));
    set_scene(&scene);
    scene.after.progress[1].heard_at_ms = 1001;
    EXPECT(is_reported(&scene));
}

TEST_MAIN(CASE(nothing_changed_is_nothing_to_report),
          CASE(a_term_or_a_sign_of_life_taken_from_it_is_reported))
