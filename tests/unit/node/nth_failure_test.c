/* Every call to the disk and to the engine fails in turn, once or from then on, while a node boots,
 * restarts, writes, compacts its log and takes snapshots. It may refuse to start, stop itself or go
 * on; it must say what is wrong, lose nothing it acknowledged, and be well again when the disk is.
 */
#include "base/err.h"
#include "harness/fault_run.h"
#include "harness/fault_world.h"
#include "node/node_private.h"

#include <string.h>

/* Of the calls whose place in the program has failed already, a run takes one in so many. */
#define STRIDE 16

enum failing { FAILING_FILES, FAILING_ENGINE };

struct mode {
    const char *name;
    int err;
    bool sticky;
    bool late;
};

static const struct mode modes[] = {
    {"EIO once", Q_EIO, false, false},       {"EIO from then on", Q_EIO, true, false},
    {"ENOSPC once", Q_ENOSPC, false, false}, {"ENOSPC from then on", Q_ENOSPC, true, false},
    {"EIO once, done", Q_EIO, false, true},  {"ECORRUPT once", Q_ECORRUPT, false, false},
};
#define MODES (sizeof modes / sizeof modes[0])
/* Files know nothing of damage; the last mode is the engine's. */
#define MODES_OF(failing) ((failing) == FAILING_FILES ? MODES - 1 : MODES)

struct workload {
    const char *name;
    size_t nodes;
    void (*configure)(struct node_options *options); /* NULL = as usual. */
    void (*prepare)(struct fault_world *f);          /* Without failures; chooses the victim. */
    void (*act)(struct fault_world *f);              /* With them. */
};

struct tally {
    size_t runs;
    size_t refused;
    size_t stopped;
    size_t went_on;
};

/* What all cases together have seen; the last case looks at it. */
static struct fault_calls seen;

/* ---- workloads ---- */

static void choose_the_only_one(struct fault_world *f)
{
    f->victim = 1;
}

static void act_first_boot(struct fault_world *f)
{
    fault_world_start(f, 1);
    fault_world_settle(f);
    pledge_make_all_kinds(f, 1);
}

static void prepare_running(struct fault_world *f)
{
    fault_world_start(f, 1);
    fault_world_settle(f);
    pledge_make_all_kinds(f, 3);
    f->victim = 1;
}

static void act_writes(struct fault_world *f)
{
    pledge_make_all_kinds(f, 6);
    pledges_read(f);
    pledge_make_all_kinds(f, 1);
}

static void act_full_log(struct fault_world *f)
{
    for (size_t i = 0; i < 10 && f->state == VICTIM_WELL; i++) {
        pledge_make_many(f, 4, 900);
        fault_world_run(f, 120);
    }
    /* Longer than a whole segment, so not fit for a spare; and one that must be removed for there
     * are two spares already. */
    pledge_make(f, PLEDGE_SET, PLEDGE_VALUE_MAX);
    pledge_make_many(f, 6, 900);
    fault_world_run(f, 250);
    pledge_make_many(f, 6, 900);
}

static void remember_last(void *context, const char *name)
{
    if (strstr(name, ".seg") != NULL) {
        (void)snprintf(context, FAULT_PATH_SIZE, "wal/%s", name);
    }
}

/* What a torn batch leaves: something that is no batch behind the last one. */
static void spoil_end(struct fault_world *f)
{
    const struct files *files = &f->disks[1].files;
    char path[FAULT_PATH_SIZE] = "";
    struct file *file = NULL;
    uint64_t size = 0;
    uint8_t end[16];
    const uint8_t zeros[sizeof end] = {0};
    size_t got = 0;
    REQUIRE(files->list(files->context, "wal", remember_last, path) == Q_OK);
    REQUIRE(files->open(files->context, path, false, &file) == Q_OK);
    REQUIRE(files->size(files->context, file, &size) == Q_OK);
    REQUIRE(files->read(files->context, file, size - sizeof end, end, sizeof end, &got) == Q_OK);
    REQUIRE(got == sizeof end && memcmp(end, zeros, sizeof end) == 0);
    REQUIRE(files->write(files->context, file, size - 8, bytes_of_text("junk")) == Q_OK);
    files->close(files->context, file);
}

