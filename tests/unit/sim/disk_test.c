/* sim/disk: what a power failure may take, what it may not, and that reads are the page cache. */
#include "base/err.h"
#include "base/os/buf.h"
#include "harness/test.h"
#include "sim/disk.h"

static struct file *create(struct files *files, const char *path)
{
    struct file *file = NULL;
    REQUIRE(files->open(files->context, path, true, &file) == Q_OK);
    return file;
}

static void write_text(struct files *files, struct file *file, uint64_t at, const char *text)
{
    REQUIRE(files->write(files->context, file, at, bytes_of_text(text)) == Q_OK);
}

/* Contents of a file as text; "-" when it does not exist. */
static void read_text(struct files *files, const char *path, char *out, size_t size)
{
    struct file *file = NULL;
    memset(out, 0, size);
    if (files->open(files->context, path, false, &file) != Q_OK) {
        out[0] = '-';
        return;
    }
    size_t count = 0;
    REQUIRE(files->read(files->context, file, 0, out, size - 1, &count) == Q_OK);
    out[count] = '\0';
    files->close(files->context, file);
}

TEST(what_was_synced_survives_every_power_failure)
{
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct disk *disk = disk_new(seed);
        struct files *files = disk_files(disk);
        struct file *file = create(files, "a");
        write_text(files, file, 0, "hello");
        EXPECT(files->sync(files->context, file) == Q_OK);
        EXPECT(files->sync_directory(files->context, "") == Q_OK);
        EXPECT(disk_is_clean(disk, ""));
        write_text(files, file, 5, "world");
        EXPECT(!disk_is_clean(disk, ""));
        disk_power_loss(disk);
        files->close(files->context, file);
        disk_boot(disk);
        char text[32];
        read_text(files, "a", text, sizeof text);
        EXPECT(memcmp(text, "hello", 5) == 0);
        EXPECT(disk_is_clean(disk, ""));
        disk_free(disk);
    }
}

TEST(unsynced_writes_are_kept_lost_and_torn_in_some_run_each)
{
    int kept = 0;
    int lost = 0;
    int torn = 0;
    for (uint64_t seed = 0; seed < 300; seed++) {
        struct disk *disk = disk_new(seed);
        struct files *files = disk_files(disk);
        struct file *file = create(files, "a");
        EXPECT(files->sync_directory(files->context, "") == Q_OK);
        write_text(files, file, 0, "abcdefgh");
        disk_power_loss(disk);
        files->close(files->context, file);
        disk_boot(disk);
        char text[32];
        read_text(files, "a", text, sizeof text);
        const size_t size = strlen(text);
        kept += size == 8;
        lost += size == 0;
        torn += size > 0 && size < 8;
        EXPECT(memcmp(text, "abcdefgh", size) == 0);
        disk_free(disk);
    }
    EXPECT(kept > 20 && lost > 20 && torn > 20);
}

TEST(a_dead_process_loses_nothing_but_makes_nothing_durable)
{
    struct disk *disk = disk_new(3);
    struct files *files = disk_files(disk);
    struct file *file = create(files, "a");
    write_text(files, file, 0, "cached");
    disk_kill(disk);
    size_t count = 0;
    char text[32];
    EXPECT(files->read(files->context, file, 0, text, 1, &count) == Q_EIO);
    EXPECT(files->write(files->context, file, 0, bytes_of_text("x")) == Q_EIO);
    files->close(files->context, file);
    disk_boot(disk);
    read_text(files, "a", text, sizeof text);
    EXPECT(strcmp(text, "cached") == 0);
    EXPECT(!disk_is_clean(disk, ""));
    disk_free(disk);
}

TEST(a_name_is_durable_only_after_its_directory_was_synced)
{
    int survived = 0;
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct disk *disk = disk_new(seed);
        struct files *files = disk_files(disk);
        EXPECT(files->make_directory(files->context, "d") == Q_OK);
        EXPECT(files->sync_directory(files->context, "") == Q_OK);
        struct file *file = create(files, "d/new");
        write_text(files, file, 0, "2");
        EXPECT(files->sync(files->context, file) == Q_OK);
        files->close(files->context, file);
        file = create(files, "d/x");
        write_text(files, file, 0, "1");
        EXPECT(files->sync(files->context, file) == Q_OK);
        files->close(files->context, file);
        EXPECT(files->sync_directory(files->context, "d") == Q_OK);
        EXPECT(files->rename(files->context, "d/new", "d/x") == Q_OK);
        disk_power_loss(disk);
        disk_boot(disk);
        char text[8];
        read_text(files, "d/x", text, sizeof text);
        EXPECT(strcmp(text, "1") == 0 || strcmp(text, "2") == 0);
        survived += text[0] == '2';
        disk_free(disk);
    }
    EXPECT(survived > 10 && survived < 90);
}

