/* sim/crash/machine: struct files and struct engine that record, and what a crash leaves of them.
 */
#include "base/err.h"
#include "harness/test.h"
#include "sim/crash/machine.h"

static struct crash_machine *new_machine(uint32_t flush_every)
{
    struct tape tape;
    tape_init(&tape);
    return crash_machine_new(&tape, flush_every);
}

static void write_file(struct crash_machine *machine,
                       const char *path,
                       const char *text,
                       bool syncs)
{
    struct files *files = crash_machine_files(machine);
    struct file *file = NULL;
    REQUIRE(files->open(files->context, path, true, &file) == Q_OK);
    REQUIRE(files->write(files->context, file, 0, bytes_of_text(text)) == Q_OK);
    if (syncs) {
        REQUIRE(files->sync(files->context, file) == Q_OK);
    }
    files->close(files->context, file);
}

static bool reads(struct crash_machine *machine, const char *path, const char *text)
{
    struct files *files = crash_machine_files(machine);
    struct file *file = NULL;
    char out[64];
    size_t got = 0;
    if (files->open(files->context, path, false, &file) != Q_OK) {
        return false;
    }
    REQUIRE(files->read(files->context, file, 0, out, sizeof out, &got) == Q_OK);
    files->close(files->context, file);
    return bytes_equal(bytes_of(out, got), bytes_of_text(text));
}

/* The machine that boots after a crash at the end of the tape; `machine` is freed. */
static struct crash_machine *crash(struct crash_machine *machine, bool is_kill)
{
    struct tape_cursor cursor;
    struct tape tape;
    tape_cursor_init(&cursor, crash_machine_tape(machine));
    while (cursor.at < crash_machine_at(machine)) {
        tape_cursor_advance(&cursor);
    }
    const struct tape_cut cut = {.is_kill = is_kill, .version = cursor.flushed};
    tape_cut(&cursor, &cut, &tape);
    tape_cursor_deinit(&cursor);
    crash_machine_free(machine);
    return crash_machine_new(&tape, 0);
}

TEST(reads_see_what_was_written_and_renamed)
{
    struct crash_machine *machine = new_machine(0);
    struct files *files = crash_machine_files(machine);
    struct file *file = NULL;
    EXPECT(files->open(files->context, "a", false, &file) == Q_ENOTFOUND);
    write_file(machine, "a", "text", false);
    EXPECT(files->open(files->context, "a", true, &file) == Q_EEXIST);
    EXPECT(reads(machine, "a", "text"));
    EXPECT(files->rename(files->context, "a", "b") == Q_OK);
    EXPECT(files->rename(files->context, "a", "c") == Q_ENOTFOUND);
    EXPECT(reads(machine, "b", "text") && !reads(machine, "a", "text"));
    EXPECT(files->remove(files->context, "b") == Q_OK);
    EXPECT(files->remove(files->context, "b") == Q_ENOTFOUND);
    EXPECT(crash_machine_at(machine) == 4); /* Create, write, rename, remove. */
    crash_machine_free(machine);
}

static void collect_name(void *context, const char *name)
{
    char *all = context;
    const size_t size = strlen(all);
    (void)snprintf(all + size, 64 - size, "%s", name);
}

TEST(a_directory_lists_its_files_in_order)
{
    struct crash_machine *machine = new_machine(0);
    struct files *files = crash_machine_files(machine);
    char all[64] = "";
    EXPECT(files->list(files->context, "d", collect_name, all) == Q_ENOTFOUND);
    EXPECT(files->make_directory(files->context, "d") == Q_OK);
    EXPECT(files->make_directory(files->context, "d") == Q_OK);
    write_file(machine, "d/2", "", false);
    write_file(machine, "d/1", "", false);
    write_file(machine, "3", "", false);
    EXPECT(files->list(files->context, "d", collect_name, all) == Q_OK);
    EXPECT(strcmp(all, "12") == 0);
    crash_machine_free(machine);
}

TEST(a_power_failure_takes_what_was_not_synced_a_kill_does_not)
{
    struct crash_machine *machine = new_machine(0);
    struct files *files = crash_machine_files(machine);
    write_file(machine, "a", "text", true);
    EXPECT(files->sync_directory(files->context, "") == Q_OK);
    write_file(machine, "b", "more", false);
    machine = crash(machine, true);
    EXPECT(reads(machine, "a", "text") && reads(machine, "b", "more"));
    machine = crash(machine, false);
    EXPECT(reads(machine, "a", "text") && !reads(machine, "b", "more"));
    crash_machine_free(machine);
}

