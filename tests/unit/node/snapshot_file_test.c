/* The staged file of a snapshot: read back whole, or not at all. */
#include "base/err.h"
#include "base/os/heap.h"
#include "harness/test.h"
#include "node/snapshot_file.h"
#include "sim/disk.h"

#define PIECES 3

static const char *const DATA[PIECES] = {"first piece", "second, a longer one", "3"};

static struct disk *write_whole(void)
{
    struct disk *disk = disk_new(1);
    struct files *files = disk_files(disk);
    struct snapshot_file file = {0};
    REQUIRE(snapshot_file_create(&file, files, "staged", 12, 3) == Q_OK);
    for (size_t i = 0; i < PIECES; i++) {
        REQUIRE(snapshot_file_append(&file, bytes_of_text(DATA[i])) == Q_OK);
        REQUIRE(snapshot_file_append(&file, (struct bytes){0}) == Q_OK); /* Marks nothing. */
    }
    REQUIRE(snapshot_file_finish(&file) == Q_OK);
    REQUIRE(files->sync(files->context, file.file) == Q_OK);
    REQUIRE(files->sync_directory(files->context, "") == Q_OK);
    snapshot_file_close(&file);
    return disk;
}

/* Reads all of it; what was handed over before an error is right, too. */
static int read_all(struct disk *disk, size_t *out_pieces)
{
    struct snapshot_file file = {0};
    struct buf data = {0};
    raft_index index = 0;
    raft_term term = 0;
    bool done = false;
    *out_pieces = 0;
    int err = snapshot_file_open(&file, disk_files(disk), "staged", &index, &term);
    if (err == Q_OK) {
        REQUIRE(index == 12 && term == 3);
    }
    while (err == Q_OK && !done) {
        buf_clear(&data);
        err = snapshot_file_next(&file, &data, &done);
        if (err == Q_OK && !done) {
            REQUIRE(*out_pieces < PIECES);
            REQUIRE(bytes_equal(buf_bytes(&data), bytes_of_text(DATA[*out_pieces])));
            ++*out_pieces;
        }
    }
    buf_deinit(&data);
    snapshot_file_close(&file);
    return err;
}

TEST(what_was_appended_is_read_back_in_its_pieces_and_again_after_a_rewind)
{
    struct disk *disk = write_whole();
    size_t pieces = 0;
    EXPECT(read_all(disk, &pieces) == Q_OK && pieces == PIECES);
    struct snapshot_file file = {0};
    struct buf data = {0};
    raft_index index = 0;
    raft_term term = 0;
    bool done = false;
    EXPECT(snapshot_file_open(&file, disk_files(disk), "staged", &index, &term) == Q_OK);
    for (int i = 0; i < 2; i++) {
        EXPECT(snapshot_file_next(&file, &data, &done) == Q_OK && !done);
        EXPECT(bytes_equal(buf_bytes(&data), bytes_of_text(DATA[0])));
        buf_clear(&data);
        snapshot_file_rewind(&file);
    }
    buf_deinit(&data);
    snapshot_file_close(&file);
    disk_free(disk);
}

TEST(a_file_that_ends_at_any_byte_before_its_end_is_damaged)
{
    struct disk *whole = write_whole();
    const uint64_t size = disk_file_size(whole, "staged");
    disk_free(whole);
    for (uint64_t at = 0; at < size; at++) {
        struct disk *disk = write_whole();
        size_t pieces = 0;
        disk_cut(disk, "staged", at);
        EXPECT(read_all(disk, &pieces) == Q_ECORRUPT);
        disk_free(disk);
    }
}

TEST(a_flip_of_any_byte_is_noticed_before_its_piece_is_handed_over)
{
    struct disk *whole = write_whole();
    const uint64_t size = disk_file_size(whole, "staged");
    disk_free(whole);
    for (uint64_t at = 0; at < size; at++) {
        struct disk *disk = write_whole();
        struct files *files = disk_files(disk);
        struct file *file = NULL;
        uint8_t byte = 0;
        size_t got = 0;
        size_t pieces = 0;
        EXPECT(files->open(files->context, "staged", false, &file) == Q_OK);
        EXPECT(files->read(files->context, file, at, &byte, 1, &got) == Q_OK && got == 1);
        byte ^= 0x10;
        EXPECT(files->write(files->context, file, at, bytes_of(&byte, 1)) == Q_OK);
        files->close(files->context, file);
        EXPECT(read_all(disk, &pieces) == Q_ECORRUPT);
        disk_free(disk);
    }
}

TEST(a_read_that_fails_or_ends_early_is_no_damage)
{
    for (uint32_t before = 0; before < 2; before++) {
        struct disk *disk = write_whole();
        size_t pieces = 0;
        disk_faults(disk)->reads = READ_FAILS_ONCE;
        disk_faults(disk)->reads_before = before;
        EXPECT(read_all(disk, &pieces) == Q_EIO);
        disk_faults(disk)->reads = READ_FAILS_SHORT;
        disk_faults(disk)->reads_before = before;
        EXPECT(read_all(disk, &pieces) == Q_EIO);
        EXPECT(read_all(disk, &pieces) == Q_OK && pieces == PIECES);
        disk_free(disk);
    }
}

TEST_MAIN(CASE(what_was_appended_is_read_back_in_its_pieces_and_again_after_a_rewind),
          CASE(a_file_that_ends_at_any_byte_before_its_end_is_damaged),
          CASE(a_flip_of_any_byte_is_noticed_before_its_piece_is_handed_over),
          CASE(a_read_that_fails_or_ends_early_is_no_damage))