TEST(a_failed_sync_loses_its_writes_though_reads_still_see_them)
{
    struct disk *disk = disk_new(4);
    struct files *files = disk_files(disk);
    struct file *file = create(files, "a");
    EXPECT(files->sync_directory(files->context, "") == Q_OK);
    write_text(files, file, 0, "gone");
    disk_faults(disk)->sync_fails = true;
    EXPECT(files->sync(files->context, file) == Q_EIO);
    EXPECT(files->sync(files->context, file) == Q_OK);
    char text[8];
    read_text(files, "a", text, sizeof text);
    EXPECT(strcmp(text, "gone") == 0);
    disk_power_loss(disk);
    files->close(files->context, file);
    disk_boot(disk);
    read_text(files, "a", text, sizeof text);
    EXPECT(text[0] == '\0');
    disk_free(disk);
}

TEST(a_full_disk_says_so_and_recovers)
{
    struct disk *disk = disk_new(5);
    struct files *files = disk_files(disk);
    struct file *file = create(files, "a");
    struct file *other = NULL;
    disk_faults(disk)->full = true;
    EXPECT(files->write(files->context, file, 0, bytes_of_text("x")) == Q_ENOSPC);
    EXPECT(files->open(files->context, "b", true, &other) == Q_ENOSPC);
    disk_faults(disk)->full = false;
    write_text(files, file, 0, "y");
    EXPECT(disk_used_bytes(disk) == 1);
    files->close(files->context, file);
    disk_free(disk);
}

static void collect_names(void *context, const char *name)
{
    struct buf *text = context;
    buf_append_format(text, "%s ", name);
}

TEST(a_directory_lists_its_files_sorted)
{
    struct disk *disk = disk_new(6);
    struct files *files = disk_files(disk);
    EXPECT(files->make_directory(files->context, "d") == Q_OK);
    const char *paths[] = {"d/c", "d/a", "z", "d/b"};
    for (size_t i = 0; i < 4; i++) {
        files->close(files->context, create(files, paths[i]));
    }
    struct buf text = {0};
    EXPECT(files->list(files->context, "d", collect_names, &text) == Q_OK);
    EXPECT(bytes_equal(buf_bytes(&text), bytes_of_text("a b c ")));
    EXPECT(files->list(files->context, "e", collect_names, &text) == Q_ENOTFOUND);
    buf_deinit(&text);
    EXPECT(files->remove(files->context, "d/b") == Q_OK);
    EXPECT(files->remove(files->context, "d/b") == Q_ENOTFOUND);
    struct file *file = NULL;
    EXPECT(files->open(files->context, "d/a", true, &file) == Q_EEXIST);
    EXPECT(disk_open_count(disk) == 0);
    disk_free(disk);
}

/* A file "a" of three synced writes of 512 bytes: A, B and C. */
static struct disk *disk_of_three(void)
{
    struct disk *disk = disk_new(8);
    struct files *files = disk_files(disk);
    struct file *file = create(files, "a");
    for (uint64_t i = 0; i < 3; i++) {
        uint8_t block[512];
        memset(block, 'A' + (int)i, sizeof block);
        REQUIRE(files->write(files->context, file, i * 512, bytes_of(block, sizeof block)) == Q_OK);
        REQUIRE(files->sync(files->context, file) == Q_OK);
    }
    files->close(files->context, file);
    REQUIRE(files->sync_directory(files->context, "") == Q_OK);
    return disk;
}

/* First byte of each block of "a", after a power failure, which shows the platter. */
static void read_blocks(struct disk *disk, char *out, size_t size)
{
    struct files *files = disk_files(disk);
    struct file *file = NULL;
    size_t count = 0;
    uint8_t all[8192];
    disk_power_loss(disk);
    disk_boot(disk);
    REQUIRE(files->open(files->context, "a", false, &file) == Q_OK);
    REQUIRE(files->read(files->context, file, 0, all, sizeof all, &count) == Q_OK);
    files->close(files->context, file);
    size_t used = 0;
    for (size_t at = 0; at < count && used + 1 < size; at += 512) {
        (void)snprintf(&out[used++], 2, "%c", all[at] == 0 ? '0' : all[at]);
    }
    out[used] = '\0';
}

