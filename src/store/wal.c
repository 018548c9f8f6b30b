/* The owner's side of the write-ahead log: appending, jobs, releasing. */
#include "store/wal.h"

#include "base/check.h"
#include "base/err.h"
#include "base/mark.h"
#include "base/os/heap.h"
#include "base/plant.h"
#include "store/wal_internal.h"

/* A buffer that one huge batch blew up is given back after it. */
#define BUFFER_KEPT ((size_t)8 * 1024 * 1024)

/* Any seed leaves room for more segments than there will ever be below WAL_SEGMENT_LAST. */
#define SEED_MASK (WAL_SEGMENT_LAST >> 1)

int wal_open(struct files *files,
             const struct wal_options *options,
             const struct wal_visitor *visitor,
             struct wal **out_wal,
             char *error,
             size_t error_size)
{
    Q_CHECK(error_size > 0);
    error[0] = '\0';
    struct wal *wal = heap_alloc(sizeof *wal);
    struct wal_device *device = &wal->device;
    device->files = files;
    device->segment_size =
        options->segment_size > 0 ? options->segment_size : WAL_SEGMENT_SIZE_DEFAULT;
    if (device->segment_size < WAL_SEGMENT_MINIMUM) {
        device->segment_size = WAL_SEGMENT_MINIMUM;
    }
    device->segment_size -= device->segment_size % WAL_ALIGN;
    device->spare_max = options->spare_max > 0 ? options->spare_max : WAL_SPARE_MAX;
    device->spares = heap_alloc(device->spare_max * sizeof *device->spares);
    wal->stream_table = heap_alloc(WAL_STREAM_SLOTS * sizeof *wal->stream_table);
    wal->touched = heap_alloc(WAL_STREAMS_MAX * sizeof *wal->touched);
    wal->number_next = (options->seed & SEED_MASK) > 0 ? options->seed & SEED_MASK : 1;
    const int result = wal_recover(wal, visitor, error, error_size);
    if (result != Q_OK) {
        wal_close(wal);
        return result;
    }
    *out_wal = wal;
    return Q_OK;
}

void wal_close(struct wal *wal)
{
    if (wal == NULL) {
        return;
    }
    wal_device_deinit(&wal->device);
    wal_index_deinit(wal);
    buf_deinit(&wal->pending);
    buf_deinit(&wal->job.buffer);
    heap_free(wal->job.retired);
    heap_free(wal);
}

static void write_record(struct buf *buffer, const struct wal_record *record)
{
    const struct bytes payload = record->entry.payload;
    const size_t size = WAL_RECORD_HEADER_SIZE + payload.size;
    uint8_t *room = buf_reserve(buffer, size);
    wal_record_encode(record, room);
    if (payload.size > 0) {
        memcpy(room + WAL_RECORD_HEADER_SIZE, payload.data, payload.size);
    }
    buf_added(buffer, size);
}

static void start_batch(struct buf *buffer)
{
    memset(buf_reserve(buffer, WAL_BATCH_HEADER_SIZE), 0, WAL_BATCH_HEADER_SIZE);
    buf_added(buffer, WAL_BATCH_HEADER_SIZE);
}

static wal_ticket append_record(struct wal *wal, const struct wal_record *record)
{
    const size_t size = WAL_RECORD_HEADER_SIZE + record->entry.payload.size;
    wal->appended += size;
    if (wal->failed) {
        return wal->appended; /* Never durable; the node is about to stop. */
    }
    Q_CHECK(buf_size(&wal->pending) + size <= WAL_BATCH_BODY_MAX);
    if (buf_size(&wal->pending) == 0) {
        start_batch(&wal->pending);
    }
    write_record(&wal->pending, record);
    wal->pending_count++;
    return wal->appended;
}

static size_t slot_of(struct wal *wal, group_id stream)
{
    const size_t slot = wal_slot_get(wal, stream);
    Q_CHECK(slot != WAL_SLOT_NONE);
    return slot;
}

wal_ticket wal_append_entry(struct wal *wal, const struct wal_entry *entry)
{
    Q_CHECK(entry->index > 0);
    const struct wal_record record = {.kind = WAL_RECORD_ENTRY, .entry = *entry};
    const wal_ticket ticket = append_record(wal, &record);
    wal_index_entry(wal, slot_of(wal, entry->stream), entry->index);
    return ticket;
}

wal_ticket wal_append_state(struct wal *wal, group_id stream, struct bytes state)
{
    Q_CHECK(state.size <= WAL_STATE_SIZE_MAX);
    const struct wal_record record = {.kind = WAL_RECORD_STATE,
                                      .entry = {.stream = stream, .payload = state}};
    const wal_ticket ticket = append_record(wal, &record);
    wal_index_state(wal, slot_of(wal, stream), state);
    return ticket;
}

wal_ticket wal_append_reset(struct wal *wal, group_id stream)
{
    const struct wal_record record = {.kind = WAL_RECORD_RESET, .entry = {.stream = stream}};
    const wal_ticket ticket = append_record(wal, &record);
    wal_index_reset(wal, slot_of(wal, stream));
    return ticket;
}

void wal_release(struct wal *wal, group_id stream, uint64_t upto)
{
    const size_t slot = wal_slot_find(wal, stream);
    if (slot != WAL_SLOT_NONE && wal->streams[slot].released < upto) {
        wal->streams[slot].released = upto;
    }
}

wal_ticket wal_appended(const struct wal *wal)
{
    return wal->appended;
}

wal_ticket wal_durable(const struct wal *wal)
{
    return wal->durable;
}

bool wal_has_pending(const struct wal *wal)
{
    return buf_size(&wal->pending) > 0;
}

bool wal_in_flight(const struct wal *wal)
{
    return wal->in_flight;
}

