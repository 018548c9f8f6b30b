/* Fuzzes recovery of the log: bytes as the contents of its segments.
 *
 * The first byte chooses: bit 0 = make the checksums right first (else hardly anything gets past
 * them), bits 1-2 = into how many segments the rest is cut. Whatever the bytes are, wal_open must
 * return, and a log that opens must take a batch and open again with it.
 */
#include "base/check.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/os/heap.h"
#include "harness/fault_files.h"
#include "store/wal.h"
#include "store/wal_format.h"

#include <stdio.h>

#define FIRST ((uint64_t)0x28)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    uint64_t records;
    uint64_t states_of_1;
    uint8_t last_state_of_1;
};

/* Reads every byte, for the address sanitizer's sake. */
static uint64_t hash_seen(struct bytes bytes)
{
    return hash_bytes(bytes) | 1;
}

static void see_entry(void *context, const struct wal_entry *entry)
{
    Q_CHECK(entry->index > 0);
    ((struct seen *)context)->records += hash_seen(entry->payload);
}

static void see_state(void *context, group_id stream, struct bytes state)
{
    struct seen *seen = context;
    Q_CHECK(state.size <= WAL_STATE_SIZE_MAX);
    seen->records += hash_seen(state);
    if (stream == 1) {
        seen->states_of_1++;
        seen->last_state_of_1 = state.size == 1 ? state.data[0] : 0;
    }
}

static void see_reset(void *context, group_id stream)
{
    (void)stream;
    ((struct seen *)context)->records++;
}

/* Rewrites position and checksums of what looks like a run of batches. */
static void make_valid(uint8_t *data, size_t size, uint64_t segment)
{
    uint64_t offset = 0;
    while (offset + WAL_BATCH_HEADER_SIZE <= size) {
        uint8_t *header = data + offset;
        struct reader r = reader_of(bytes_of(header, WAL_BATCH_HEADER_SIZE));
        (void)read_u32(&r);
        struct wal_batch batch = {.body_size = read_u32(&r),
                                  .at = {.segment = segment, .offset = offset}};
        (void)read_bytes(&r, 16);
        batch.durable.segment = read_u64(&r);
        batch.durable.offset = read_u64(&r);
        batch.record_count = read_u32(&r);
        const uint64_t total = wal_batch_size(batch.body_size);
        if (total <= size - offset) {
            batch.checksum = wal_body_checksum(
                bytes_of(header + WAL_BATCH_HEADER_SIZE, (size_t)total - WAL_BATCH_HEADER_SIZE),
                batch.at);
        }
        wal_batch_encode(&batch, header);
        offset += total;
    }
}

static void add_segment(struct fault_files *f, uint64_t number, struct bytes bytes)
{
    char path[FAULT_PATH_SIZE];
    (void)snprintf(path, sizeof path, "wal/%016llx.seg", (unsigned long long)number);
    struct file *file = NULL;
    Q_CHECK(f->files.open(f, path, true, &file) == Q_OK);
    Q_CHECK(f->files.write(f, file, 0, bytes) == Q_OK);
    Q_CHECK(f->files.sync(f, file) == Q_OK);
    f->files.close(f, file);
}

static int open_log(struct fault_files *f, struct seen *seen, struct wal **out_wal)
{
    *seen = (struct seen){0};
    const struct wal_options options = {.segment_size = 4096, .spare_max = 1, .seed = 1};
    const struct wal_visitor visitor = {
        .context = seen, .entry = see_entry, .state = see_state, .reset = see_reset};
    char error[400];
    return wal_open(&f->files, &options, &visitor, out_wal, error, sizeof error);
}

static void use_log(struct fault_files *f, struct wal *wal)
{
    const uint8_t mark = 0x5a;
    (void)wal_append_state(wal, 1, bytes_of(&mark, 1));
    Q_CHECK(wal_job_begin(wal));
    Q_CHECK(wal_job_write(wal) == Q_OK && wal_job_sync(wal) == Q_OK);
    wal_job_end(wal, Q_OK);
    wal_close(wal);
    struct seen seen;
    Q_CHECK(open_log(f, &seen, &wal) == Q_OK);
    Q_CHECK(seen.states_of_1 > 0 && seen.last_state_of_1 == mark);
    wal_close(wal);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) {
        return 0;
    }
    const bool fixes = (data[0] & 1) != 0;
    const size_t segments = 1 + (data[0] >> 1 & 3);
    struct fault_files f;
    fault_files_init(&f);
    Q_CHECK(f.files.make_directory(&f, "wal") == Q_OK);
    /* Segments of at most 2 KiB but for the last, so that the fuzzer can shift whole sectors. */
    const uint8_t *at = data + 1;
    size_t left = size - 1;
    for (size_t i = 0; i < segments; i++) {
        const size_t part = i + 1 == segments || left < 2048 ? left : 2048;
        uint8_t *copy = heap_alloc_raw(part);
        if (part > 0) {
            memcpy(copy, at, part);
        }
        if (fixes) {
            make_valid(copy, part, FIRST + i);
        }
        add_segment(&f, FIRST + i, bytes_of(copy, part));
        heap_free(copy);
        at += part;
        left -= part;
    }
    struct seen seen;
    struct wal *wal = NULL;
    const int result = open_log(&f, &seen, &wal);
    Q_CHECK(result == Q_OK || result == Q_ECORRUPT);
    if (result == Q_OK) {
        use_log(&f, wal);
    }
    fault_files_deinit(&f);
    return 0;
}
