/* Reads the log back after a start: docs/formats/wal.md describes the algorithm. */
#include "base/err.h"
#include "base/mark.h"
#include "base/os/heap.h"
#include "base/plant.h"
#include "store/wal_internal.h"

#include <inttypes.h>
#include <stdio.h>

#define REPAIR_CHUNK ((size_t)64 * 1024)
/* Far above any segment: stops a senseless file size from being believed. */
#define SEGMENT_FILE_MAX ((uint64_t)8 << 30)

#define ADVICE                                                                                     \
    "do not delete anything by hand: leave this node stopped, keep its directory, and let the "    \
    "others go on; a node that lost its log cannot be taken back yet"

/* Everything `wal/` holds. */
struct listing {
    uint64_t *segments; /* Owned. Ascending, as names are listed in order. */
    size_t segment_count;
    uint32_t *spares; /* Owned. */
    size_t spare_count;
};

struct recovery {
    struct wal *wal;
    const struct wal_visitor *visitor;
    struct listing listing;
    char *error;
    size_t error_size;

    /* The segment being read. */
    size_t at;       /* Its place in the listing. */
    uint8_t *data;   /* Owned. The whole file. */
    size_t size;     /* Of the file. */
    uint64_t last;   /* Offset of its last valid batch, when `end` > 0. */
    uint64_t end;    /* One past its last valid batch. */
    bool is_started; /* There is a valid header at `end`, but not the batch it promises. */
    struct wal_position promised_durable; /* Of that header. */
};

