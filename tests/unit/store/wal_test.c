/* store/wal in ordinary weather: group commit, rolling, recycling, what a reopen gives back. */
#include "base/err.h"
#include "base/os/heap.h"
#include "harness/fault_files.h"
#include "harness/temporary_directory.h"
#include "harness/test.h"
#include "store/wal.h"
#include "store/wal_format.h"

#include <pthread.h>

#define SEGMENT ((size_t)8192)

static const struct wal_options options = {.segment_size = SEGMENT, .spare_max = 2, .seed = 40};

/* What a recovery handed over, for streams 1 and 2; of state only the latest. */
struct seen {
    uint64_t entries[3];
    uint64_t first[3];
    uint64_t last[3];
    uint64_t last_size[3];
    uint64_t resets[3];
    char state[3][16];
    uint64_t states;
};

static void see_entry(void *context, const struct wal_entry *entry)
{
    struct seen *seen = context;
    REQUIRE(entry->stream < 3);
    seen->entries[entry->stream]++;
    if (seen->first[entry->stream] == 0) {
        seen->first[entry->stream] = entry->index;
    }
    seen->last[entry->stream] = entry->index;
    seen->last_size[entry->stream] = entry->payload.size;
}

static void see_state(void *context, group_id stream, struct bytes state)
{
    struct seen *seen = context;
    seen->states++;
    if (stream < 3 && state.size < 16) {
        memset(seen->state[stream], 0, 16);
        memcpy(seen->state[stream], state.data, state.size);
    }
}

static void see_reset(void *context, group_id stream)
{
    struct seen *seen = context;
    seen->resets[stream]++;
    seen->entries[stream] = 0;
    seen->first[stream] = 0;
}

static int try_open(struct files *files, struct seen *seen, struct wal **out_wal)
{
    *seen = (struct seen){.states = 0};
    const struct wal_visitor visitor = {
        .context = seen, .entry = see_entry, .state = see_state, .reset = see_reset};
    char error[400];
    return wal_open(files, &options, &visitor, out_wal, error, sizeof error);
}

static struct wal *open_log(struct files *files, struct seen *seen)
{
    struct wal *wal = NULL;
    REQUIRE(try_open(files, seen, &wal) == Q_OK);
    return wal;
}

static void commit(struct wal *wal)
{
    REQUIRE(wal_job_begin(wal));
    REQUIRE(wal_job_write(wal) == Q_OK);
    REQUIRE(wal_job_sync(wal) == Q_OK);
    wal_job_end(wal, Q_OK);
    REQUIRE(wal_durable(wal) == wal_appended(wal) || wal_has_pending(wal));
}

static wal_ticket append(struct wal *wal, group_id stream, uint64_t index, size_t size)
{
    static const uint8_t zeros[SEGMENT * 2];
    const struct wal_entry entry = {
        .stream = stream, .index = index, .term = 1, .payload = bytes_of(zeros, size)};
    return wal_append_entry(wal, &entry);
}

static size_t count_files(struct fault_files *f, const char *prefix)
{
    size_t count = 0;
    for (size_t i = 0; i < f->cache.count; i++) {
        count += strncmp(f->cache.names[i].path, prefix, strlen(prefix)) == 0;
    }
    return count;
}

