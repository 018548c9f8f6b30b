/* store/wal recovery: the log is stopped at every operation, torn at every byte and damaged at
 * every byte, and must give back exactly what it promised or refuse.
 */
#include "harness/fault_files.h"
#include "harness/test.h"
#include "harness/wal_model.h"
#include "store/wal_format.h"

#define SEGMENT ((size_t)4096)
#define JOBS    24

static const struct wal_options options = {.segment_size = SEGMENT, .spare_max = 2, .seed = 40};

static int open_log(struct fault_files *f, struct wal_model *model, struct wal **out_wal)
{
    const struct wal_visitor visitor = model_visitor(model);
    char error[400] = "?";
    const int result = wal_open(&f->files, &options, &visitor, out_wal, error, sizeof error);
    REQUIRE((result == Q_OK) == (error[0] == '\0'));
    return result;
}

/* Runs the workload until it is done or the world dies. Returns the operations it took. */
static uint64_t run_workload(struct fault_files *f, struct wal_history *h, uint64_t seed)
{
    struct prng prng;
    prng_init(&prng, seed);
    history_init(h);
    struct wal *wal = NULL;
    struct wal_model found;
    if (open_log(f, &found, &wal) == Q_OK) {
        (void)drive(h, wal, &prng, JOBS);
        wal_close(wal);
    }
    return f->operations;
}

/* Opens after a crash: the log holds one of the promised moments, and goes on holding it when the
 * power fails again at once, and when it is used further. */
static void check_recovery(struct fault_files *f, struct wal_history *h, struct prng *prng)
{
    struct wal *wal = NULL;
    struct wal_model found;
    REQUIRE(open_log(f, &found, &wal) == Q_OK);
    REQUIRE(history_match(h, &found, h->confirmed, h->begun) >= 0);
    wal_close(wal);
    fault_crash(f, FAULT_LOSE_ALL, prng);
    struct wal_model again;
    REQUIRE(open_log(f, &again, &wal) == Q_OK);
    REQUIRE(memcmp(&found, &again, sizeof found) == 0);
    history_resume(h, &again);
    REQUIRE(drive(h, wal, prng, 6));
    wal_close(wal);
    fault_crash(f, (enum fault_crash_mode)prng_below(prng, FAULT_MODES), prng);
    REQUIRE(open_log(f, &found, &wal) == Q_OK);
    REQUIRE(history_match(h, &found, h->begun, h->begun) >= 0);
    wal_close(wal);
}

TEST(a_crash_at_every_operation_loses_nothing_durable_and_brings_up_nothing_else)
{
    static struct wal_history h;
    struct fault_files f;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        fault_files_init(&f);
        const uint64_t total = run_workload(&f, &h, seed);
        EXPECT(h.confirmed == h.begun && h.begun > JOBS / 2);
        fault_files_deinit(&f);
        for (uint64_t at = 1; at <= total; at++) {
            for (int mode = 0; mode < FAULT_MODES; mode++) {
                struct prng prng;
                prng_init(&prng, at * 16 + (uint64_t)mode);
                fault_files_init(&f);
                f.crash_at = at;
                (void)run_workload(&f, &h, seed);
                fault_crash(&f, (enum fault_crash_mode)mode, &prng);
                check_recovery(&f, &h, &prng);
                fault_files_deinit(&f);
            }
        }
    }
}

/* The workload as run must reach what it is meant to test. */
TEST(the_workload_rolls_recycles_and_meets_oversized_batches)
{
    static struct wal_history h;
    size_t oversized = 0;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct fault_files f;
        fault_files_init(&f);
        (void)run_workload(&f, &h, seed);
        size_t spares = 0;
        uint64_t newest = 0;
        for (size_t i = 0; i < f.cache.count; i++) {
            const struct fault_name *name = &f.cache.names[i];
            spares += strncmp(name->path, "wal/spare-", 10) == 0;
            oversized += buf_size(&name->inode->cache) > SEGMENT;
            newest = strstr(name->path, ".seg") != NULL ? newest + 1 : newest;
        }
        EXPECT(spares + newest < 12);
        EXPECT(fault_find(&f.cache, "wal/0000000000000028.seg") == NULL); /* Was recycled. */
        fault_files_deinit(&f);
    }
    EXPECT(oversized > 0);
}