TEST(a_torn_write_ends_at_any_byte_or_lacks_any_of_its_sectors)
{
    bool middle_byte = false;
    bool later_sector_alone = false;
    for (uint64_t seed = 0; seed < 400; seed++) {
        struct disk *disk = disk_new(seed);
        struct files *files = disk_files(disk);
        struct file *file = create(files, "a");
        EXPECT(files->sync_directory(files->context, "") == Q_OK);
        uint8_t blocks[1536];
        memset(blocks, 'x', sizeof blocks);
        EXPECT(files->write(files->context, file, 0, bytes_of(blocks, sizeof blocks)) == Q_OK);
        disk_power_loss(disk);
        files->close(files->context, file);
        disk_boot(disk);
        uint8_t left[1536] = {0};
        size_t count = 0;
        EXPECT(files->open(files->context, "a", false, &file) == Q_OK);
        EXPECT(files->read(files->context, file, 0, left, sizeof left, &count) == Q_OK);
        files->close(files->context, file);
        size_t prefix = 0;
        while (prefix < sizeof left && left[prefix] == 'x') {
            prefix++;
        }
        middle_byte = middle_byte || prefix % 512 != 0;
        later_sector_alone = later_sector_alone || (left[0] == 0 && left[1024] == 'x');
        disk_free(disk);
    }
    EXPECT(middle_byte && later_sector_alone);
}

TEST(unsynced_writes_reach_the_platter_in_any_order)
{
    bool second_alone = false;
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct disk *disk = disk_new(seed);
        struct files *files = disk_files(disk);
        struct file *file = create(files, "a");
        EXPECT(files->sync_directory(files->context, "") == Q_OK);
        write_text(files, file, 0, "1");
        write_text(files, file, 1, "2");
        disk_power_loss(disk);
        files->close(files->context, file);
        disk_boot(disk);
        uint8_t left[2] = {0};
        size_t count = 0;
        EXPECT(files->open(files->context, "a", false, &file) == Q_OK);
        EXPECT(files->read(files->context, file, 0, left, 2, &count) == Q_OK);
        files->close(files->context, file);
        second_alone = second_alone || (left[0] == 0 && left[1] == '2');
        disk_free(disk);
    }
    EXPECT(second_alone);
}

/* What reads see after the failed sync, after a second one, and after the power failed. */
static void expect_failed_sync(enum sync_failure failure, const char *seen, const char *durable)
{
    struct disk *disk = disk_new(4);
    struct files *files = disk_files(disk);
    struct file *file = create(files, "a");
    REQUIRE(files->sync_directory(files->context, "") == Q_OK);
    write_text(files, file, 0, "old");
    REQUIRE(files->sync(files->context, file) == Q_OK);
    write_text(files, file, 0, "new");
    disk_faults(disk)->sync_fails = true;
    disk_faults(disk)->sync_failure = failure;
    REQUIRE(files->sync(files->context, file) == Q_EIO);
    char text[8];
    read_text(files, "a", text, sizeof text);
    REQUIRE(strcmp(text, seen) == 0);
    REQUIRE(files->sync(files->context, file) == Q_OK); /* Reported once. */
    disk_power_loss(disk);
    files->close(files->context, file);
    disk_boot(disk);
    read_text(files, "a", text, sizeof text);
    REQUIRE(strcmp(text, durable) == 0);
    disk_free(disk);
}

TEST(a_failed_sync_forgets_keeps_or_reverts_its_pages)
{
    expect_failed_sync(SYNC_FORGETS, "new", "old");
    expect_failed_sync(SYNC_KEEPS, "new", "new");
    expect_failed_sync(SYNC_REVERTS, "old", "old");
    EXPECT(SYNC_FAILURES == 3);
}