TEST(a_record_is_durable_when_the_job_that_took_it_has_ended)
{
    struct fault_files f;
    fault_files_init(&f);
    struct seen seen;
    struct wal *wal = open_log(&f.files, &seen);
    EXPECT(!wal_has_pending(wal) && !wal_job_begin(wal));
    const wal_ticket first = append(wal, 1, 1, 10);
    const wal_ticket second = wal_append_state(wal, 1, bytes_of_text("s"));
    EXPECT(first < second && wal_appended(wal) == second && wal_durable(wal) < first);
    EXPECT(wal_job_begin(wal) && wal_in_flight(wal) && !wal_has_pending(wal));
    const wal_ticket third = append(wal, 1, 2, 10);
    const wal_ticket fourth = append(wal, 1, 3, 10);
    EXPECT(!wal_job_begin(wal));
    EXPECT(wal_job_write(wal) == Q_OK && wal_job_sync(wal) == Q_OK);
    EXPECT(wal_durable(wal) < first);
    wal_job_end(wal, Q_OK);
    EXPECT(wal_durable(wal) == second && wal_durable(wal) < third && wal_has_pending(wal));
    commit(wal);
    EXPECT(wal_durable(wal) == fourth);
    EXPECT(wal_stats(wal).syncs == 2 && wal_stats(wal).batches_bytes == 2 * WAL_ALIGN);
    wal_close(wal);
    wal = open_log(&f.files, &seen);
    EXPECT(seen.entries[1] == 3 && seen.last[1] == 3 && strcmp(seen.state[1], "s") == 0);
    EXPECT(wal_durable(wal) == wal_appended(wal));
    wal_close(wal);
    wal_close(NULL);
    fault_files_deinit(&f);
}

TEST(every_field_of_an_entry_comes_back)
{
    struct fault_files f;
    fault_files_init(&f);
    struct seen seen;
    struct wal *wal = open_log(&f.files, &seen);
    const struct wal_entry wanted = {.stream = 2,
                                     .index = UINT64_MAX - 1,
                                     .term = UINT64_MAX,
                                     .hlc = UINT64_C(0x0123456789abcdef),
                                     .kind = 255,
                                     .payload = bytes_of_text("payload")};
    (void)wal_append_entry(wal, &wanted);
    commit(wal);
    wal_close(wal);
    const struct fault_name *name = fault_find(&f.cache, "wal/0000000000000028.seg");
    EXPECT(name != NULL);
    if (name == NULL) {
        return;
    }
    struct reader reader = reader_of(buf_bytes(&name->inode->cache));
    (void)read_bytes(&reader, WAL_BATCH_HEADER_SIZE);
    struct wal_record record;
    EXPECT(wal_record_decode(&reader, &record) == Q_OK && record.kind == WAL_RECORD_ENTRY);
    EXPECT(record.entry.stream == 2 && record.entry.index == UINT64_MAX - 1);
    EXPECT(record.entry.term == UINT64_MAX && record.entry.hlc == wanted.hlc);
    EXPECT(record.entry.kind == 255 && bytes_equal(record.entry.payload, wanted.payload));
    fault_files_deinit(&f);
}

TEST(a_batch_that_just_fits_stays_and_one_byte_more_begins_a_segment)
{
    for (size_t more = 0; more < 2; more++) {
        struct fault_files f;
        fault_files_init(&f);
        struct seen seen;
        struct wal *wal = open_log(&f.files, &seen);
        (void)append(wal, 1, 1, 10);
        commit(wal);
        const size_t fits = SEGMENT - WAL_ALIGN - WAL_BATCH_HEADER_SIZE - WAL_RECORD_HEADER_SIZE;
        (void)append(wal, 1, 2, fits + more);
        commit(wal);
        EXPECT(wal_stats(wal).segments == 1 + more);
        EXPECT(count_files(&f, "wal/") == 1 + more);
        wal_close(wal);
        wal = open_log(&f.files, &seen);
        EXPECT(seen.last[1] == 2 && seen.last_size[1] == fits + more);
        wal_close(wal);
        fault_files_deinit(&f);
    }
}