bool wal_has_failed(const struct wal *wal)
{
    return wal->failed;
}

/* Moves what is pending to the job. At the head of a segment the latest STATE of each stream comes
 * first, except where the batch holds a newer one anyway. */
static void fill_job(struct wal *wal, bool is_first)
{
    struct wal_job *job = &wal->job;
    Q_MARK_IF(WAL_BATCH_LARGE, wal->pending_count >= 64);
    job->batch.record_count = wal->pending_count;
    wal->pending_count = 0;
    if (!is_first) {
        const struct buf swapped = job->buffer;
        job->buffer = wal->pending;
        wal->pending = swapped;
        buf_clear(&wal->pending);
        return;
    }
    buf_clear(&job->buffer);
    start_batch(&job->buffer);
    for (size_t i = 0; i < wal->stream_count && !Q_PLANT(STATEHEAD); i++) {
        const struct wal_stream *stream = &wal->streams[i];
        if (stream->has_state && stream->state_ticket <= job->ticket) {
            Q_MARK(WAL_STATE_CARRIED);
            const struct wal_record record = {
                .kind = WAL_RECORD_STATE,
                .entry = {.stream = stream->id,
                          .payload = bytes_of(stream->state, stream->state_size)}};
            write_record(&job->buffer, &record);
            job->batch.record_count++;
        }
    }
    const struct bytes pending = buf_bytes(&wal->pending);
    buf_append(&job->buffer, bytes_of(pending.data + WAL_BATCH_HEADER_SIZE,
                                      pending.size - WAL_BATCH_HEADER_SIZE));
    buf_clear(&wal->pending);
}

/* Chooses the segments that nobody needs once this job is synced. Everything that made them free
 * (replacements, resets, the STATE records of the newest segment) is then durable. A segment's
 * first batch frees none: only a second batch proves that the first one was synced, and until then
 * a rotten first batch would look like a torn one and take every STATE with it. */
static void choose_retired(struct wal *wal, bool is_first)
{
    struct wal_job *job = &wal->job;
    const size_t free_count = wal_segments_free_count(wal);
    Q_MARK_IF(WAL_FIRST_BATCH_FREES_NONE, is_first && free_count > 0);
    job->retired_count = is_first ? 0 : free_count;
    if (job->retired_count == 0) {
        return;
    }
    job->retired = heap_realloc(job->retired, job->retired_count * sizeof *job->retired);
    for (size_t i = 0; i < job->retired_count; i++) {
        job->retired[i] =
            (struct wal_retired){.number = wal->segments[i].number,
                                 .is_oversized = wal->segments[i].size > wal->device.segment_size};
    }
    wal_segments_drop(wal, job->retired_count);
}

bool wal_job_begin(struct wal *wal)
{
    if (wal->failed || wal->in_flight || !wal_has_pending(wal)) {
        return false;
    }
    struct wal_job *job = &wal->job;
    const uint64_t wanted = wal_batch_size(buf_size(&wal->pending) - WAL_BATCH_HEADER_SIZE);
    const bool is_full =
        wal->write_at.offset > 0 && wal->write_at.offset + wanted > wal->device.segment_size;
    job->rolls = wal->segment_count == 0 || is_full;
    Q_MARK_IF(WAL_ROLLED, is_full);
    if (job->rolls) {
        wal->write_at = (struct wal_position){.segment = wal->number_next++};
        (void)wal_segment_add(wal, wal->write_at.segment);
    }
    const bool is_first = wal->write_at.offset == 0;
    fill_job(wal, is_first);
    job->batch.at = wal->write_at;
    job->batch.durable = wal->durable_at;
    job->batch.body_size = (uint32_t)(buf_size(&job->buffer) - WAL_BATCH_HEADER_SIZE);
    const uint64_t size = wal_batch_size(job->batch.body_size);
    const size_t padding = (size_t)(size - buf_size(&job->buffer));
    if (padding > 0) {
        memset(buf_reserve(&job->buffer, padding), 0, padding);
        buf_added(&job->buffer, padding);
    }
    job->ticket = wal->appended;
    wal_index_settle(wal);
    choose_retired(wal, is_first);
    wal->write_at.offset += size;
    wal->in_flight = true;
    return true;
}

int wal_job_write(struct wal *wal)
{
    return wal_device_write(&wal->device, &wal->job);
}

int wal_job_sync(struct wal *wal)
{
    return wal_device_sync(&wal->device, &wal->job);
}

void wal_job_end(struct wal *wal, int result)
{
    Q_CHECK(wal->in_flight);
    wal->in_flight = false;
    struct wal_job *job = &wal->job;
    if (result != Q_OK) {
        wal->failed = true;
        buf_deinit(&wal->pending);
        buf_deinit(&job->buffer);
        return;
    }
    wal->durable = job->ticket;
    wal->durable_at = wal->write_at;
    wal->syncs++;
    wal->batches_bytes += buf_size(&job->buffer);
    wal->segments[wal->segment_count - 1].size = wal->device.file_size;
    wal->spare_count = wal->device.spare_count;
    if (job->buffer.capacity > BUFFER_KEPT) {
        buf_deinit(&job->buffer);
    }
}

struct wal_stats wal_stats(const struct wal *wal)
{
    struct wal_stats stats = {.syncs = wal->syncs,
                              .batches_bytes = wal->batches_bytes,
                              .segments = (uint32_t)wal->segment_count,
                              .spares = wal->spare_count};
    /* A spare was a whole segment, or nearly. */
    stats.disk_bytes = stats.spares * wal->device.segment_size;
    for (size_t i = 0; i < wal->segment_count; i++) {
        stats.disk_bytes += wal->segments[i].size;
    }
    return stats;
}
