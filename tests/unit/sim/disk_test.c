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
          CASE(a_disk_that_dies_after_some_operations_does_that_one_and_no_more))