TEST(a_batch_larger_than_a_segment_gets_a_longer_one_that_is_no_spare_later)
{
    struct fault_files f;
    fault_files_init(&f);
    struct seen seen;
    struct wal *wal = open_log(&f.files, &seen);
    const size_t size = (size_t)40 * 1024 * 1024;
    uint8_t *payload = heap_alloc(size);
    payload[size - 1] = 1;
    (void)append(wal, 1, 1, 10);
    commit(wal);
    const struct wal_entry entry = {
        .stream = 1, .index = 2, .term = 1, .payload = bytes_of(payload, size)};
    (void)wal_append_entry(wal, &entry);
    commit(wal);
    heap_free(payload);
    EXPECT(wal_stats(wal).disk_bytes > size);
    wal_close(wal);
    wal = open_log(&f.files, &seen);
    EXPECT(seen.last[1] == 2 && seen.last_size[1] == size);
    for (uint64_t i = 3; i < 6; i++) {
        (void)append(wal, 1, i, 10);
        wal_release(wal, 1, i);
        commit(wal);
    }
    const struct wal_stats stats = wal_stats(wal);
    EXPECT(stats.segments == 1 && stats.spares == 1 && stats.disk_bytes <= 2 * SEGMENT);
    wal_close(wal);
    fault_files_deinit(&f);
}

/* Hundreds of segments' worth of entries, released in step: the files stay few. */
TEST(released_segments_are_used_again_and_the_rest_removed)
{
    struct fault_files f;
    fault_files_init(&f);
    struct seen seen;
    struct wal *wal = open_log(&f.files, &seen);
    (void)wal_append_state(wal, 2, bytes_of_text("written once"));
    for (uint64_t i = 1; i <= 3000; i++) {
        (void)append(wal, 1, i, 400);
        commit(wal);
        /* Now and then much is released at once, more than becomes spare. */
        wal_release(wal, 1, i % 100 == 0 ? i : i / 100 * 100);
        EXPECT(count_files(&f, "wal/spare-") <= 2);
    }
    EXPECT(wal_stats(wal).segments <= 10);
    EXPECT(wal_stats(wal).segments == count_files(&f, "wal/0000"));
    EXPECT(wal_stats(wal).spares == count_files(&f, "wal/spare-"));
    EXPECT(fault_find(&f.cache, "wal/0000000000000028.seg") == NULL);
    wal_close(wal);
    wal = open_log(&f.files, &seen);
    EXPECT(seen.last[1] == 3000 && seen.first[1] > 2500);
    EXPECT(strcmp(seen.state[2], "written once") == 0);
    wal_close(wal);
    fault_files_deinit(&f);
}

TEST(a_segment_stays_while_one_entry_in_it_is_needed)
{
    struct fault_files f;
    fault_files_init(&f);
    struct seen seen;
    struct wal *wal = open_log(&f.files, &seen);
    (void)append(wal, 2, 7, 1); /* The only entry of stream 2. */
    for (uint64_t i = 1; i <= 100; i++) {
        (void)append(wal, 1, i, 400);
        commit(wal);
        wal_release(wal, 1, i);
    }
    EXPECT(wal_stats(wal).spares == 0 && wal_stats(wal).segments > 4);
    wal_release(wal, 2, 6);
    (void)append(wal, 1, 101, 1);
    commit(wal);
    EXPECT(wal_stats(wal).spares == 0);
    wal_release(wal, 2, 7);
    wal_release(wal, 9, 7); /* Nobody. */
    for (uint64_t i = 102; i < 104; i++) {
        (void)append(wal, 1, i, 1);
        commit(wal);
    }
    EXPECT(wal_stats(wal).segments <= 2 && wal_stats(wal).spares == 2);
    wal_close(wal);
    fault_files_deinit(&f);
}

/* A follower whose tail is replaced again and again must not fill its disk. */
TEST(replaced_entries_free_their_segments)
{
    struct fault_files f;
    fault_files_init(&f);
    struct seen seen;
    struct wal *wal = open_log(&f.files, &seen);
    for (uint64_t i = 0; i < 400; i++) {
        (void)append(wal, 1, 1 + i % 10, 400);
        commit(wal);
    }
    EXPECT(wal_stats(wal).segments <= 4);
    wal_close(wal);
    wal = open_log(&f.files, &seen);
    EXPECT(seen.last[1] == 10);
    wal_close(wal);
    fault_files_deinit(&f);
}