/* Interrupts the recovery of `world` at each of its operations; `depth` more times. */
static void interrupt_recovery(const struct fault_files *world,
                               struct wal_history *h,
                               struct prng *prng,
                               uint64_t second_step)
{
    for (uint64_t first = 1;; first++) {
        struct fault_files f;
        fault_clone(&f, world);
        f.crash_at = first;
        struct wal *wal = NULL;
        struct wal_model found;
        const bool is_through = open_log(&f, &found, &wal) == Q_OK;
        wal_close(wal);
        fault_crash(&f, (enum fault_crash_mode)prng_below(prng, FAULT_MODES), prng);
        for (uint64_t second = 1; !is_through; second += second_step) {
            struct fault_files deeper;
            fault_clone(&deeper, &f);
            deeper.crash_at = second;
            wal = NULL;
            const bool is_second_through = open_log(&deeper, &found, &wal) == Q_OK;
            wal_close(wal);
            fault_crash(&deeper, (enum fault_crash_mode)prng_below(prng, FAULT_MODES), prng);
            REQUIRE(open_log(&deeper, &found, &wal) == Q_OK);
            REQUIRE(history_match(h, &found, h->confirmed, h->begun) >= 0);
            wal_close(wal);
            fault_files_deinit(&deeper);
            if (is_second_through) {
                break;
            }
        }
        fault_files_deinit(&f);
        if (is_through) {
            return;
        }
    }
}

TEST(a_recovery_that_is_interrupted_and_interrupted_again_still_recovers)
{
    static struct wal_history h;
    struct fault_files f;
    fault_files_init(&f);
    const uint64_t total = run_workload(&f, &h, 2);
    EXPECT(h.confirmed == h.begun && h.begun > JOBS / 2);
    fault_files_deinit(&f);
    for (uint64_t at = 3; at <= total; at += 3) {
        struct prng prng;
        prng_init(&prng, at);
        fault_files_init(&f);
        f.crash_at = at;
        (void)run_workload(&f, &h, 2);
        fault_crash(&f, (enum fault_crash_mode)(at % FAULT_MODES), &prng);
        interrupt_recovery(&f, &h, &prng, 2);
        fault_files_deinit(&f);
    }
}

/* An error is final: nothing appended later is durable, and what was confirmed before survives. */
TEST(an_error_at_any_operation_once_or_for_ever_stops_the_log_and_harms_nothing)
{
    static struct wal_history h;
    struct fault_files f;
    fault_files_init(&f);
    const uint64_t total = run_workload(&f, &h, 1);
    EXPECT(h.confirmed == h.begun && h.begun > JOBS / 2);
    fault_files_deinit(&f);
    for (uint64_t at = 1; at <= total; at++) {
        for (unsigned variant = 0; variant < 8; variant++) {
            struct prng prng;
            prng_init(&prng, at * 8 + variant);
            fault_files_init(&f);
            f.fail_at = at;
            f.fail_sticky = (variant & 1) != 0;
            f.fail_err = (variant & 2) != 0 ? Q_ENOSPC : Q_EIO;
            (void)run_workload(&f, &h, 1);
            if ((variant & 4) != 0) {
                fault_crash(&f, FAULT_SECTORS, &prng);
            }
            f.fail_at = 0;
            check_recovery(&f, &h, &prng);
            fault_files_deinit(&f);
        }
    }
}

