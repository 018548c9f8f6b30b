/* The log's index: for each segment and stream the highest entry index that is still needed. */
#include "base/check.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/mark.h"
#include "base/os/heap.h"
#include "store/wal_internal.h"

static size_t table_place(const struct wal *wal, group_id stream)
{
    size_t place = (size_t)(hash_bytes(bytes_of(&stream, sizeof stream)) % WAL_STREAM_SLOTS);
    while (wal->stream_table[place] != 0 &&
           wal->streams[wal->stream_table[place] - 1].id != stream) {
        place = (place + 1) % WAL_STREAM_SLOTS;
    }
    return place;
}

size_t wal_slot_find(struct wal *wal, group_id stream)
{
    if (wal->stream_last < wal->stream_count && wal->streams[wal->stream_last].id == stream) {
        return wal->stream_last;
    }
    const uint16_t slot = wal->stream_table[table_place(wal, stream)];
    if (slot == 0) {
        return WAL_SLOT_NONE;
    }
    wal->stream_last = (size_t)slot - 1;
    return wal->stream_last;
}

size_t wal_slot_get(struct wal *wal, group_id stream)
{
    const size_t found = wal_slot_find(wal, stream);
    if (found != WAL_SLOT_NONE || wal->stream_count == WAL_STREAMS_MAX) {
        return found;
    }
    if (wal->stream_count == wal->stream_capacity) {
        wal->stream_capacity = wal->stream_capacity == 0 ? 8 : wal->stream_capacity * 2;
        wal->streams = heap_realloc(wal->streams, wal->stream_capacity * sizeof *wal->streams);
    }
    const size_t slot = wal->stream_count++;
    wal->streams[slot] = (struct wal_stream){.id = 0};
    wal->stream_table[table_place(wal, stream)] = (uint16_t)(slot + 1);
    wal->streams[slot].id = stream;
    wal->stream_last = slot;
    return slot;
}

/* Entries of the stream above `index` are void wherever they are. */
static void clamp_segments(struct wal *wal, size_t slot, uint64_t index)
{
    for (size_t i = 0; i < wal->segment_count; i++) {
        struct wal_segment *segment = &wal->segments[i];
        if (slot < segment->newest_count && segment->newest[slot] > index) {
            Q_MARK(WAL_ENTRIES_VOIDED);
            segment->newest[slot] = index;
        }
    }
}

void wal_index_entry(struct wal *wal, size_t slot, uint64_t index)
{
    struct wal_stream *stream = &wal->streams[slot];
    if (index <= stream->last_index) {
        clamp_segments(wal, slot, index - 1);
    }
    stream->last_index = index;
    stream->pending_newest = index;
    if (!stream->is_touched) {
        Q_CHECK(wal->touched_count < wal->stream_count);
        stream->is_touched = true;
        wal->touched[wal->touched_count++] = (uint16_t)slot;
    }
}

void wal_index_state(struct wal *wal, size_t slot, struct bytes state)
{
    struct wal_stream *stream = &wal->streams[slot];
    if (stream->state == NULL) {
        stream->state = heap_alloc(WAL_STATE_SIZE_MAX);
    }
    if (state.size > 0) {
        memcpy(stream->state, state.data, state.size);
    }
    stream->state_size = (uint16_t)state.size;
    stream->has_state = true;
    stream->state_ticket = wal->appended;
}

void wal_index_reset(struct wal *wal, size_t slot)
{
    struct wal_stream *stream = &wal->streams[slot];
    clamp_segments(wal, slot, 0);
    stream->last_index = 0;
    stream->released = 0;
    stream->pending_newest = 0;
}

static void segment_raise(const struct wal *wal,
                          struct wal_segment *segment,
                          size_t slot,
                          uint64_t index)
{
    if (slot >= segment->newest_count) {
        const size_t count = wal->stream_count;
        segment->newest = heap_realloc(segment->newest, count * sizeof *segment->newest);
        memset(segment->newest + segment->newest_count, 0,
               (count - segment->newest_count) * sizeof *segment->newest);
        segment->newest_count = count;
    }
    if (segment->newest[slot] < index) {
        segment->newest[slot] = index;
    }
}

void wal_index_settle(struct wal *wal)
{
    Q_CHECK(wal->segment_count > 0);
    struct wal_segment *newest = &wal->segments[wal->segment_count - 1];
    for (size_t i = 0; i < wal->touched_count; i++) {
        struct wal_stream *stream = &wal->streams[wal->touched[i]];
        if (stream->pending_newest > 0) {
            segment_raise(wal, newest, wal->touched[i], stream->pending_newest);
        }
        stream->pending_newest = 0;
        stream->is_touched = false;
    }
    wal->touched_count = 0;
}

struct wal_segment *wal_segment_add(struct wal *wal, uint64_t number)
{
    if (wal->segment_count == wal->segment_capacity) {
        wal->segment_capacity = wal->segment_capacity == 0 ? 8 : wal->segment_capacity * 2;
        wal->segments = heap_realloc(wal->segments, wal->segment_capacity * sizeof *wal->segments);
    }
    struct wal_segment *segment = &wal->segments[wal->segment_count++];
    *segment = (struct wal_segment){.number = number};
    return segment;
}

void wal_segments_drop(struct wal *wal, size_t count)
{
    Q_CHECK(count <= wal->segment_count);
    for (size_t i = 0; i < count; i++) {
        heap_free(wal->segments[i].newest);
    }
    if (count > 0) {
        wal->segment_count -= count;
        memmove(wal->segments, wal->segments + count, wal->segment_count * sizeof *wal->segments);
    }
}

static bool segment_is_free(const struct wal *wal, const struct wal_segment *segment)
{
    for (size_t slot = 0; slot < segment->newest_count; slot++) {
        if (segment->newest[slot] > wal->streams[slot].released) {
            return false;
        }
    }
    return true;
}

size_t wal_segments_free_count(const struct wal *wal)
{
    size_t count = 0;
    while (count + 1 < wal->segment_count && segment_is_free(wal, &wal->segments[count])) {
        count++;
    }
    return count;
}

void wal_index_deinit(struct wal *wal)
{
    wal_segments_drop(wal, wal->segment_count);
    heap_free(wal->segments);
    for (size_t i = 0; i < wal->stream_count; i++) {
        heap_free(wal->streams[i].state);
    }
    heap_free(wal->streams);
    heap_free(wal->stream_table);
    heap_free(wal->touched);
}