TEST(after_a_reset_lower_indexes_are_new_entries_and_old_releases_do_not_count)
{
    struct fault_files f;
    fault_files_init(&f);
    struct seen seen;
    struct wal *wal = open_log(&f.files, &seen);
    for (uint64_t i = 1; i <= 60; i++) {
        (void)append(wal, 1, i, 400);
        commit(wal);
    }
    wal_release(wal, 1, 60);
    (void)wal_append_reset(wal, 1);
    for (uint64_t i = 1; i <= 40; i++) {
        (void)append(wal, 1, i, 400);
        commit(wal);
    }
    EXPECT(wal_stats(wal).segments <= 4); /* What came before the reset is gone. */
    wal_close(wal);
    wal = open_log(&f.files, &seen);
    EXPECT(seen.first[1] == 1 && seen.entries[1] == 40 && seen.last[1] == 40);
    wal_close(wal);
    fault_files_deinit(&f);
}

/* Every number of jobs around a roll: the first batch of the newest segment rots. It may be taken
 * for torn, but then the STATE of the job before must still be there. */
TEST(a_rotten_first_batch_of_a_segment_never_takes_the_states_before_it_along)
{
    for (size_t round = 2; round < 140; round++) {
        const size_t jobs = round / 2;
        const size_t damaged = round % 2 == 0 ? 1 : WAL_BATCH_HEADER_SIZE + 1;
        struct fault_files f;
        fault_files_init(&f);
        struct seen seen;
        struct wal *wal = open_log(&f.files, &seen);
        for (size_t i = 1; i <= jobs; i++) {
            char text[16];
            const int size = snprintf(text, sizeof text, "%zu", i);
            (void)wal_append_state(wal, 1, bytes_of(text, (size_t)size));
            commit(wal);
        }
        wal_close(wal);
        const struct fault_name *newest = NULL;
        for (size_t i = 0; i < f.cache.count; i++) {
            const struct fault_name *name = &f.cache.names[i];
            if (strstr(name->path, ".seg") != NULL &&
                (newest == NULL || strcmp(name->path, newest->path) > 0)) {
                newest = name;
            }
        }
        EXPECT(newest != NULL);
        if (newest == NULL) {
            return;
        }
        fault_damage(&f, newest->path, damaged, 4);
        const int result = try_open(&f.files, &seen, &wal);
        if (result == Q_OK) {
            char wanted[16];
            (void)snprintf(wanted, sizeof wanted, "%zu", jobs - 1);
            EXPECT(strcmp(seen.state[1], jobs == 1 ? "" : wanted) == 0);
            wal_close(wal);
        } else {
            EXPECT(result == Q_ECORRUPT);
        }
        fault_files_deinit(&f);
    }
}

/* A log in which one file is all that is left, its first batch torn, was never like that: the
 * segment before it goes only after that batch. */
TEST(a_log_that_begins_with_a_broken_batch_is_refused_unless_it_is_its_very_first)
{
    for (size_t jobs = 1; jobs < 40; jobs += 38) {
        struct fault_files f;
        fault_files_init(&f);
        struct seen seen;
        struct wal *wal = open_log(&f.files, &seen);
        for (size_t i = 1; i <= jobs; i++) {
            (void)append(wal, 1, i, 400);
            commit(wal);
        }
        wal_close(wal);
        /* Segments of 16 batches: 39 jobs end in the third. Leave only that, with one batch. */
        char path[FAULT_PATH_SIZE];
        for (unsigned i = 40; jobs > 1 && i < 42; i++) {
            (void)snprintf(path, sizeof path, "wal/%016x.seg", i);
            EXPECT(f.files.remove(&f, path) == Q_OK);
        }
        (void)snprintf(path, sizeof path, "wal/%016x.seg", jobs > 1 ? 42U : 40U);
        fault_resize(&fault_find(&f.cache, path)->inode->cache, WAL_ALIGN);
        fault_damage(&f, path, WAL_BATCH_HEADER_SIZE, 1);
        EXPECT(try_open(&f.files, &seen, &wal) == (jobs == 1 ? Q_OK : Q_ECORRUPT));
        if (jobs == 1) {
            wal_close(wal);
        }
        fault_files_deinit(&f);
    }
}

