/* sim/crash/trial: a node that starts after a crash is judged, and what earlier enumerations found
 * stays found. */
#include "base/os/log.h"
#include "harness/test.h"
#include "sim/crash/trial.h"
#include "sim/crash/workloads.h"

/* A workload that has ended, and a cursor on its tape. */
struct scene {
    struct crash_run run;
    struct tape_cursor cursor;
};

static void scene_open(struct scene *scene, const char *workload)
{
    log_configure(LOG_OFF, false);
    const struct crash_workload *found = crash_workload_find(workload);
    REQUIRE(found != NULL);
    crash_workload_init(&scene->run, found, 7);
    REQUIRE(!scene->run.rig.violation.found);
    rig_stop(&scene->run.rig);
    tape_cursor_init(&scene->cursor, crash_machine_tape(scene->run.machine));
}

static void scene_close(struct scene *scene)
{
    tape_cursor_deinit(&scene->cursor);
    crash_workload_deinit(&scene->run);
}

static void walk_to(struct tape_cursor *cursor, size_t at)
{
    while (cursor->at < at) {
        tape_cursor_advance(cursor);
    }
}

/* The place of the first operation of this kind whose path is `path`. */
static size_t find_op(const struct tape *tape, enum tape_op_kind kind, const char *path)
{
    for (size_t i = 0; i < tape->op_count; i++) {
        if (tape->ops[i].kind == kind && strcmp(tape->ops[i].path, path) == 0) {
            return i;
        }
    }
    test_failed("the tape has such an operation", __FILE__, __LINE__);
}

/* Starts a node on what a crash of `rig` leaves. */
static void start(struct trial *trial,
                  const struct scene *scene,
                  const struct rig *rig,
                  const struct tape_cursor *cursor,
                  const struct tape_cut *cut)
{
    const struct trial_crash crash = {.ledger = &rig->ledger,
                                      .at = cursor->at,
                                      .was_killed = cut->is_kill,
                                      .history = &scene->run.chain,
                                      .map = rig_map(rig)};
    struct tape tape;
    tape_cut(cursor, cut, &tape);
    trial_init(trial, &tape, &crash, &rig->options, 100);
    if (trial->violation.found) {
        print_message("# %s: %s\n", trial->violation.checker, trial->violation.reason);
    }
}

/* The process was killed between the rename of a staged snapshot and the sync of its directory. The
 * next one saw the file in the page cache and deleted the state to install it; then the power
 * failed, the name had never been durable, and state and snapshot were both gone: "db/ was lost or
 * replaced by an older copy", for ever. */
TEST(a_staged_snapshot_is_durable_before_it_replaces_the_state)
{
    struct scene scene;
    scene_open(&scene, "snapshot");
    const struct tape *tape = crash_machine_tape(scene.run.machine);
    walk_to(&scene.cursor, find_op(tape, TAPE_RENAME, "snapshots/incoming") + 1);
    const struct tape_cut kill = {.is_kill = true, .version = scene.cursor.flushed};
    struct trial killed;
    start(&killed, &scene, &scene.run.rig, &scene.cursor, &kill);
    EXPECT(!killed.violation.found);

    struct tape_cursor cursor;
    tape_cursor_init(&cursor, crash_machine_tape(killed.machine));
    size_t batches = 0;
    for (size_t at = killed.first; at <= killed.end; at++) {
        walk_to(&cursor, at);
        /* The engine keeps all it was given, of the files nothing that was not synced is left. */
        const struct tape_cut power = {.version = cursor.version};
        struct trial after;
        start(&after, &scene, &killed.rig, &cursor, &power);
        EXPECT(!after.violation.found);
        trial_deinit(&after);
        batches = cursor.version;
    }
    EXPECT(batches > 0); /* It did install. */
    tape_cursor_deinit(&cursor);
    trial_deinit(&killed);
    scene_close(&scene);
}

TEST_MAIN(CASE(a_staged_snapshot_is_durable_before_it_replaces_the_state))