TEST(reads_fail_once_or_always_or_short_and_only_when_told_to)
{
    struct disk *disk = disk_of_three();
    struct files *files = disk_files(disk);
    struct disk_faults *faults = disk_faults(disk);
    struct file *file = NULL;
    uint8_t out[1536];
    size_t count = 0;
    EXPECT(files->open(files->context, "a", false, &file) == Q_OK);
    EXPECT(files->read(files->context, file, 0, out, sizeof out, &count) == Q_OK && count == 1536);
    faults->reads = READ_FAILS_ONCE;
    faults->reads_before = 1;
    EXPECT(files->read(files->context, file, 0, out, sizeof out, &count) == Q_OK);
    EXPECT(files->read(files->context, file, 0, out, sizeof out, &count) == Q_EIO);
    EXPECT(files->read(files->context, file, 0, out, sizeof out, &count) == Q_OK);
    faults->reads = READ_FAILS_ALWAYS;
    for (int i = 0; i < 3; i++) {
        EXPECT(files->read(files->context, file, 0, out, sizeof out, &count) == Q_EIO);
    }
    faults->reads = READ_FAILS_SHORT;
    EXPECT(files->read(files->context, file, 0, out, sizeof out, &count) == Q_OK && count < 1536);
    EXPECT(files->read(files->context, file, 0, out, sizeof out, &count) == Q_OK && count == 1536);
    files->close(files->context, file);
    disk_free(disk);
}

TEST(a_lost_write_leaves_what_was_there_before_and_nothing_else_changes)
{
    static const char *const LEFT[] = {"AB0", "A0C", "0BC"};
    for (size_t back = 0; back < 3; back++) {
        struct disk *disk = disk_of_three();
        char blocks[8];
        EXPECT(disk_lose_write(disk, "a", back));
        EXPECT(disk_is_clean(disk, ""));
        read_blocks(disk, blocks, sizeof blocks);
        EXPECT(strcmp(blocks, LEFT[back]) == 0);
        disk_free(disk);
    }
    struct disk *disk = disk_of_three();
    char blocks[8];
    EXPECT(!disk_lose_write(disk, "a", 3));
    read_blocks(disk, blocks, sizeof blocks);
    EXPECT(strcmp(blocks, "ABC") == 0);
    disk_free(disk);
}

TEST(a_write_that_a_later_one_has_covered_cannot_be_lost)
{
    struct disk *disk = disk_of_three();
    struct files *files = disk_files(disk);
    struct file *file = NULL;
    EXPECT(files->open(files->context, "a", false, &file) == Q_OK);
    write_text(files, file, 600, "over B");
    EXPECT(files->sync(files->context, file) == Q_OK);
    files->close(files->context, file);
    EXPECT(!disk_lose_write(disk, "a", 2)); /* B */
    EXPECT(disk_lose_write(disk, "a", 0));
    disk_free(disk);
}

TEST(a_misdirected_write_is_missing_in_its_place_and_found_in_another)
{
    bool same_file = false;
    bool other_file = false;
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct disk *disk = disk_of_three();
        struct files *files = disk_files(disk);
        struct file *file = create(files, "b");
        uint8_t zeros[2048] = {0};
        EXPECT(files->write(files->context, file, 0, bytes_of(zeros, sizeof zeros)) == Q_OK);
        EXPECT(files->sync(files->context, file) == Q_OK);
        EXPECT(files->sync_directory(files->context, "") == Q_OK);
        struct prng prng;
        prng_init(&prng, seed);
        EXPECT(disk_misdirect_write(disk, "a", 1, &prng));
        uint8_t byte = 0;
        size_t count = 0;
        EXPECT(files->read(files->context, file, 512, &byte, 1, &count) == Q_OK);
        other_file = other_file || byte == 'B';
        files->close(files->context, file);
        char blocks[8];
        read_blocks(disk, blocks, sizeof blocks);
        same_file = same_file || strcmp(blocks, "B0C") == 0 || strcmp(blocks, "A0B") == 0;
        disk_free(disk);
    }
    EXPECT(same_file && other_file);
}

TEST(rot_flips_one_bit_of_what_was_written)
{
    bool flipped[3] = {false};
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct disk *disk = disk_of_three();
        struct prng prng;
        prng_init(&prng, seed);
        EXPECT(disk_rot(disk, "a", &prng));
        struct files *files = disk_files(disk);
        struct file *file = NULL;
        uint8_t out[1536];
        size_t count = 0;
        int bits = 0;
        EXPECT(files->open(files->context, "a", false, &file) == Q_OK);
        EXPECT(files->read(files->context, file, 0, out, sizeof out, &count) == Q_OK);
        files->close(files->context, file);
        for (size_t i = 0; i < sizeof out; i++) {
            const unsigned change = (unsigned)(out[i] ^ (uint8_t)('A' + i / 512));
            bits += __builtin_popcount(change);
            flipped[i / 512] = flipped[i / 512] || change != 0;
        }
        EXPECT(bits == 1);
        disk_free(disk);
    }
    EXPECT(flipped[0] && flipped[1] && flipped[2]); /* The newest write, too. */
}