TEST(all_streams_with_the_largest_state_fit_and_come_back)
{
    struct fault_files f;
    fault_files_init(&f);
    struct seen seen;
    struct wal *wal = open_log(&f.files, &seen);
    static const uint8_t state[WAL_STATE_SIZE_MAX];
    for (group_id i = 1; i <= WAL_STREAMS_MAX; i++) {
        (void)wal_append_state(wal, i, bytes_of(state, sizeof state));
    }
    commit(wal);
    (void)append(wal, 1, 1, 10); /* The segment is more than full: STATEs are written again. */
    commit(wal);
    EXPECT(wal_stats(wal).segments == 2);
    (void)append(wal, 1, 2, 10);
    commit(wal);
    wal_close(wal);
    wal = open_log(&f.files, &seen);
    EXPECT(seen.states >= WAL_STREAMS_MAX && seen.last[1] == 2);
    wal_close(wal);
    fault_files_deinit(&f);
}

/* Puts one batch with these records at the start of segment 1. */
static void forge(struct fault_files *f, struct buf *records, uint32_t count)
{
    uint8_t header[WAL_BATCH_HEADER_SIZE];
    struct wal_batch batch = {
        .at = {.segment = 1}, .body_size = (uint32_t)buf_size(records), .record_count = count};
    const size_t size = (size_t)wal_batch_size(batch.body_size) - WAL_BATCH_HEADER_SIZE;
    const size_t padding = size - buf_size(records);
    memset(buf_reserve(records, padding), 0, padding);
    buf_added(records, padding);
    batch.checksum = wal_body_checksum(buf_bytes(records), batch.at);
    wal_batch_encode(&batch, header);
    REQUIRE(f->files.make_directory(f, "wal") == Q_OK);
    struct file *file = NULL;
    REQUIRE(f->files.open(f, "wal/0000000000000001.seg", true, &file) == Q_OK);
    if (file == NULL) {
        return;
    }
    REQUIRE(f->files.write(f, file, 0, bytes_of(header, sizeof header)) == Q_OK);
    REQUIRE(f->files.write(f, file, sizeof header, buf_bytes(records)) == Q_OK);
    f->files.close(f, file);
}

TEST(one_stream_too_many_or_a_state_too_large_in_a_log_is_refused)
{
    for (uint32_t extra = 0; extra < 3; extra++) {
        struct fault_files f;
        fault_files_init(&f);
        struct buf records = {0};
        const uint32_t count = WAL_STREAMS_MAX + (extra == 1);
        for (uint32_t i = 1; i <= count; i++) {
            static const uint8_t state[WAL_STATE_SIZE_MAX + 1];
            const size_t size = extra == 2 && i == count ? sizeof state : 1;
            const struct wal_record record = {.kind = WAL_RECORD_STATE,
                                              .entry = {.stream = i, .payload = {state, size}}};
            wal_record_encode(&record, buf_reserve(&records, WAL_RECORD_HEADER_SIZE));
            buf_added(&records, WAL_RECORD_HEADER_SIZE);
            buf_append(&records, record.entry.payload);
        }
        forge(&f, &records, count);
        buf_deinit(&records);
        struct seen seen;
        struct wal *wal = NULL;
        EXPECT(try_open(&f.files, &seen, &wal) == (extra == 0 ? Q_OK : Q_ECORRUPT));
        wal_close(wal);
        fault_files_deinit(&f);
    }
}

TEST(a_batch_with_more_or_fewer_records_than_it_says_is_refused)
{
    for (uint32_t count = 1; count < 4; count++) {
        struct fault_files f;
        fault_files_init(&f);
        struct buf records = {0};
        for (group_id i = 1; i < 3; i++) {
            const struct wal_record record = {.kind = WAL_RECORD_RESET, .entry = {.stream = i}};
            wal_record_encode(&record, buf_reserve(&records, WAL_RECORD_HEADER_SIZE));
            buf_added(&records, WAL_RECORD_HEADER_SIZE);
        }
        forge(&f, &records, count);
        buf_deinit(&records);
        struct seen seen;
        struct wal *wal = NULL;
        EXPECT(try_open(&f.files, &seen, &wal) == (count == 2 ? Q_OK : Q_ECORRUPT));
        wal_close(wal);
        fault_files_deinit(&f);
    }
}

