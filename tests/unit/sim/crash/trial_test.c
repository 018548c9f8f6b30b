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

/* What became of starting a node on the machine as it was at point `machine_at`, as if the crash
 * had been at point `promised_at`. */
static struct violation start_elsewhere(const struct scene *scene,
                                        size_t machine_at,
                                        size_t promised_at)
{
    struct tape_cursor cursor;
    tape_cursor_init(&cursor, crash_machine_tape(scene->run.machine));
    walk_to(&cursor, machine_at);
    struct tape_cut cut = {.version = cursor.version};
    memset(cut.fates, FATE_KEPT, cursor.pending_count);
    struct tape tape;
    tape_cut(&cursor, &cut, &tape);
    tape_cursor_deinit(&cursor);
    const struct rig *rig = &scene->run.rig;
    const struct trial_crash crash = {.ledger = &rig->ledger,
                                      .at = promised_at,
                                      .history = &scene->run.chain,
                                      .map = rig_map(rig)};
    struct trial trial;
    trial_init(&trial, &tape, &crash, &rig->options, 100);
    const struct violation violation = trial.violation;
    trial_deinit(&trial);
    return violation;
}

TEST(a_machine_that_keeps_its_promises_passes_and_can_go_on)
{
    struct scene scene;
    scene_open(&scene, "append");
    const size_t end = crash_machine_tape(scene.run.machine)->op_count;
    for (int is_kill = 0; is_kill < 2; is_kill++) {
        walk_to(&scene.cursor, end);
        const struct tape_cut cut = {.version = scene.cursor.flushed};
        struct trial trial;
        start(&trial, &scene, &scene.run.rig, &scene.cursor, &cut);
        EXPECT(!trial.violation.found);
        EXPECT(rig_raft(&trial.rig)->log.last_index == 13);
        trial_go_on(&trial, is_kill != 0);
        EXPECT(!trial.violation.found);
        trial_deinit(&trial);
    }
    scene_close(&scene);
}

TEST(a_lost_entry_is_noticed)
{
    struct scene scene;
    scene_open(&scene, "append");
    const size_t end = crash_machine_tape(scene.run.machine)->op_count;
    EXPECT(!start_elsewhere(&scene, end, end).found);
    const struct violation violation = start_elsewhere(&scene, end - 3, end);
    EXPECT(violation.found && strcmp(violation.checker, "recovered") == 0);
    scene_close(&scene);
}

TEST(an_entry_that_cannot_be_there_yet_is_noticed)
{
    struct scene scene;
    scene_open(&scene, "append");
    const size_t end = crash_machine_tape(scene.run.machine)->op_count;
    const struct violation violation = start_elsewhere(&scene, end, end - 6);
    EXPECT(violation.found && strcmp(violation.checker, "recovered") == 0);
    scene_close(&scene);
}

TEST(a_lost_identity_is_noticed)
{
    struct scene scene;
    scene_open(&scene, "first_boot");
    const struct tape *tape = crash_machine_tape(scene.run.machine);
    /* The nonce is told to others some time after it was renamed into place. */
    const size_t renamed = find_op(tape, TAPE_RENAME, "identity.new");
    const struct violation violation = start_elsewhere(&scene, renamed, renamed + 6);
    EXPECT(violation.found && strcmp(violation.checker, "identity") == 0);
    scene_close(&scene);
}

TEST(a_wrong_state_is_noticed)
{
    struct scene scene;
    scene_open(&scene, "append");
    const size_t end = crash_machine_tape(scene.run.machine)->op_count;
    /* Whatever it has applied, the history says that the state after it is another one. */
    for (size_t i = 0; i < scene.run.chain.count; i++) {
        scene.run.chain.links[i].state_hash ^= 1;
    }
    const struct violation violation = start_elsewhere(&scene, end, end);
    EXPECT(violation.found && strcmp(violation.checker, "state") == 0);
    scene_close(&scene);
}

TEST(a_node_that_refuses_to_start_is_noticed)
{
    struct scene scene;
    scene_open(&scene, "append");
    const struct tape *tape = crash_machine_tape(scene.run.machine);
    /* A bit of the first batch, which later ones prove to have been right. */
    for (size_t i = 0; i < tape->op_count; i++) {
        if (tape->ops[i].kind == TAPE_WRITE && tape->ops[i].offset == 0 &&
            strncmp(tape->ops[i].path, "wal/", 4) == 0) {
            tape->ops[i].data[100] ^= 1;
        }
    }
    const struct violation violation = start_elsewhere(&scene, tape->op_count, tape->op_count);
    EXPECT(violation.found && strcmp(violation.checker, "start") == 0);
    scene_close(&scene);
}

TEST_MAIN(CASE(a_machine_that_keeps_its_promises_passes_and_can_go_on),
          CASE(a_lost_entry_is_noticed),
          CASE(an_entry_that_cannot_be_there_yet_is_noticed),
          CASE(a_lost_identity_is_noticed),
          CASE(a_wrong_state_is_noticed),
          CASE(a_node_that_refuses_to_start_is_noticed),
          CASE(a_staged_snapshot_is_durable_before_it_replaces_the_state))
