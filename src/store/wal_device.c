/* The log's files: what is done while a job is executed, away from the owner's thread. */
#include "base/check.h"
#include "base/err.h"
#include "base/mark.h"
#include "base/os/heap.h"
#include "base/plant.h"
#include "store/wal_internal.h"

#include <inttypes.h>
#include <stdio.h>

/* A segment that is new on the disk is zero-filled this far ahead of its end, after the sync, so
 * that later batches land in blocks that are there already: their fdatasync then has no journal to
 * write (89 us against 136 us), and no commit waits for 64 MiB of zeros. */
#define ZERO_AHEAD ((uint64_t)1024 * 1024)
#define ZERO_CHUNK ((size_t)64 * 1024)

void wal_segment_path(uint64_t number, char out_path[WAL_PATH_SIZE])
{
    const int size = snprintf(out_path, WAL_PATH_SIZE, WAL_DIRECTORY "/%016" PRIx64 ".seg", number);
    Q_CHECK(size > 0 && size < WAL_PATH_SIZE);
}

void wal_spare_path(uint32_t number, char out_path[WAL_PATH_SIZE])
{
    const int size = snprintf(out_path, WAL_PATH_SIZE, WAL_DIRECTORY "/spare-%" PRIu32, number);
    Q_CHECK(size > 0 && size < WAL_PATH_SIZE);
}

static int sync_log_directory(const struct wal_device *device)
{
    return device->files->sync_directory(device->files->context, WAL_DIRECTORY);
}

/* Makes the file of a new segment, of a spare when there is one. Its name is durable before its
 * first batch is written: else a batch could be durable in a file that a crash takes away. */
static int open_segment(struct wal_device *device, uint64_t number)
{
    const struct files *files = device->files;
    if (device->file != NULL) {
        files->close(files->context, device->file);
        device->file = NULL;
    }
    char path[WAL_PATH_SIZE];
    wal_segment_path(number, path);
    const bool recycles = device->spare_count > 0;
    if (recycles) {
        Q_MARK(WAL_SEGMENT_RECYCLED);
        char spare[WAL_PATH_SIZE];
        wal_spare_path(device->spares[device->spare_count - 1], spare);
        const int err = files->rename(files->context, spare, path);
        if (err != Q_OK) {
            return err;
        }
        device->spare_count--;
    }
    int err = files->open(files->context, path, !recycles, &device->file);
    if (err != Q_OK) {
        return err;
    }
    err = files->size(files->context, device->file, &device->file_size);
    if (err != Q_OK) {
        return err;
    }
    return Q_PLANT(NODIRSYNC) ? Q_OK : sync_log_directory(device);
}

int wal_device_write(struct wal_device *device, struct wal_job *job)
{
    if (job->rolls) {
        const int err = open_segment(device, job->batch.at.segment);
        if (err != Q_OK) {
            return err;
        }
    }
    /* The checksums are computed here and not in the append: this thread waits for the disk anyway.
     */
    struct bytes all = buf_bytes(&job->buffer);
    const struct bytes body =
        bytes_of(all.data + WAL_BATCH_HEADER_SIZE, all.size - WAL_BATCH_HEADER_SIZE);
    job->batch.checksum = wal_body_checksum(body, job->batch.at);
    wal_batch_encode(&job->batch, job->buffer.data + job->buffer.start);
    const struct files *files = device->files;
    const int err = files->write(files->context, device->file, job->batch.at.offset, all);
    if (err != Q_OK && !(Q_PLANT(B51) && err == Q_ENOSPC) && !(Q_PLANT(B09) && err == Q_EIO)) {
        return err;
    }
    const uint64_t end = job->batch.at.offset + all.size;
    device->file_size = end > device->file_size ? end : device->file_size;
    return Q_OK;
}

static int retire_segment(struct wal_device *device, const struct wal_retired *retired)
{
    const struct files *files = device->files;
    char path[WAL_PATH_SIZE];
    wal_segment_path(retired->number, path);
    int err = Q_OK;
    if (retired->is_oversized || device->spare_count >= device->spare_max) {
        Q_MARK(WAL_SEGMENT_REMOVED);
        err = files->remove(files->context, path);
    } else {
        Q_MARK(WAL_SEGMENT_SPARED);
        char spare[WAL_PATH_SIZE];
        wal_spare_path(device->spare_next, spare);
        err = files->rename(files->context, path, spare);
        if (err == Q_OK) {
            device->spares[device->spare_count++] = device->spare_next++;
        }
    }
    if (err != Q_OK) {
        return err;
    }
    /* One by one, so that a crash leaves a log that begins later, never one with a gap. */
    return sync_log_directory(device);
}

/* Keeps the blocks behind `end` written. Not synced here: the next batch's sync does it. */
static int zero_ahead(struct wal_device *device, uint64_t end)
{
    static const uint8_t zeros[ZERO_CHUNK];
    if (device->file_size >= device->segment_size || device->file_size - end >= ZERO_AHEAD / 2) {
        return Q_OK;
    }
    uint64_t target = device->file_size + ZERO_AHEAD;
    target = target < device->segment_size ? target : device->segment_size;
    const struct files *files = device->files;
    while (device->file_size < target) {
        const uint64_t left = target - device->file_size;
        const size_t size = left < ZERO_CHUNK ? (size_t)left : ZERO_CHUNK;
        const int err =
            files->write(files->context, device->file, device->file_size, bytes_of(zeros, size));
        if (err == Q_ENOSPC) {
            return Q_OK; /* It was only a favour. A batch that needs the space will say so. */
        }
        if (err != Q_OK) {
            return err;
        }
        device->file_size += size;
    }
    return Q_OK;
}

int wal_device_sync(struct wal_device *device, const struct wal_job *job)
{
    const struct files *files = device->files;
    if (!Q_PLANT(B49)) {
        int err = files->sync(files->context, device->file);
        if (Q_PLANT(FSYNCRETRY) && err != Q_OK) {
            err = files->sync(files->context, device->file);
        }
        if (err != Q_OK) {
            return err;
        }
    }
    for (size_t i = 0; i < job->retired_count; i++) {
        const int err = retire_segment(device, &job->retired[i]);
        if (err != Q_OK) {
            return err;
        }
    }
    return zero_ahead(device, job->batch.at.offset + buf_size(&job->buffer));
}

void wal_device_deinit(struct wal_device *device)
{
    if (device->file != NULL) {
        device->files->close(device->files->context, device->file);
    }
    heap_free(device->spares);
}