static bool parse_segment_name(const char *name, uint64_t *out_number)
{
    if (strlen(name) != 20 || strcmp(name + 16, ".seg") != 0) {
        return false;
    }
    uint64_t number = 0;
    for (size_t i = 0; i < 16; i++) {
        const char c = name[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
            return false;
        }
        number = number << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    *out_number = number;
    return true;
}

static bool parse_spare_name(const char *name, uint32_t *out_number)
{
    int64_t number = 0;
    if (strncmp(name, "spare-", 6) != 0 || !bytes_to_int64(bytes_of_text(name + 6), &number) ||
        number < 0 || number >= UINT32_MAX) {
        return false;
    }
    *out_number = (uint32_t)number;
    return true;
}

static void visit_name(void *context, const char *name)
{
    struct listing *listing = context;
    uint64_t segment = 0;
    uint32_t spare = 0;
    if (parse_segment_name(name, &segment)) {
        listing->segments = heap_realloc(listing->segments,
                                         (listing->segment_count + 1) * sizeof *listing->segments);
        listing->segments[listing->segment_count++] = segment;
    } else if (parse_spare_name(name, &spare)) {
        listing->spares =
            heap_realloc(listing->spares, (listing->spare_count + 1) * sizeof *listing->spares);
        listing->spares[listing->spare_count++] = spare;
    }
}

/* Says what is wrong with a segment and passes `err` through. */
static int complain(const struct recovery *r, uint64_t segment, uint64_t offset, const char *what)
{
    char path[WAL_PATH_SIZE];
    wal_segment_path(segment, path);
    (void)snprintf(r->error, r->error_size, "%s: offset %" PRIu64 ": %s; " ADVICE, path, offset,
                   what);
    return Q_ECORRUPT;
}

static int complain_io(const struct recovery *r, const char *path, const char *what, int err)
{
    (void)snprintf(r->error, r->error_size, "%s: cannot %s: %s", path, what, err_text(err));
    return err;
}

static uint64_t number_of(const struct recovery *r)
{
    return r->listing.segments[r->at];
}

static struct wal_position position(const struct recovery *r, uint64_t offset)
{
    return (struct wal_position){.segment = number_of(r), .offset = offset};
}

static struct bytes rest_from(const struct recovery *r, uint64_t offset)
{
    return bytes_of(r->data + offset, r->size - (size_t)offset);
}

/* Opens and reads segment r->at; the file stays open as the device's. */
static int load(struct recovery *r)
{
    struct wal_device *device = &r->wal->device;
    const struct files *files = device->files;
    char path[WAL_PATH_SIZE];
    wal_segment_path(number_of(r), path);
    if (device->file != NULL) {
        files->close(files->context, device->file);
        device->file = NULL;
    }
    int err = files->open(files->context, path, false, &device->file);
    if (err != Q_OK) {
        return complain_io(r, path, "open", err);
    }
    err = files->size(files->context, device->file, &device->file_size);
    if (err != Q_OK) {
        return complain_io(r, path, "get the size", err);
    }
    if (device->file_size > SEGMENT_FILE_MAX) {
        return complain(r, number_of(r), 0, "no segment is that long");
    }
    heap_free(r->data);
    r->data = heap_alloc_raw((size_t)device->file_size);
    err =
        files->read(files->context, device->file, 0, r->data, (size_t)device->file_size, &r->size);
    if (err != Q_OK) {
        return complain_io(r, path, "read", err);
    }
    /* Taken for its end, a short read would cut off what was promised. */
    return r->size == device->file_size ? Q_OK : complain_io(r, path, "read all of", Q_EIO);
}

static int replay_record(struct recovery *r, const struct wal_record *record)
{
    struct wal *wal = r->wal;
    const struct wal_entry *entry = &record->entry;
    const size_t slot = wal_slot_get(wal, entry->stream);
    if (slot == WAL_SLOT_NONE) {
        return Q_ECORRUPT;
    }
    switch (record->kind) {
    case WAL_RECORD_ENTRY:
        wal_index_entry(wal, slot, entry->index);
        r->visitor->entry(r->visitor->context, entry);
        break;
    case WAL_RECORD_STATE:
        wal_index_state(wal, slot, entry->payload);
        r->visitor->state(r->visitor->context, entry->stream, entry->payload);
        break;
    case WAL_RECORD_RESET:
        wal_index_reset(wal, slot);
        r->visitor->reset(r->visitor->context, entry->stream);
        break;
    }
    return Q_OK;
}

/* A body whose checksum is right but which does not parse was written by other software. */
static int replay_body(struct recovery *r, const struct wal_batch *batch, struct bytes body)
{
    struct reader reader = reader_of(body);
    for (uint32_t i = 0; i < batch->record_count; i++) {
        struct wal_record record;
        if (wal_record_decode(&reader, &record) != Q_OK || replay_record(r, &record) != Q_OK) {
            return complain(r, number_of(r), r->end, "a record of an unknown form");
        }
    }
    if (!reader_is_done(&reader)) {
        return complain(r, number_of(r), r->end, "bytes behind the last record of a batch");
    }
    return Q_OK;
}

/* What lies at an offset of the loaded segment. */
enum found { FOUND_NOTHING, FOUND_HEADER, FOUND_BATCH };

static enum found find_batch(const struct recovery *r, uint64_t offset, struct wal_batch *out_batch)
{
    if (offset >= r->size) {
        return FOUND_NOTHING;
    }
    const struct bytes rest = rest_from(r, offset);
    if (!wal_batch_decode(rest, position(r, offset), out_batch)) {
        return FOUND_NOTHING;
    }
    const uint64_t size = wal_batch_size(out_batch->body_size);
    if (size > rest.size) {
        return FOUND_HEADER;
    }
    const struct bytes body =
        bytes_of(rest.data + WAL_BATCH_HEADER_SIZE, (size_t)size - WAL_BATCH_HEADER_SIZE);
    return wal_body_checksum(body, out_batch->at) == out_batch->checksum ? FOUND_BATCH
                                                                         : FOUND_HEADER;
}

/* Replays the valid batches of the loaded segment and finds its end. */
static int replay_segment(struct recovery *r)
{
    r->end = 0;
    r->last = 0;
    struct wal_batch batch = {.body_size = 0};
    enum found found = find_batch(r, 0, &batch);
    while (found == FOUND_BATCH) {
        const uint64_t next = r->end + wal_batch_size(batch.body_size);
        struct wal_batch next_batch = {.body_size = 0};
        const enum found next_found = find_batch(r, next, &next_batch);
        if (Q_PLANT(B50) && next_found == FOUND_HEADER) {
            break; /* The repair of a torn batch takes the durable one before it along. */
        }
        const uint8_t *body = r->data + r->end + WAL_BATCH_HEADER_SIZE;
        const int err = replay_body(r, &batch, bytes_of(body, batch.body_size));
        if (err != Q_OK) {
            return err;
        }
        r->last = r->end;
        r->end = next;
        batch = next_batch;
        found = next_found;
    }
    r->is_started = found == FOUND_HEADER;
    Q_MARK_IF(WAL_TORN_BATCH, r->is_started);
    r->promised_durable = batch.durable;
    return Q_OK;
}

/* Is there, behind the end, a batch that was written when more than that was durable? Its header
 * is proof enough: it was written only after the sync of what it calls durable. */
static bool knows_more(const struct recovery *r)
{
    const struct wal_position end = position(r, r->end);
    for (uint64_t offset = r->end + WAL_ALIGN; offset < r->size; offset += WAL_ALIGN) {
        struct wal_batch batch;
        if (wal_batch_decode(rest_from(r, offset), position(r, offset), &batch) &&
            wal_position_compare(batch.durable, end) > 0) {
            return true;
        }
    }
    return false;
}

/* Does the segment before really end where the loaded one says? `before` is its end. */
static int check_joint(const struct recovery *r, struct wal_position before)
{
    struct wal_batch batch;
    if (!wal_batch_decode(rest_from(r, 0), position(r, 0), &batch)) {
        return Q_OK; /* Nothing to say; run_segments looks at what that means. */
    }
    if (batch.durable.segment == before.segment && batch.durable.offset == before.offset) {
        return Q_OK;
    }
    if (batch.durable.segment == before.segment) {
        return complain(r, before.segment, before.offset, "a batch known to be durable is damaged");
    }
    return complain(r, number_of(r), 0, "the segment before this one is missing");
}

/* Is what lies at the end of the loaded segment damage, and not just the end? */
static int check_end(const struct recovery *r)
{
    const bool is_last = r->at + 1 == r->listing.segment_count;
    if (Q_PLANT(B50)) {
        return Q_OK;
    }
    if (knows_more(r) || (!is_last && (r->is_started || r->end == 0))) {
        Q_MARK(WAL_DAMAGE_FOUND);
        return complain(r, number_of(r), r->end, "a batch known to be durable is damaged");
    }
    /* The segment before the oldest one was given up only after the oldest one's first batch. */
    if (r->at == 0 && r->end == 0 && r->is_started && r->promised_durable.segment != 0) {
        return complain(r, number_of(r), 0, "the first batch of the log is damaged");
    }
    if (Q_PLANT(B48) && r->is_started) {
        return complain(r, number_of(r), r->end, "torn record");
    }
    return Q_OK;
}

static int replay_all(struct recovery *r)
{
    struct wal *wal = r->wal;
    for (r->at = 0; r->at < r->listing.segment_count; r->at++) {
        const uint64_t number = number_of(r);
        if (number == 0 || number > WAL_SEGMENT_LAST) {
            return complain(r, number, 0, "no segment has this number");
        }
        int err = load(r);
        if (err == Q_OK && r->at > 0) {
            err = check_joint(r, wal->durable_at);
        }
        if (err != Q_OK) {
            return err;
        }
        wal_segment_add(wal, number)->size = r->size;
        err = replay_segment(r);
        if (err == Q_OK) {
            err = check_end(r);
        }
        if (err != Q_OK) {
            return err;
        }
        wal_index_settle(wal);
        if (r->end > 0) {
            wal->durable_at = position(r, r->end);
        } else {
            Q_MARK(WAL_LAST_EMPTY);
        }
        wal->write_at = position(r, r->end);
        wal->number_next = number + 1;
    }
    r->at = r->listing.segment_count > 0 ? r->listing.segment_count - 1 : 0;
    return Q_OK;
}

static bool is_zero(struct bytes bytes)
{
    return bytes.size == 0 ||
           (bytes.data[0] == 0 && memcmp(bytes.data, bytes.data + 1, bytes.size - 1) == 0);
}

/* Writes zeros over everything behind the end that is not zero yet: the remains of a torn batch
 * must not come back to life when a later batch happens to end where they begin. */
static int zero_rest(struct recovery *r)
{
    static const uint8_t zeros[REPAIR_CHUNK];
    const struct wal_device *device = &r->wal->device;
    for (uint64_t offset = r->end; offset < r->size; offset += REPAIR_CHUNK) {
        struct bytes chunk = rest_from(r, offset);
        chunk.size = chunk.size < REPAIR_CHUNK ? chunk.size : REPAIR_CHUNK;
        if (is_zero(chunk)) {
            continue;
        }
        Q_MARK(WAL_TORN_CUT);
        const int err = device->files->write(device->files->context, device->file, offset,
                                             bytes_of(zeros, chunk.size));
        if (err != Q_OK) {
            return err;
        }
    }
    return Q_OK;
}

/* Makes what was read true: the last batch may be in the page cache only, and after a failed sync
 * its pages may even be marked clean, so it is written once more, then synced. Everything here may
 * be interrupted and done again. */
static int repair_end(struct recovery *r)
{
    const struct wal_device *device = &r->wal->device;
    const struct files *files = device->files;
    int err = Q_OK;
    if (device->file != NULL) {
        const struct bytes last = bytes_of(r->data + r->last, (size_t)(r->end - r->last));
        if (!Q_PLANT(NOREWRITE)) {
            err = files->write(files->context, device->file, r->last, last);
        }
        if (err == Q_OK) {
            err = zero_rest(r);
        }
        if (err == Q_OK) {
            err = files->sync(files->context, device->file);
        }
    }
    /* A segment's name may have survived a crash of the process without being durable. */
    if (err == Q_OK) {
        err = files->sync_directory(files->context, WAL_DIRECTORY);
    }
    return err == Q_OK ? Q_OK : complain_io(r, WAL_DIRECTORY, "repair the end of the log", err);
}

static int adopt_spares(struct recovery *r)
{
    struct wal_device *device = &r->wal->device;
    for (size_t i = 0; i < r->listing.spare_count; i++) {
        const uint32_t number = r->listing.spares[i];
        if (device->spare_next <= number) {
            device->spare_next = number + 1;
        }
        if (device->spare_count < device->spare_max) {
            Q_MARK(WAL_SPARE_ADOPTED);
            device->spares[device->spare_count++] = number;
            continue;
        }
        char path[WAL_PATH_SIZE];
        wal_spare_path(number, path);
        const int err = device->files->remove(device->files->context, path);
        if (err != Q_OK) {
            return complain_io(r, path, "remove", err);
        }
    }
    r->wal->spare_count = device->spare_count;
    return Q_OK;
}

static int prepare_directory(struct recovery *r)
{
    const struct files *files = r->wal->device.files;
    int err = files->make_directory(files->context, WAL_DIRECTORY);
    if (err == Q_OK) {
        err = files->sync_directory(files->context, "");
    }
    if (err == Q_OK) {
        err = files->list(files->context, WAL_DIRECTORY, visit_name, &r->listing);
    }
    return err == Q_OK ? Q_OK : complain_io(r, WAL_DIRECTORY, "make or list the directory", err);
}

int wal_recover(struct wal *wal, const struct wal_visitor *visitor, char *error, size_t error_size)
{
    struct recovery r = {.wal = wal, .visitor = visitor, .error = error, .error_size = error_size};
    int err = prepare_directory(&r);
    if (err == Q_OK) {
        err = replay_all(&r);
    }
    if (err == Q_OK) {
        err = repair_end(&r);
    }
    if (err == Q_OK) {
        err = adopt_spares(&r);
    }
    heap_free(r.data);
    heap_free(r.listing.segments);
    heap_free(r.listing.spares);
    return err;
}