TEST(a_copy_holds_what_was_seen_and_neither_changes_with_the_other)
{
    struct disk *disk = disk_of_three();
    struct files *files = disk_files(disk);
    struct file *file = create(files, "unsynced");
    write_text(files, file, 0, "seen");
    files->close(files->context, file);
    struct disk *copy = disk_copy(disk);
    disk_boot(copy);
    EXPECT(disk_is_clean(copy, ""));
    disk_delete(copy, "a");
    char text[8];
    read_text(disk_files(copy), "unsynced", text, sizeof text);
    EXPECT(strcmp(text, "seen") == 0);
    read_text(disk_files(copy), "a", text, sizeof text);
    EXPECT(text[0] == '-');
    EXPECT(disk_file_size(disk, "a") == 1536);
    disk_free(copy);
    disk_free(disk);
}

TEST(a_file_is_cut_and_a_directory_goes_with_all_that_is_in_it)
{
    struct disk *disk = disk_of_three();
    struct files *files = disk_files(disk);
    EXPECT(files->make_directory(files->context, "d") == Q_OK);
    files->close(files->context, create(files, "d/x"));
    files->close(files->context, create(files, "d/y"));
    EXPECT(files->sync_directory(files->context, "d") == Q_OK);
    EXPECT(files->sync_directory(files->context, "") == Q_OK);
    disk_cut(disk, "a", 700);
    EXPECT(disk_file_size(disk, "a") == 700);
    disk_delete(disk, "d");
    char text[1024];
    read_text(files, "d/x", text, sizeof text);
    EXPECT(text[0] == '-');
    read_text(files, "d/y", text, sizeof text);
    EXPECT(text[0] == '-');
    read_text(files, "a", text, sizeof text);
    EXPECT(text[0] == 'A');
    disk_free(disk);
}

TEST(a_disk_that_dies_after_some_operations_does_that_one_and_no_more)
{
    struct disk *disk = disk_new(1);
    struct files *files = disk_files(disk);
    struct file *file = create(files, "a");
    disk_die_after(disk, 3);
    write_text(files, file, 0, "one");
    EXPECT(files->sync(files->context, file) == Q_OK && !disk_is_down(disk));
    EXPECT(files->sync_directory(files->context, "") == Q_EIO && disk_is_down(disk));
    EXPECT(files->write(files->context, file, 3, bytes_of_text("two")) == Q_EIO);
    files->close(files->context, file);
    disk_kill(disk);
    disk_boot(disk);
    char text[32];
    read_text(files, "a", text, sizeof text);
    EXPECT(strcmp(text, "one") == 0);
    disk_die_after(disk, 1);
    disk_die_after(disk, 0);
    EXPECT(files->sync_directory(files->context, "") == Q_OK);
    disk_free(disk);
}

TEST_MAIN(CASE(what_was_synced_survives_every_power_failure),
          CASE(unsynced_writes_are_kept_lost_and_torn_in_some_run_each),
          CASE(a_dead_process_loses_nothing_but_makes_nothing_durable),
          CASE(a_name_is_durable_only_after_its_directory_was_synced),
          CASE(a_failed_sync_loses_its_writes_though_reads_still_see_them),
          CASE(a_full_disk_says_so_and_recovers),
          CASE(a_directory_lists_its_files_sorted),
          CASE(a_torn_write_ends_at_any_byte_or_lacks_any_of_its_sectors),
          CASE(unsynced_writes_reach_the_platter_in_any_order),
          CASE(a_failed_sync_forgets_keeps_or_reverts_its_pages),
          CASE(reads_fail_once_or_always_or_short_and_only_when_told_to),
          CASE(a_lost_write_leaves_what_was_there_before_and_nothing_else_changes),
          CASE(a_write_that_a_later_one_has_covered_cannot_be_lost),
          CASE(a_misdirected_write_is_missing_in_its_place_and_found_in_another),
          CASE(rot_flips_one_bit_of_what_was_written),
          CASE(a_copy_holds_what_was_seen_and_neither_changes_with_the_other),
          CASE(a_file_is_cut_and_a_directory_goes_with_all_that_is_in_it),
          CASE(a_disk_that_dies_after_some_operations_does_that_one_and_no_more))
