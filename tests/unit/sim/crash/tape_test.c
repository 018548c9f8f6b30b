/* sim/crash/tape: what is on the platter at each point, and what a crash there leaves. */
#include "harness/test.h"
#include "unit/sim/crash/script.h"

/* The machine after a crash at point `at`. */
static void crash_at(const struct tape *tape, size_t at, struct tape_cut cut, struct tape *out)
{
    struct tape_cursor cursor;
    tape_cursor_init(&cursor, tape);
    while (cursor.at < at) {
        tape_cursor_advance(&cursor);
    }
    cut.version = cut.version == 0 ? cursor.flushed : cut.version;
    tape_cut(&cursor, &cut, out);
    tape_cursor_deinit(&cursor);
}

/* A file "a" whose name is durable, with unsynced writes "abcd" at 0 and "efgh" at 4. */
static void two_writes(struct tape *tape)
{
    tape_init(tape);
    script_name(tape, TAPE_CREATE, "a", 0);
    script_name(tape, TAPE_SYNC_DIRECTORY, "", 0);
    script_write(tape, 0, 0, "abcd");
    script_write(tape, 0, 4, "efgh");
}

TEST(an_unsynced_write_is_lost_kept_or_torn_as_the_cut_says)
{
    struct tape tape;
    struct tape left;
    two_writes(&tape);
    crash_at(&tape, 4, (struct tape_cut){.fates = {FATE_LOST, FATE_LOST}}, &left);
    EXPECT(script_holds(&left, "a", "", 0));
    tape_deinit(&left);
    crash_at(&tape, 4, (struct tape_cut){.fates = {FATE_LOST, FATE_KEPT}}, &left);
    EXPECT(script_holds(&left, "a", "\0\0\0\0efgh", 8));
    tape_deinit(&left);
    crash_at(&tape, 4, (struct tape_cut){.fates = {FATE_KEPT, FATE_TORN}, .tear_size = 3}, &left);
    EXPECT(script_holds(&left, "a", "abcdefg", 7));
    tape_deinit(&left);
    crash_at(&tape, 4, (struct tape_cut){.fates = {FATE_KEPT, FATE_LOST}, .is_sized = true}, &left);
    EXPECT(script_holds(&left, "a", "abcd\0\0\0\0", 8));
    tape_deinit(&left);
    /* Before it, there is nothing to keep. */
    crash_at(&tape, 3, (struct tape_cut){.fates = {FATE_KEPT, FATE_KEPT}}, &left);
    EXPECT(script_holds(&left, "a", "abcd", 4));
    tape_deinit(&left);
    tape_deinit(&tape);
}

TEST(any_sectors_of_a_write_may_be_left)
{
    struct tape tape;
    struct tape left;
    char text[2 * TAPE_SECTOR_SIZE + 1];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    tape_init(&tape);
    script_name(&tape, TAPE_CREATE, "a", 0);
    script_name(&tape, TAPE_SYNC_DIRECTORY, "", 0);
    /* From the middle of sector 0 to the middle of sector 2. */
    script_write(&tape, 0, 256, text);
    crash_at(&tape, 3, (struct tape_cut){.fates = {FATE_SECTORS}, .sectors = 5}, &left);
    const struct bytes contents = script_contents(&left, "a");
    EXPECT(contents.size == 256 + sizeof text - 1);
    EXPECT(contents.data[255] == 0 && contents.data[256] == 'x' && contents.data[511] == 'x');
    EXPECT(contents.data[512] == 0 && contents.data[1023] == 0 && contents.data[1024] == 'x');
    tape_deinit(&left);
    tape_deinit(&tape);
}

TEST(a_sync_is_for_its_own_file_alone)
{
    struct tape tape;
    struct tape left;
    two_writes(&tape);
    script_name(&tape, TAPE_CREATE, "b", 1);
    script_name(&tape, TAPE_SYNC_DIRECTORY, "", 0);
    script_write(&tape, 1, 0, "other");
    script_sync(&tape, TAPE_SYNC, 0);
    crash_at(&tape, tape.op_count, (struct tape_cut){.is_kill = false}, &left);
    EXPECT(script_holds(&left, "a", "abcdefgh", 8));
    EXPECT(script_holds(&left, "b", "", 0));
    tape_deinit(&left);
    tape_deinit(&tape);
}