/* Several segments, a torn batch, and more spares than a node keeps. */
static void prepare_restart(struct fault_world *f)
{
    fault_world_start(f, 1);
    fault_world_settle(f);
    pledge_make_all_kinds(f, 3);
    pledge_make_many(f, 20, 900);
    fault_world_kill(f, 1, 2);
    const struct files *files = &f->disks[1].files;
    for (int i = 0; i < 4; i++) {
        char path[32];
        struct file *file = NULL;
        (void)snprintf(path, sizeof path, "wal/spare-%d", 70 + i);
        REQUIRE(files->open(files->context, path, true, &file) == Q_OK);
        files->close(files->context, file);
    }
    spoil_end(f);
    f->victim = 1;
}

static void act_restart(struct fault_world *f)
{
    fault_world_start(f, 1);
    fault_world_settle(f);
    pledge_make_all_kinds(f, 2);
    pledges_read(f);
}

static void choose_one_of_three(struct fault_world *f)
{
    f->victim = 2;
}

static void act_boot_of_three(struct fault_world *f)
{
    fault_world_start_all(f);
    fault_world_settle(f);
    pledge_make_all_kinds(f, 1);
    fault_world_run(f, 500);
}

static void act_install(struct fault_world *f)
{
    fault_world_start(f, f->victim);
    fault_world_level(f);
    pledge_make_all_kinds(f, 1);
}

/* The victim is the one that sends. */
static void prepare_sender(struct fault_world *f)
{
    fault_world_leave_behind(f);
    f->victim = world_leader(&f->world);
}

static void act_send(struct fault_world *f)
{
    for (node_id id = 1; id <= f->world.count; id++) {
        if (f->world.places[id].node == NULL) {
            fault_world_start(f, id);
        }
    }
    fault_world_run(f, 2000);
}

static const struct workload first_boot = {
    .name = "first boot", .nodes = 1, .prepare = choose_the_only_one, .act = act_first_boot};
static const struct workload restart = {.name = "restart",
                                        .nodes = 1,
                                        .configure = fault_world_small_log,
                                        .prepare = prepare_restart,
                                        .act = act_restart};
static const struct workload writes = {
    .name = "writes and reads", .nodes = 1, .prepare = prepare_running, .act = act_writes};
static const struct workload full_log = {.name = "full segments, compaction",
                                         .nodes = 1,
                                         .configure = fault_world_small_log,
                                         .prepare = prepare_running,
                                         .act = act_full_log};
static const struct workload boot_of_three = {.name = "first boot, one of three",
                                              .nodes = 3,
                                              .prepare = choose_one_of_three,
                                              .act = act_boot_of_three};
static const struct workload install = {.name = "snapshot, follower",
                                        .nodes = 3,
                                        .configure = fault_world_small_log,
                                        .prepare = fault_world_leave_behind,
                                        .act = act_install};
static const struct workload staged = {.name = "restart with a staged snapshot",
                                       .nodes = 3,
                                       .configure = fault_world_small_log,
                                       .prepare = fault_world_stage,
                                       .act = act_install};
static const struct workload send = {.name = "snapshot, leader",
                                     .nodes = 3,
                                     .configure = fault_world_small_log,
                                     .prepare = prepare_sender,
                                     .act = act_send};

/* ---- one run ---- */