TEST(segment_numbers_that_were_never_given_are_refused)
{
    const char *paths[] = {"wal/0000000000000000.seg", "wal/8000000000000000.seg",
                           "wal/7fffffffffffffff.seg"};
    for (size_t i = 0; i < 3; i++) {
        struct fault_files f;
        fault_files_init(&f);
        EXPECT(f.files.make_directory(&f, "wal") == Q_OK);
        struct file *file = NULL;
        EXPECT(f.files.open(&f, paths[i], true, &file) == Q_OK);
        f.files.close(&f, file);
        struct seen seen;
        struct wal *wal = NULL;
        EXPECT(try_open(&f.files, &seen, &wal) == (i == 2 ? Q_OK : Q_ECORRUPT));
        wal_close(wal);
        fault_files_deinit(&f);
    }
}

TEST(numbers_start_from_the_seed_only_in_an_empty_directory)
{
    struct fault_files f;
    fault_files_init(&f);
    struct seen seen;
    const struct wal_visitor visitor = {
        .context = &seen, .entry = see_entry, .state = see_state, .reset = see_reset};
    char error[400];
    struct wal *wal = NULL;
    struct wal_options other = options;
    const uint64_t seeds[] = {0, 7};
    for (size_t i = 0; i < 2; i++) {
        other.seed = seeds[i];
        EXPECT(wal_open(&f.files, &other, &visitor, &wal, error, sizeof error) == Q_OK);
        (void)append(wal, 1, 1 + i, SEGMENT);
        commit(wal);
        wal_close(wal);
    }
    EXPECT(fault_find(&f.cache, "wal/0000000000000001.seg") != NULL);
    EXPECT(fault_find(&f.cache, "wal/0000000000000002.seg") != NULL);
    fault_files_deinit(&f);
}

TEST(any_seed_makes_a_log_that_opens_again_and_goes_on)
{
    const uint64_t seeds[] = {UINT64_MAX, UINT64_MAX >> 1, (UINT64_MAX >> 1) + 1,
                              UINT64_C(1) << 62};
    for (size_t i = 0; i < sizeof seeds / sizeof seeds[0]; i++) {
        struct fault_files f;
        fault_files_init(&f);
        struct seen seen;
        const struct wal_visitor visitor = {
            .context = &seen, .entry = see_entry, .state = see_state, .reset = see_reset};
        const struct wal_options other = {.segment_size = SEGMENT, .seed = seeds[i]};
        char error[400];
        for (uint64_t round = 1; round < 4; round++) {
            struct wal *wal = NULL;
            seen = (struct seen){.states = 0};
            EXPECT(wal_open(&f.files, &other, &visitor, &wal, error, sizeof error) == Q_OK);
            EXPECT(seen.entries[1] == round - 1);
            (void)append(wal, 1, round, SEGMENT);
            commit(wal);
            wal_close(wal);
        }
        EXPECT(count_files(&f, "wal/") == 3);
        fault_files_deinit(&f);
    }
}

TEST(too_many_spares_are_removed_at_the_start_and_strangers_left_alone)
{
    struct fault_files f;
    fault_files_init(&f);
    EXPECT(f.files.make_directory(&f, "wal") == Q_OK);
    const char *names[] = {
        "wal/spare-0", "wal/spare-7",  "wal/spare-12",  "wal/spare-",
        "wal/spare-x", "wal/0028.seg", "wal/notes.txt", "wal/000000000000002G.seg",
        "wal/spare--1"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct file *file = NULL;
        EXPECT(f.files.open(&f, names[i], true, &file) == Q_OK);
        REQUIRE(file != NULL);
        f.files.close(&f, file);
    }
    struct seen seen;
    struct wal *wal = open_log(&f.files, &seen);
    EXPECT(wal_stats(wal).spares == 2 && count_files(&f, "wal/") == 8);
    (void)append(wal, 1, 1, 1);
    commit(wal);
    EXPECT(wal_stats(wal).spares == 1 && count_files(&f, "wal/") == 8);
    wal_close(wal);
    fault_files_deinit(&f);
}