TEST(after_a_failed_job_appends_are_swallowed_and_never_durable)
{
    for (int point = 0; point < 2; point++) {
        struct fault_files f;
        fault_files_init(&f);
        struct wal_model found;
        struct wal *wal = NULL;
        EXPECT(open_log(&f, &found, &wal) == Q_OK);
        const wal_ticket first = wal_append_state(wal, 1, bytes_of_text("a"));
        EXPECT(wal_job_begin(wal));
        EXPECT(!wal_job_begin(wal)); /* One at a time. */
        f.fail_at = f.operations + (point == 0 ? 1 : 5);
        f.fail_err = Q_ENOSPC;
        int result = wal_job_write(wal);
        EXPECT((result == Q_OK) == (point == 1));
        if (result == Q_OK) {
            result = wal_job_sync(wal);
        }
        EXPECT(result == Q_ENOSPC && wal_in_flight(wal));
        wal_job_end(wal, result);
        EXPECT(wal_has_failed(wal) && !wal_in_flight(wal) && wal_durable(wal) < first);
        const wal_ticket second = wal_append_state(wal, 1, bytes_of_text("b"));
        EXPECT(second > first && wal_appended(wal) == second);
        EXPECT(!wal_has_pending(wal) && !wal_job_begin(wal));
        const uint64_t before = f.operations;
        wal_close(wal);
        EXPECT(f.operations == before);
        fault_files_deinit(&f);
    }
}

/* The kernel drops dirty pages when a sync fails. A program that starts again reads them from the
 * cache all the same; what it hands out it must first make durable in truth. */
TEST(what_a_recovery_hands_out_survives_even_after_a_failed_sync_marked_it_clean)
{
    static struct wal_history h;
    struct fault_files f;
    struct prng prng;
    prng_init(&prng, 1);
    fault_files_init(&f);
    history_init(&h);
    struct wal *wal = NULL;
    struct wal_model found;
    EXPECT(open_log(&f, &found, &wal) == Q_OK);
    EXPECT(drive(&h, wal, &prng, 3));
    (void)wal_append_state(wal, 1, bytes_of_text("not synced"));
    EXPECT(wal_job_begin(wal) && wal_job_write(wal) == Q_OK);
    f.fail_at = f.operations + 1;
    EXPECT(wal_job_sync(wal) == Q_EIO);
    wal_job_end(wal, Q_EIO);
    wal_close(wal);
    EXPECT(open_log(&f, &found, &wal) == Q_OK);
    EXPECT(found.states[0] == (hash_bytes(bytes_of_text("not synced")) | 1));
    wal_close(wal);
    fault_crash(&f, FAULT_LOSE_ALL, &prng);
    struct wal_model again;
    EXPECT(open_log(&f, &again, &wal) == Q_OK);
    EXPECT(memcmp(&found, &again, sizeof found) == 0);
    wal_close(wal);
    fault_files_deinit(&f);
}

/* A log of a few synced jobs over several segments, and one more batch not synced. */
static struct fault_inode *make_torn_log(struct fault_files *f,
                                         struct wal_history *h,
                                         struct prng *prng,
                                         bool rolls)
{
    fault_files_init(f);
    history_init(h);
    struct wal *wal = NULL;
    struct wal_model found;
    REQUIRE(open_log(f, &found, &wal) == Q_OK);
    REQUIRE(drive(h, wal, prng, 10));
    for (size_t i = 0; i < (rolls ? 10 : 3); i++) {
        drive_entry(h, wal, prng);
    }
    REQUIRE(wal_job_begin(wal));
    h->jobs[++h->begun] = h->now;
    REQUIRE(wal_job_write(wal) == Q_OK);
    wal_close(wal);
    for (struct fault_inode *inode = f->inodes; inode != NULL; inode = inode->next) {
        if (inode->write_count > 0 && inode->writes[inode->write_count - 1].bytes.end > 0) {
            return inode; /* The newest file comes first. */
        }
    }
    REQUIRE(false);
    return NULL;
}