static void arm(struct fault_world *f, enum failing failing, uint64_t at, const struct mode *mode)
{
    struct fault_files *disk = &f->disks[f->victim];
    struct fault_engine *engine = &f->engines[f->victim];
    seen.failures = 0;
    seen.trace_count = 0;
    if (failing == FAILING_FILES) {
        disk->operations = 0;
        disk->fail_at = at;
        disk->fail_err = mode->err;
        disk->fail_sticky = mode->sticky;
        disk->fail_late = mode->late;
        disk->calls = &seen;
    } else {
        engine->operations = 0;
        engine->fail_at = at;
        engine->fail_err = mode->err;
        engine->fail_sticky = mode->sticky;
        engine->fail_late = mode->late;
        engine->calls = &seen;
    }
}

static void disarm(struct fault_world *f)
{
    f->disks[f->victim].fail_at = 0;
    f->disks[f->victim].calls = NULL;
    f->engines[f->victim].fail_at = 0;
    f->engines[f->victim].calls = NULL;
}

/* "identity" of "identity.new", "wal" of a segment. */
static bool names_file(const char *error, const char *path)
{
    char name[FAULT_NAME_SIZE];
    (void)snprintf(name, sizeof name, "%s", path);
    name[strcspn(name, "./")] = '\0';
    return strstr(error, name) != NULL;
}

/* Whoever reads the text must know where to look. A failure may have been of no consequence before
 * another one was. */
static void expect_a_clear_error(const struct fault_world *f)
{
    const bool names_something = names_file(f->error, "wal") || names_file(f->error, "db/") ||
                                 names_file(f->error, "identity") ||
                                 names_file(f->error, "snapshots/");
    const bool is_clear = names_something && (names_file(f->error, seen.first_path) ||
                                              names_file(f->error, seen.last_path));
    if (!is_clear) {
        print_message("# %s of '%s' failed, the text is: %s\n", fault_kind_name(seen.failed_kind),
                      seen.last_path, f->error);
    }
    REQUIRE(is_clear);
    REQUIRE(f->error_code != Q_OK);
}

/* A node that went on must be of use as soon as the disk is well. */
static void expect_service(struct fault_world *f)
{
    if (f->world.count > 1) {
        fault_world_level(f);
        REQUIRE(fault_world_is_level(f));
    }
    fault_world_settle(f);
    const size_t number = f->pledge_count;
    pledge_make(f, PLEDGE_SET, 64);
    REQUIRE(f->pledges[number].state == PLEDGE_ACKED);
}

static void restart_and_check(struct fault_world *f)
{
    const node_id victim = f->victim;
    f->victim = NODE_NONE; /* From here nobody may fail. */
    f->state = VICTIM_WELL;
    fault_world_start_all(f);
    fault_world_settle(f);
    pledges_check(f);
    f->victim = victim;
    if (f->world.count > 1) {
        fault_world_level(f);
        fault_world_expect_equal(f);
    }
}

static void aftermath(struct fault_world *f, bool power_first)
{
    if (f->state == VICTIM_WELL) {
        expect_service(f);
    }
    for (node_id id = 1; id <= f->world.count; id++) {
        if (f->world.places[id].node != NULL) {
            fault_world_kill(f, id, prng_below(&f->world.prng, 4));
        }
    }
    if (power_first) {
        fault_world_power_cut(f);
    }
    restart_and_check(f);
    fault_world_power_cut(f);
    restart_and_check(f);
}

/* False when the workload ended before call number `at`. */
static bool run(const struct workload *workload,
                enum failing failing,
                uint64_t at,
                const struct mode *mode,
                struct tally *tally)
{
    static struct fault_world f;
    fault_world_prepare(&f, workload->nodes);
    if (workload->configure != NULL) {
        workload->configure(&f.world.options);
    }
    workload->prepare(&f);
    arm(&f, failing, at, mode);
    workload->act(&f);
    const bool has_failed = seen.failures > 0;
    disarm(&f);
    if (f.state != VICTIM_WELL) {
        REQUIRE(has_failed);
        expect_a_clear_error(&f);
    }
    /* Damage may not be served around: another node has the data whole. */
    REQUIRE(!has_failed || mode->err != Q_ECORRUPT || f.state != VICTIM_WELL);
    tally->runs += has_failed;
    tally->refused += f.state == VICTIM_REFUSED;
    tally->stopped += f.state == VICTIM_STOPPED;
    tally->went_on += has_failed && f.state == VICTIM_WELL;
    aftermath(&f, at % 2 == 0);
    fault_world_close(&f);
    return has_failed;
}