TEST(a_new_segment_is_zero_filled_ahead_and_never_past_its_size)
{
    struct fault_files f;
    fault_files_init(&f);
    struct seen seen;
    const struct wal_visitor visitor = {
        .context = &seen, .entry = see_entry, .state = see_state, .reset = see_reset};
    const uint64_t size = (uint64_t)5 * 512 * 1024;
    const struct wal_options large = {.segment_size = size, .seed = 1};
    char error[400];
    struct wal *wal = NULL;
    EXPECT(wal_open(&f.files, &large, &visitor, &wal, error, sizeof error) == Q_OK);
    uint64_t written = 0;
    for (uint64_t i = 1; wal_stats(wal).segments < 2; i++) {
        (void)append(wal, 1, i, SEGMENT);
        commit(wal);
        const uint64_t file =
            buf_size(&fault_find(&f.cache, "wal/0000000000000001.seg")->inode->cache);
        written += wal_batch_size(SEGMENT + WAL_RECORD_HEADER_SIZE);
        EXPECT(file <= size && (file == size || file - written >= UINT64_C(512) * 1024));
    }
    wal_close(wal);
    fault_files_deinit(&f);
}

TEST(a_log_that_cannot_be_opened_says_where_and_why)
{
    struct fault_files f;
    fault_files_init(&f);
    struct seen seen;
    struct wal *wal = open_log(&f.files, &seen);
    (void)append(wal, 1, 1, 1);
    commit(wal);
    wal_close(wal);
    const struct wal_visitor visitor = {
        .context = &seen, .entry = see_entry, .state = see_state, .reset = see_reset};
    const char *wanted[] = {"wal: cannot make or list",
                            "wal: cannot make or list",
                            "wal: cannot make or list",
                            "wal/0000000000000028.seg: cannot open",
                            "wal/0000000000000028.seg: cannot get the size",
                            "wal/0000000000000028.seg: cannot read",
                            "wal: cannot repair"};
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        char error[400];
        f.operations = 0;
        f.fail_at = i + 1;
        EXPECT(wal_open(&f.files, &options, &visitor, &wal, error, sizeof error) == Q_EIO);
        EXPECT(strncmp(error, wanted[i], strlen(wanted[i])) == 0);
    }
    fault_files_deinit(&f);
}

/* The log thread of the server, reduced to its handing over. */
struct log_thread {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct wal *wal;
    bool has_job;
    bool is_done;
    bool stops;
    int result;
};

static void *run_log_thread(void *context)
{
    struct log_thread *t = context;
    (void)pthread_mutex_lock(&t->mutex);
    for (;;) {
        while (!t->has_job && !t->stops) {
            (void)pthread_cond_wait(&t->changed, &t->mutex);
        }
        if (t->stops) {
            break;
        }
        t->has_job = false;
        (void)pthread_mutex_unlock(&t->mutex);
        int result = wal_job_write(t->wal);
        if (result == Q_OK) {
            result = wal_job_sync(t->wal);
        }
        (void)pthread_mutex_lock(&t->mutex);
        t->result = result;
        t->is_done = true;
        (void)pthread_cond_signal(&t->changed);
    }
    (void)pthread_mutex_unlock(&t->mutex);
    return NULL;
}

