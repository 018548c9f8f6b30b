/* store/wal on real files: smoke. */
#include "harness/temporary_directory.h"
#include "harness/test.h"

#include "base/err.h"
#include "store/wal.h"

struct seen {
    uint64_t entries;
    uint64_t last;
    uint64_t states;
    uint64_t resets;
};

static void see_entry(void *context, const struct wal_entry *entry)
{
    struct seen *seen = context;
    seen->entries++;
    seen->last = entry->index;
}

static void see_state(void *context, group_id stream, struct bytes state)
{
    (void)stream;
    (void)state;
    ((struct seen *)context)->states++;
}

static void see_reset(void *context, group_id stream)
{
    (void)stream;
    ((struct seen *)context)->resets++;
}

TEST(what_was_synced_is_there_after_a_reopen)
{
    struct temporary_directory directory;
    temporary_directory_make(&directory);
    struct files *files = os_files_new(directory.path);
    struct seen seen = {0};
    const struct wal_visitor visitor = {
        .context = &seen, .entry = see_entry, .state = see_state, .reset = see_reset};
    const struct wal_options options = {.segment_size = 8192, .spare_max = 2, .seed = 5};
    struct wal *wal = NULL;
    char error[256];
    EXPECT(wal_open(files, &options, &visitor, &wal, error, sizeof error) == Q_OK);
    for (uint64_t i = 1; i <= 200; i++) {
        const struct wal_entry entry = {
            .stream = 1, .index = i, .term = 1, .payload = bytes_of_text("hello")};
        const wal_ticket ticket = wal_append_entry(wal, &entry);
        wal_append_state(wal, 1, bytes_of(&i, sizeof i));
        EXPECT(wal_durable(wal) < ticket);
        EXPECT(wal_job_begin(wal));
        int result = wal_job_write(wal);
        if (result == Q_OK) {
            result = wal_job_sync(wal);
        }
        EXPECT(result == Q_OK);
        wal_job_end(wal, result);
        EXPECT(wal_durable(wal) >= ticket);
        wal_release(wal, 1, i > 20 ? i - 20 : 0);
    }
    const struct wal_stats stats = wal_stats(wal);
    EXPECT(stats.segments <= 4 && stats.spares > 0);
    wal_close(wal);
    EXPECT(wal_open(files, &options, &visitor, &wal, error, sizeof error) == Q_OK);
    EXPECT(seen.last == 200 && seen.entries >= 20 && seen.entries < 100);
    wal_close(wal);
    os_files_free(files);
    temporary_directory_remove(&directory);
}

TEST_MAIN(CASE(what_was_synced_is_there_after_a_reopen))