TEST(a_last_batch_torn_at_any_byte_is_cut_as_a_whole)
{
    static struct wal_history h;
    struct prng prng;
    for (uint64_t seed = 0; seed < 4; seed++) {
        struct fault_files f;
        prng_init(&prng, seed);
        struct fault_inode *torn = make_torn_log(&f, &h, &prng, seed % 2 == 1);
        const struct fault_write *last = &torn->writes[torn->write_count - 1];
        struct buf bytes = {0};
        buf_append(&bytes, buf_bytes(&last->bytes));
        const uint64_t offset = last->offset;
        fault_crash(&f, FAULT_LOSE_ALL, &prng);
        EXPECT(fault_find(&f.cache, "wal") != NULL);
        for (size_t cut = 0; cut <= 2 * buf_size(&bytes); cut++) {
            const bool is_prefix = cut <= buf_size(&bytes);
            const size_t from = is_prefix ? 0 : cut - buf_size(&bytes);
            const size_t to = is_prefix ? cut : buf_size(&bytes);
            fault_put(&torn->cache, offset + from, bytes_of(bytes.data + from, to - from));
            struct fault_files g;
            fault_clone(&g, &f);
            struct wal *wal = NULL;
            struct wal_model found;
            REQUIRE(open_log(&g, &found, &wal) == Q_OK);
            const int job = history_match(&h, &found, h.confirmed, h.begun);
            REQUIRE(job >= (int)h.confirmed);
            REQUIRE(to - from < buf_size(&bytes) - WAL_ALIGN ? job == (int)h.confirmed : true);
            REQUIRE(to - from == buf_size(&bytes) ? job == (int)h.begun : true);
            wal_close(wal);
            fault_files_deinit(&g);
            buf_clear(&torn->cache);
            buf_append(&torn->cache, buf_bytes(&torn->disk));
        }
        buf_deinit(&bytes);
        fault_files_deinit(&f);
    }
}

TEST(damage_to_any_byte_of_a_synced_log_is_noticed_or_outside_what_is_promised)
{
    static struct wal_history h;
    struct fault_files f;
    fault_files_init(&f);
    (void)run_workload(&f, &h, 3);
    struct prng prng;
    prng_init(&prng, 1);
    fault_crash(&f, FAULT_LOSE_ALL, &prng);
    size_t refused = 0;
    size_t cut = 0;
    for (size_t n = 0; n < f.cache.count; n++) {
        const struct fault_name *name = &f.cache.names[n];
        for (size_t at = 0; at < buf_size(&name->inode->cache); at++) {
            const uint8_t mask = (uint8_t)prng_between(&prng, 1, 255);
            struct fault_files g;
            fault_clone(&g, &f);
            fault_damage(&g, name->path, at, mask);
            struct wal *wal = NULL;
            struct wal_model found;
            const int result = open_log(&g, &found, &wal);
            if (result == Q_OK) {
                /* Only the very last batch may be taken for a torn one. */
                const int job = history_match(&h, &found, h.confirmed - 1, h.confirmed);
                REQUIRE(job >= 0);
                cut += job != (int)h.confirmed;
                wal_close(wal);
            } else {
                REQUIRE(result == Q_ECORRUPT);
                refused++;
            }
            fault_files_deinit(&g);
        }
    }
    EXPECT(refused > 4000 && cut > 0 && cut < 2 * SEGMENT);
    fault_files_deinit(&f);
}

/* Writes a valid batch with one STATE of stream 1 into `out`. */
static size_t forge_batch(uint8_t *out, struct wal_position at, uint8_t kind, const char *state)
{
    const struct wal_record record = {.kind = WAL_RECORD_STATE,
                                      .entry = {.stream = 1, .payload = bytes_of_text(state)}};
    struct wal_batch batch = {.at = at,
                              .durable = {.segment = at.segment},
                              .body_size = (uint32_t)(WAL_RECORD_HEADER_SIZE + strlen(state)),
                              .record_count = 1};
    const size_t size = (size_t)wal_batch_size(batch.body_size);
    memset(out, 0, size);
    wal_record_encode(&record, out + WAL_BATCH_HEADER_SIZE);
    out[WAL_BATCH_HEADER_SIZE + 8] = kind;
    memcpy(out + WAL_BATCH_HEADER_SIZE + WAL_RECORD_HEADER_SIZE, state, strlen(state));
    batch.checksum =
        wal_body_checksum(bytes_of(out + WAL_BATCH_HEADER_SIZE, size - WAL_BATCH_HEADER_SIZE), at);
    wal_batch_encode(&batch, out);
    return size;
}

static void write_file(struct fault_files *f, const char *path, uint64_t at, struct bytes bytes)
{
    struct file *file = NULL;
    REQUIRE(f->files.open(f, path, fault_find(&f->cache, path) == NULL, &file) == Q_OK);
    if (file == NULL) {
        return;
    }
    REQUIRE(f->files.write(f, file, at, bytes) == Q_OK);
    REQUIRE(f->files.sync(f, file) == Q_OK);
    f->files.close(f, file);
}