/* Ends a finished job and begins the next one. */
static void turn(struct log_thread *t, bool waits)
{
    (void)pthread_mutex_lock(&t->mutex);
    while (waits && wal_in_flight(t->wal) && !t->is_done) {
        (void)pthread_cond_wait(&t->changed, &t->mutex);
    }
    if (t->is_done) {
        t->is_done = false;
        wal_job_end(t->wal, t->result);
    }
    if (wal_job_begin(t->wal)) {
        t->has_job = true;
        (void)pthread_cond_signal(&t->changed);
    }
    (void)pthread_mutex_unlock(&t->mutex);
}

TEST(a_thread_executes_jobs_on_real_files_while_the_owner_goes_on_appending)
{
    struct temporary_directory directory;
    temporary_directory_make(&directory);
    struct files *files = os_files_new(directory.path);
    EXPECT(files != NULL);
    struct seen seen;
    struct log_thread t = {.wal = open_log(files, &seen)};
    EXPECT(pthread_mutex_init(&t.mutex, NULL) == 0 && pthread_cond_init(&t.changed, NULL) == 0);
    pthread_t thread;
    EXPECT(pthread_create(&thread, NULL, run_log_thread, &t) == 0);
    for (uint64_t i = 1; i <= 3000; i++) {
        (void)append(t.wal, 1, i, 100);
        (void)wal_append_state(t.wal, 2, bytes_of_text("owner"));
        wal_release(t.wal, 1, i > 50 ? i - 50 : 0);
        turn(&t, i % 10 == 0);
        EXPECT(wal_stats(t.wal).segments > 0 && wal_durable(t.wal) <= wal_appended(t.wal));
    }
    while (wal_durable(t.wal) < wal_appended(t.wal)) {
        turn(&t, true);
    }
    EXPECT(!wal_has_failed(t.wal) && wal_stats(t.wal).syncs >= 300);
    (void)pthread_mutex_lock(&t.mutex);
    t.stops = true;
    (void)pthread_cond_signal(&t.changed);
    (void)pthread_mutex_unlock(&t.mutex);
    EXPECT(pthread_join(thread, NULL) == 0);
    (void)pthread_cond_destroy(&t.changed);
    (void)pthread_mutex_destroy(&t.mutex);
    wal_close(t.wal);
    struct wal *wal = open_log(files, &seen);
    EXPECT(seen.last[1] == 3000 && seen.entries[1] >= 50 && strcmp(seen.state[2], "owner") == 0);
    wal_close(wal);
    os_files_free(files);
    temporary_directory_remove(&directory);
}

TEST_MAIN(CASE(a_record_is_durable_when_the_job_that_took_it_has_ended),
          CASE(every_field_of_an_entry_comes_back),
          CASE(a_batch_that_just_fits_stays_and_one_byte_more_begins_a_segment),
          CASE(a_batch_larger_than_a_segment_gets_a_longer_one_that_is_no_spare_later),
          CASE(released_segments_are_used_again_and_the_rest_removed),
          CASE(a_segment_stays_while_one_entry_in_it_is_needed),
          CASE(replaced_entries_free_their_segments),
          CASE(after_a_reset_lower_indexes_are_new_entries_and_old_releases_do_not_count),
          CASE(a_rotten_first_batch_of_a_segment_never_takes_the_states_before_it_along),
          CASE(a_log_that_begins_with_a_broken_batch_is_refused_unless_it_is_its_very_first),
          CASE(all_streams_with_the_largest_state_fit_and_come_back),
          CASE(one_stream_too_many_or_a_state_too_large_in_a_log_is_refused),
          CASE(a_batch_with_more_or_fewer_records_than_it_says_is_refused),
          CASE(segment_numbers_that_were_never_given_are_refused),
          CASE(numbers_start_from_the_seed_only_in_an_empty_directory),
          CASE(any_seed_makes_a_log_that_opens_again_and_goes_on),
          CASE(too_many_spares_are_removed_at_the_start_and_strangers_left_alone),
          CASE(a_new_segment_is_zero_filled_ahead_and_never_past_its_size),
          CASE(a_log_that_cannot_be_opened_says_where_and_why),
          CASE(a_thread_executes_jobs_on_real_files_while_the_owner_goes_on_appending))