/* ---- the loops ---- */

/* Marks the calls to be failed: the first and the last from each place, and a sample of the rest.
 * Returns how many calls there are. */
static size_t choose(const struct workload *workload, enum failing failing, bool *out_chosen)
{
    struct tally nothing = {0};
    REQUIRE(!run(workload, failing, 0, &modes[0], &nothing));
    const size_t count = seen.trace_count;
    REQUIRE(count > 0 && count < FAULT_TRACE_MAX);
    size_t last[FAULT_SITES_MAX] = {0};
    bool was_here[FAULT_SITES_MAX] = {false};
    for (size_t i = 0; i < count; i++) {
        const size_t site = seen.trace[i];
        out_chosen[i + 1] = !was_here[site] || fault_run_takes(i, STRIDE);
        was_here[site] = true;
        last[site] = i + 1;
    }
    for (size_t site = 0; site < FAULT_SITES_MAX; site++) {
        out_chosen[last[site]] = true;
    }
    return count;
}

/* Returns how many runs there were. */
static size_t fail_every(const struct workload *workload, enum failing failing)
{
    static bool chosen[FAULT_TRACE_MAX + 1];
    memset(chosen, 0, sizeof chosen);
    const size_t count = choose(workload, failing, chosen);
    struct tally tally = {0};
    for (size_t m = 0; m < MODES_OF(failing); m++) {
        for (uint64_t at = 1; at <= count; at++) {
            if (chosen[at] && !run(workload, failing, at, &modes[m], &tally)) {
                print_message("# %s: call %llu was not reached\n", workload->name,
                              (unsigned long long)at);
                REQUIRE(false);
            }
        }
        /* And one too many: nothing fails, nothing stops. */
        REQUIRE(!run(workload, failing, count + 1000, &modes[m], &tally));
    }
    print_message("# %s, %s: %zu calls, %zu runs: %zu refused to start, %zu stopped, %zu went on\n",
                  workload->name, failing == FAILING_FILES ? "files" : "engine", count, tally.runs,
                  tally.refused, tally.stopped, tally.went_on);
    return tally.runs;
}

TEST(no_failing_disk_call_of_a_first_boot_does_harm)
{
    EXPECT(fail_every(&first_boot, FAILING_FILES) > 0);
    EXPECT(fail_every(&boot_of_three, FAILING_FILES) > 0);
}

TEST(no_failing_disk_call_of_a_restart_does_harm)
{
    EXPECT(fail_every(&restart, FAILING_FILES) > 0);
}

TEST(no_failing_disk_call_while_writing_does_harm)
{
    EXPECT(fail_every(&writes, FAILING_FILES) > 0);
    EXPECT(fail_every(&full_log, FAILING_FILES) > 0);
}

TEST(no_failing_disk_call_while_a_snapshot_is_installed_does_harm)
{
    EXPECT(fail_every(&install, FAILING_FILES) > 0);
    EXPECT(fail_every(&staged, FAILING_FILES) > 0);
}

TEST(no_failing_engine_call_of_a_start_does_harm)
{
    EXPECT(fail_every(&first_boot, FAILING_ENGINE) > 0);
    EXPECT(fail_every(&restart, FAILING_ENGINE) > 0);
}

TEST(no_failing_engine_call_while_writing_does_harm)
{
    EXPECT(fail_every(&writes, FAILING_ENGINE) > 0);
    EXPECT(fail_every(&full_log, FAILING_ENGINE) > 0);
}