TEST(a_name_is_durable_with_its_directory_not_with_its_file)
{
    struct tape tape;
    struct tape left;
    tape_init(&tape);
    script_name(&tape, TAPE_MAKE_DIRECTORY, "d", 0);
    script_name(&tape, TAPE_CREATE, "d/new", 1);
    script_write(&tape, 1, 0, "text");
    script_sync(&tape, TAPE_SYNC, 1);
    script_name(&tape, TAPE_SYNC_DIRECTORY, "", 0);
    crash_at(&tape, 5, (struct tape_cut){.is_kill = false}, &left);
    EXPECT(tape_names_find(&left.image.names, "d") != NULL);
    EXPECT(tape_names_find(&left.image.names, "d/new") == NULL);
    tape_deinit(&left);
    script_name(&tape, TAPE_SYNC_DIRECTORY, "d", 0);
    script_rename(&tape, "d/new", "d/old");
    crash_at(&tape, 7, (struct tape_cut){.is_kill = false}, &left);
    EXPECT(script_holds(&left, "d/new", "text", 4));
    EXPECT(tape_names_find(&left.image.names, "d/old") == NULL);
    tape_deinit(&left);
    crash_at(&tape, 7, (struct tape_cut){.fates = {FATE_KEPT}}, &left);
    EXPECT(script_holds(&left, "d/old", "text", 4));
    EXPECT(tape_names_find(&left.image.names, "d/new") == NULL);
    tape_deinit(&left);
    tape_deinit(&tape);
}

TEST(what_lies_below_a_lost_directory_is_lost_with_it)
{
    struct tape tape;
    struct tape left;
    tape_init(&tape);
    script_name(&tape, TAPE_MAKE_DIRECTORY, "d", 0);
    script_name(&tape, TAPE_CREATE, "d/x", 1);
    script_name(&tape, TAPE_SYNC_DIRECTORY, "d", 0);
    crash_at(&tape, 3, (struct tape_cut){.fates = {FATE_LOST}}, &left);
    EXPECT(left.image.names.count == 0);
    tape_deinit(&left);
    crash_at(&tape, 3, (struct tape_cut){.fates = {FATE_KEPT}}, &left);
    EXPECT(left.image.names.count == 2);
    tape_deinit(&left);
    tape_deinit(&tape);
}

TEST(a_kill_leaves_outstanding_what_was_outstanding)
{
    struct tape tape;
    struct tape killed;
    struct tape left;
    two_writes(&tape);
    script_rename(&tape, "a", "b");
    crash_at(&tape, 5, (struct tape_cut){.is_kill = true}, &killed);
    EXPECT(killed.op_count == 3);
    EXPECT(script_holds(&killed, "a", "", 0)); /* On the platter. */
    crash_at(&killed, 3, (struct tape_cut){.fates = {FATE_LOST, FATE_LOST, FATE_LOST}}, &left);
    EXPECT(script_holds(&left, "a", "", 0));
    tape_deinit(&left);
    crash_at(&killed, 3, (struct tape_cut){.fates = {FATE_KEPT, FATE_KEPT, FATE_KEPT}}, &left);
    EXPECT(script_holds(&left, "b", "abcdefgh", 8));
    tape_deinit(&left);
    tape_deinit(&killed);
    tape_deinit(&tape);
}

/* The platter after a power failure that takes all it can, a kill having come before. */
static void kill_then_power(struct tape *tape, size_t at, struct tape *out)
{
    struct tape killed;
    crash_at(tape, at, (struct tape_cut){.is_kill = true}, &killed);
    crash_at(&killed, killed.op_count, (struct tape_cut){.is_kill = false}, out);
    tape_deinit(&killed);
}

TEST(what_a_failed_sync_lost_never_becomes_durable)
{
    struct tape tape;
    struct tape left;
    two_writes(&tape);
    script_sync(&tape, TAPE_SYNC_FAILED, 0);
    script_sync(&tape, TAPE_SYNC, 0); /* Finds only clean pages. */
    crash_at(&tape, 6, (struct tape_cut){.fates = {FATE_KEPT, FATE_KEPT}}, &left);
    EXPECT(script_holds(&left, "a", "", 0));
    tape_deinit(&left);
    /* A kill carries it on, for reads. */
    crash_at(&tape, 6, (struct tape_cut){.is_kill = true}, &left);
    EXPECT(left.op_count == 2 && left.ops[0].is_forgotten && left.ops[1].is_forgotten);
    tape_deinit(&left);
    kill_then_power(&tape, 6, &left);
    EXPECT(script_holds(&left, "a", "", 0));
    tape_deinit(&left);
    tape_deinit(&tape);
}