TEST(a_failed_sync_loses_what_reads_go_on_seeing)
{
    struct crash_machine *machine = new_machine(0);
    struct files *files = crash_machine_files(machine);
    struct file *file = NULL;
    write_file(machine, "a", "text", true);
    EXPECT(files->sync_directory(files->context, "") == Q_OK);
    EXPECT(files->open(files->context, "a", false, &file) == Q_OK);
    EXPECT(files->write(files->context, file, 0, bytes_of_text("TEXT")) == Q_OK);
    crash_machine_fail_sync(machine);
    EXPECT(files->sync(files->context, file) == Q_EIO);
    EXPECT(files->sync(files->context, file) == Q_OK);
    files->close(files->context, file);
    EXPECT(reads(machine, "a", "TEXT"));
    machine = crash(machine, true);
    EXPECT(reads(machine, "a", "TEXT"));
    machine = crash(machine, false);
    EXPECT(reads(machine, "a", "text"));
    crash_machine_free(machine);
}

static void put(struct crash_machine *machine, const char *key)
{
    struct engine *engine = crash_machine_engine(machine);
    const struct engine_operation operation = {
        .kind = ENGINE_PUT, .key = bytes_of_text(key), .value = bytes_of_text("v")};
    REQUIRE(engine->ops->write(engine, &operation, 1) == Q_OK);
}

static bool has(struct crash_machine *machine, const char *key, bool persisted)
{
    struct engine *engine = crash_machine_engine(machine);
    struct engine_value value;
    const int err = persisted ? engine->ops->get_persisted(engine, bytes_of_text(key), &value)
                              : engine->ops->get(engine, bytes_of_text(key), &value);
    if (err == Q_OK) {
        engine_value_release(engine, &value);
    }
    return err == Q_OK;
}

TEST(an_engine_flushes_every_so_many_batches)
{
    struct crash_machine *machine = new_machine(2);
    put(machine, "a");
    EXPECT(has(machine, "a", false) && !has(machine, "a", true));
    put(machine, "b");
    EXPECT(has(machine, "a", true) && has(machine, "b", true));
    put(machine, "c");
    machine = crash(machine, true);
    EXPECT(has(machine, "b", false) && !has(machine, "c", false));
    crash_machine_free(machine);
}

TEST(a_flush_that_is_not_waited_for_takes_two_looks)
{
    struct crash_machine *machine = new_machine(0);
    struct engine *engine = crash_machine_engine(machine);
    put(machine, "a");
    EXPECT(engine->ops->flush(engine, false) == Q_OK);
    EXPECT(!has(machine, "a", true));
    EXPECT(has(machine, "a", true));
    put(machine, "b");
    EXPECT(engine->ops->flush(engine, true) == Q_OK);
    EXPECT(has(machine, "b", true));
    crash_machine_free(machine);
}

TEST(a_killed_process_leaves_the_engine_what_it_flushed)
{
    struct crash_machine *machine = new_machine(0);
    struct engine *engine = crash_machine_engine(machine);
    put(machine, "a");
    EXPECT(engine->ops->flush(engine, true) == Q_OK);
    put(machine, "b");
    crash_machine_kill(machine);
    EXPECT(has(machine, "a", false) && !has(machine, "b", false));
    put(machine, "c");
    machine = crash(machine, false);
    EXPECT(has(machine, "a", false) && !has(machine, "b", false) && !has(machine, "c", false));
    crash_machine_free(machine);
}

TEST_MAIN(CASE(reads_see_what_was_written_and_renamed),
          CASE(a_directory_lists_its_files_in_order),
          CASE(a_power_failure_takes_what_was_not_synced_a_kill_does_not),
          CASE(a_failed_sync_loses_what_reads_go_on_seeing),
          CASE(an_engine_flushes_every_so_many_batches),
          CASE(a_flush_that_is_not_waited_for_takes_two_looks),
          CASE(a_killed_process_leaves_the_engine_what_it_flushed))