TEST(no_failing_engine_call_of_a_snapshot_does_harm)
{
    EXPECT(fail_every(&install, FAILING_ENGINE) > 0);
    EXPECT(fail_every(&staged, FAILING_ENGINE) > 0);
    EXPECT(fail_every(&send, FAILING_ENGINE) > 0);
}

/* RocksDB puts a flush off while it stops writes; that is no failure. */
TEST(a_flush_that_is_put_off_is_asked_for_again)
{
    static struct fault_world f;
    fault_world_prepare(&f, 3);
    fault_world_small_log(&f.world.options);
    for (node_id id = 1; id <= 3; id++) {
        f.engines[id].flushes_put_off = 2;
    }
    fault_world_leave_behind(&f);
    for (node_id id = 1; id <= 3; id++) {
        EXPECT(id == f.victim || f.engines[id].flushes_put_off == 0);
    }
    f.engines[f.victim].flushes_put_off = 5;
    fault_world_start(&f, f.victim);
    fault_world_level(&f);
    EXPECT(f.state == VICTIM_WELL && fault_world_is_level(&f));
    EXPECT(f.engines[f.victim].flushes_put_off == 0);
    pledges_check(&f);
    fault_world_close(&f);
}

/* Calls through struct files in the text of the program, by kind, without planted ones. */
static size_t source_places[FAULT_KINDS];

static int count_places(const char *path, const struct stat *status, int flag, struct FTW *ftw)
{
    (void)status;
    (void)ftw;
    const size_t length = strlen(path);
    if (flag != FTW_F || length < 2 || strcmp(path + length - 2, ".c") != 0) {
        return 0;
    }
    FILE *source = fopen(path, "r");
    REQUIRE(source != NULL);
    char line[256];
    bool is_planted = false;
    while (fgets(line, sizeof line, source) != NULL) {
        for (enum fault_kind kind = 0; kind <= FAULT_LIST && !is_planted; kind++) {
            char call[32];
            (void)snprintf(call, sizeof call, "files->%s(", fault_kind_name(kind));
            source_places[kind] += strstr(line, call) != NULL;
        }
        is_planted = strstr(line, "if (Q_PLANT(") != NULL;
    }
    (void)fclose(source);
    return 0;
}

/* Nobody truncates a file: the log zeroes instead. A compiler may make two places of one. */
TEST(every_kind_of_call_was_failed_at_every_place_it_is_made_from)
{
    size_t places = 0;
    EXPECT(nftw(TEST_SOURCE_DIR "/../src", count_places, 16, FTW_PHYS) == 0);
    for (enum fault_kind kind = 0; kind <= FAULT_LIST; kind++) {
        EXPECT((source_places[kind] > 0) == (kind != FAULT_TRUNCATE));
        EXPECT(fault_calls_failed(&seen, kind) >= source_places[kind]);
    }
    for (enum fault_kind kind = 0; kind < FAULT_KINDS; kind++) {
        const size_t count = fault_calls_seen(&seen, kind);
        print_message("# %s: %zu places, %zu failed\n", fault_kind_name(kind), count,
                      fault_calls_failed(&seen, kind));
        EXPECT(fault_calls_failed(&seen, kind) == count);
        EXPECT((count > 0) == (kind != FAULT_TRUNCATE));
        places += count;
    }
    print_message("# %zu places in all\n", places);
}

TEST_MAIN(CASE(no_failing_disk_call_of_a_first_boot_does_harm),
          CASE(no_failing_disk_call_of_a_restart_does_harm),
          CASE(no_failing_disk_call_while_writing_does_harm),
          CASE(no_failing_disk_call_while_a_snapshot_is_installed_does_harm),
          CASE(no_failing_engine_call_of_a_start_does_harm),
          CASE(no_failing_engine_call_while_writing_does_harm),
          CASE(no_failing_engine_call_of_a_snapshot_does_harm),
          CASE(a_flush_that_is_put_off_is_asked_for_again),
          CASE(every_kind_of_call_was_failed_at_every_place_it_is_made_from))