/* Sectors of a torn batch land in any order: its end may be there without its beginning, and may
 * look like a batch of its own (a client chose the bytes). The cut must bury it. */
TEST(what_lies_behind_a_hole_never_comes_back_when_the_hole_is_filled)
{
    const char *path = "wal/0000000000000028.seg";
    struct fault_files f;
    fault_files_init(&f);
    EXPECT(f.files.make_directory(&f, "wal") == Q_OK);
    uint8_t forged[2 * WAL_ALIGN];
    const size_t size =
        forge_batch(forged, (struct wal_position){.segment = 40, .offset = WAL_ALIGN},
                    WAL_RECORD_STATE, "ghost");
    write_file(&f, path, WAL_ALIGN, bytes_of(forged, size));
    struct wal *wal = NULL;
    struct wal_model found;
    EXPECT(open_log(&f, &found, &wal) == Q_OK);
    EXPECT(found.states[0] == 0);
    (void)wal_append_state(wal, 1, bytes_of_text("real"));
    EXPECT(wal_job_begin(wal) && wal_job_write(wal) == Q_OK && wal_job_sync(wal) == Q_OK);
    wal_job_end(wal, Q_OK);
    wal_close(wal);
    EXPECT(open_log(&f, &found, &wal) == Q_OK);
    EXPECT(found.states[0] == (hash_bytes(bytes_of_text("real")) | 1));
    wal_close(wal);
    fault_files_deinit(&f);
}

static int say_giant(void *context, struct file *file, uint64_t *out_size)
{
    (void)context;
    (void)file;
    *out_size = ((uint64_t)8 << 30) + 1;
    return Q_OK;
}

TEST(a_segment_of_absurd_size_is_refused_before_memory_is_asked_for_it)
{
    struct fault_files f;
    fault_files_init(&f);
    EXPECT(f.files.make_directory(&f, "wal") == Q_OK);
    write_file(&f, "wal/0000000000000028.seg", 0, bytes_of_text("?"));
    f.files.size = say_giant;
    struct wal *wal = NULL;
    struct wal_model found;
    EXPECT(open_log(&f, &found, &wal) == Q_ECORRUPT);
    fault_files_deinit(&f);
}

static int (*whole_read)(void *, struct file *, uint64_t, void *, size_t, size_t *);

static int read_half(
    void *context, struct file *file, uint64_t offset, void *out, size_t size, size_t *out_read)
{
    const int err = whole_read(context, file, offset, out, size, out_read);
    *out_read /= 2;
    return err;
}

/* Symptom, seed 190 of the simulator: a node came back without its term and vote. */
TEST(a_read_that_ends_early_is_an_error_and_not_the_end_of_the_log)
{
    struct fault_files f;
    struct wal_history h;
    fault_files_init(&f);
    (void)run_workload(&f, &h, 1);
    whole_read = f.files.read;
    f.files.read = read_half;
    struct wal *wal = NULL;
    struct wal_model found;
    const struct wal_visitor visitor = model_visitor(&found);
    char error[400] = "";
    EXPECT(wal_open(&f.files, &options, &visitor, &wal, error, sizeof error) == Q_EIO);
    EXPECT(strstr(error, ".seg: cannot read all of") != NULL);
    f.files.read = whole_read;
    EXPECT(open_log(&f, &found, &wal) == Q_OK);
    EXPECT(history_match(&h, &found, h.confirmed, h.begun) >= 0);
    wal_close(wal);
    fault_files_deinit(&f);
}