TEST(what_is_written_over_a_forgotten_write_is_seen_instead)
{
    struct tape tape;
    struct tape left;
    two_writes(&tape);
    script_sync(&tape, TAPE_SYNC_FAILED, 0);
    script_write(&tape, 0, 2, "1234"); /* The end of one, the beginning of the other. */
    script_sync(&tape, TAPE_SYNC, 0);
    crash_at(&tape, 7, (struct tape_cut){.is_kill = true}, &left);
    EXPECT(script_holds(&left, "a", "\0\0001234", 6));
    EXPECT(left.op_count == 2);
    EXPECT(left.ops[0].offset == 0 && left.ops[0].size == 2 && left.ops[0].data[1] == 'b');
    EXPECT(left.ops[1].offset == 6 && left.ops[1].size == 2 && left.ops[1].data[0] == 'g');
    tape_deinit(&left);
    tape_deinit(&tape);
}

TEST(the_engine_keeps_a_prefix_of_its_batches)
{
    struct tape tape;
    struct tape left;
    struct engine_value value;
    tape_init(&tape);
    script_batch(&tape, '1');
    tape_add(&tape, (struct tape_op){.kind = TAPE_ENGINE_FLUSH});
    script_batch(&tape, '2');
    script_batch(&tape, '3');
    crash_at(&tape, 4, (struct tape_cut){.version = 2}, &left);
    EXPECT(left.version_count == 1);
    EXPECT(engine_get(left.versions[0], bytes_of("2", 1), &value) == 0);
    engine_value_release(left.versions[0], &value);
    EXPECT(engine_get(left.versions[0], bytes_of("3", 1), &value) != 0);
    tape_deinit(&left);
    tape_deinit(&tape);
}

static uint64_t hash_after(const struct tape *tape, size_t at, struct tape_cut cut)
{
    struct tape left;
    crash_at(tape, at, cut, &left);
    const uint64_t hash = tape_hash(&left);
    tape_deinit(&left);
    return hash;
}

TEST(equal_machines_have_equal_hashes_and_others_do_not)
{
    struct tape tape;
    struct tape other;
    two_writes(&tape);
    tape_init(&other); /* The same file, on another inode, in one write, beside a removed one. */
    script_name(&other, TAPE_CREATE, "b", 0);
    script_name(&other, TAPE_CREATE, "a", 1);
    script_write(&other, 1, 0, "abcdefgh");
    script_name(&other, TAPE_REMOVE, "b", 0);
    const struct tape_cut all = {.fates = {FATE_KEPT, FATE_KEPT, FATE_KEPT, FATE_KEPT}};
    const struct tape_cut some = {.fates = {FATE_KEPT, FATE_LOST}};
    const uint64_t hash = hash_after(&tape, 4, all);
    EXPECT(hash == hash_after(&other, 4, all));
    EXPECT(hash != hash_after(&tape, 4, some));
    EXPECT(hash != hash_after(&other, 3, all)); /* "b" is there too. */
    EXPECT(hash != hash_after(&tape, 4, (struct tape_cut){.is_kill = true}));
    script_batch(&tape, '1');
    EXPECT(hash == hash_after(&tape, 5, all));
    const struct tape_cut with_batch = {.fates = {FATE_KEPT, FATE_KEPT}, .version = 1};
    EXPECT(hash != hash_after(&tape, 5, with_batch));
    tape_deinit(&tape);
    tape_deinit(&other);
}

TEST_MAIN(CASE(an_unsynced_write_is_lost_kept_or_torn_as_the_cut_says),
          CASE(any_sectors_of_a_write_may_be_left),
          CASE(a_sync_is_for_its_own_file_alone),
          CASE(a_name_is_durable_with_its_directory_not_with_its_file),
          CASE(what_lies_below_a_lost_directory_is_lost_with_it),
          CASE(a_kill_leaves_outstanding_what_was_outstanding),
          CASE(what_a_failed_sync_lost_never_becomes_durable),
          CASE(what_is_written_over_a_forgotten_write_is_seen_instead),
          CASE(the_engine_keeps_a_prefix_of_its_batches),
          CASE(equal_machines_have_equal_hashes_and_others_do_not))