TEST(a_batch_that_lies_where_it_was_not_written_to_is_not_taken_for_one)
{
    const char *path = "wal/0000000000000028.seg";
    for (int variant = 0; variant < 4; variant++) {
        struct fault_files f;
        fault_files_init(&f);
        EXPECT(f.files.make_directory(&f, "wal") == Q_OK);
        uint8_t forged[2 * WAL_ALIGN];
        const struct wal_position at = {.segment = variant == 1 ? 41 : 40,
                                        .offset = variant == 2 ? WAL_ALIGN : 0};
        const uint8_t kind = variant == 3 ? 9 : WAL_RECORD_STATE;
        const size_t size = forge_batch(forged, at, kind, "moved");
        write_file(&f, path, 0, bytes_of(forged, size));
        struct wal *wal = NULL;
        struct wal_model found;
        const int result = open_log(&f, &found, &wal);
        EXPECT(result == (variant == 3 ? Q_ECORRUPT : Q_OK)); /* 3: a kind from the future. */
        EXPECT((found.states[0] != 0) == (variant == 0));
        if (result == Q_OK) {
            wal_close(wal);
        }
        fault_files_deinit(&f);
    }
}

TEST(a_missing_segment_or_two_exchanged_sectors_are_corruption_with_a_place)
{
    static struct wal_history h;
    struct fault_files f;
    struct prng prng;
    prng_init(&prng, 5);
    fault_files_init(&f);
    history_init(&h);
    struct wal *wal = NULL;
    struct wal_model found;
    EXPECT(open_log(&f, &found, &wal) == Q_OK);
    for (uint64_t i = 1; i < 60; i++) {
        static const uint8_t payload[400];
        const struct wal_entry entry = {
            .stream = 1, .index = i, .payload = bytes_of(payload, sizeof payload)};
        (void)wal_append_entry(wal, &entry);
        EXPECT(drive_job(&h, wal));
    }
    wal_close(wal);
    fault_crash(&f, FAULT_LOSE_ALL, &prng);
    const struct wal_visitor visitor = model_visitor(&found);
    char error[400];

    struct fault_files g;
    fault_clone(&g, &f);
    EXPECT(g.files.remove(&g, "wal/000000000000002a.seg") == Q_OK);
    EXPECT(wal_open(&g.files, &options, &visitor, &wal, error, sizeof error) == Q_ECORRUPT);
    EXPECT(strstr(error, "wal/000000000000002b.seg: offset 0: the segment before") != NULL);
    fault_files_deinit(&g);

    fault_clone(&g, &f);
    struct buf *bytes = &fault_find(&g.cache, "wal/0000000000000029.seg")->inode->cache;
    uint8_t sector[WAL_ALIGN];
    memcpy(sector, bytes->data + WAL_ALIGN, WAL_ALIGN);
    memcpy(bytes->data + WAL_ALIGN, bytes->data + 3 * WAL_ALIGN, WAL_ALIGN);
    memcpy(bytes->data + 3 * WAL_ALIGN, sector, WAL_ALIGN);
    EXPECT(wal_open(&g.files, &options, &visitor, &wal, error, sizeof error) == Q_ECORRUPT);
    EXPECT(strstr(error, "wal/0000000000000029.seg: offset 512:") != NULL);
    fault_files_deinit(&g);
    fault_files_deinit(&f);
}

TEST_MAIN(CASE(a_crash_at_every_operation_loses_nothing_durable_and_brings_up_nothing_else),
          CASE(the_workload_rolls_recycles_and_meets_oversized_batches),
          CASE(a_recovery_that_is_interrupted_and_interrupted_again_still_recovers),
          CASE(an_error_at_any_operation_once_or_for_ever_stops_the_log_and_harms_nothing),
          CASE(after_a_failed_job_appends_are_swallowed_and_never_durable),
          CASE(what_a_recovery_hands_out_survives_even_after_a_failed_sync_marked_it_clean),
          CASE(a_last_batch_torn_at_any_byte_is_cut_as_a_whole),
          CASE(damage_to_any_byte_of_a_synced_log_is_noticed_or_outside_what_is_promised),
          CASE(what_lies_behind_a_hole_never_comes_back_when_the_hole_is_filled),
          CASE(a_segment_of_absurd_size_is_refused_before_memory_is_asked_for_it),
          CASE(a_read_that_ends_early_is_an_error_and_not_the_end_of_the_log),
          CASE(a_batch_that_lies_where_it_was_not_written_to_is_not_taken_for_one),
          CASE(a_missing_segment_or_two_exchanged_sectors_are_corruption_with_a_place))
