#include "store/wal_format.h"

#include "base/err.h"
#include "base/hash.h"
#include "base/plant.h"

#define MAGIC UINT32_C(0x31425751) /* "QWB1" */

int wal_position_compare(struct wal_position a, struct wal_position b)
{
    if (a.segment != b.segment) {
        return a.segment < b.segment ? -1 : 1;
    }
    return a.offset < b.offset ? -1 : a.offset > b.offset;
}

uint64_t wal_batch_size(uint64_t body_size)
{
    const uint64_t size = WAL_BATCH_HEADER_SIZE + body_size;
    return (size + WAL_ALIGN - 1) / WAL_ALIGN * WAL_ALIGN;
}

/* Two positions must not share a seed by accident: the multiplier spreads segment numbers over
 * the whole range while offsets stay small. */
static uint64_t seed_of(struct wal_position at)
{
    return Q_PLANT(RECYCLED) ? 0 : at.segment * UINT64_C(0x9E3779B97F4A7C15) + at.offset;
}

uint64_t wal_body_checksum(struct bytes body_and_padding, struct wal_position at)
{
    return hash_bytes_seeded(body_and_padding, seed_of(at));
}

void wal_batch_encode(const struct wal_batch *batch, uint8_t *out)
{
    struct writer w = writer_of(out, WAL_BATCH_HEADER_SIZE);
    write_u32(&w, MAGIC);
    write_u32(&w, batch->body_size);
    write_u64(&w, batch->at.segment);
    write_u64(&w, batch->at.offset);
    write_u64(&w, batch->durable.segment);
    write_u64(&w, batch->durable.offset);
    write_u32(&w, batch->record_count);
    write_u32(&w, 0);
    write_u64(&w, batch->checksum);
    write_u64(&w, hash_bytes_seeded(bytes_of(out, writer_size(&w)), seed_of(batch->at)));
}

bool wal_batch_decode(struct bytes bytes, struct wal_position at, struct wal_batch *out_batch)
{
    struct reader r = reader_of(bytes);
    if (read_u32(&r) != MAGIC || bytes.size < WAL_BATCH_HEADER_SIZE) {
        return false;
    }
    struct wal_batch batch = {.body_size = read_u32(&r)};
    batch.at.segment = read_u64(&r);
    batch.at.offset = read_u64(&r);
    batch.durable.segment = read_u64(&r);
    batch.durable.offset = read_u64(&r);
    batch.record_count = read_u32(&r);
    const uint32_t reserved = read_u32(&r);
    batch.checksum = read_u64(&r);
    const struct bytes hashed = bytes_of(bytes.data, (size_t)(r.at - bytes.data));
    if (read_u64(&r) != hash_bytes_seeded(hashed, seed_of(at)) || reserved != 0) {
        return false;
    }
    if ((wal_position_compare(batch.at, at) != 0 && !Q_PLANT(RECYCLED)) ||
        wal_position_compare(batch.durable, at) > 0) {
        return false;
    }
    *out_batch = batch;
    return true;
}

void wal_record_encode(const struct wal_record *record, uint8_t *out)
{
    const struct wal_entry *entry = &record->entry;
    struct writer w = writer_of(out, WAL_RECORD_HEADER_SIZE);
    write_u32(&w, (uint32_t)entry->payload.size);
    write_u32(&w, entry->stream);
    write_u8(&w, (uint8_t)record->kind);
    write_u8(&w, entry->kind);
    write_u16(&w, 0);
    write_u64(&w, entry->index);
    write_u64(&w, entry->term);
    write_u64(&w, entry->hlc);
}

int wal_record_decode(struct reader *reader, struct wal_record *out_record)
{
    struct wal_record record = {.kind = WAL_RECORD_ENTRY};
    struct wal_entry *entry = &record.entry;
    const uint32_t size = read_u32(reader);
    entry->stream = read_u32(reader);
    const uint8_t kind = read_u8(reader);
    entry->kind = read_u8(reader);
    const uint16_t reserved = read_u16(reader);
    entry->index = read_u64(reader);
    entry->term = read_u64(reader);
    entry->hlc = read_u64(reader);
    entry->payload = read_bytes(reader, size);
    if (reader->failed || reserved != 0) {
        return Q_ECORRUPT;
    }
    const bool is_bare =
        entry->kind == 0 && entry->index == 0 && entry->term == 0 && entry->hlc == 0;
    bool is_valid = false;
    switch (kind) {
    case WAL_RECORD_ENTRY: is_valid = entry->index > 0; break;
    case WAL_RECORD_STATE: is_valid = is_bare && size <= WAL_STATE_SIZE_MAX; break;
    case WAL_RECORD_RESET: is_valid = is_bare && size == 0; break;
    default: break;
    }
    if (!is_valid) {
        return Q_ECORRUPT;
    }
    record.kind = (enum wal_record_kind)kind;
    *out_record = record;
    return Q_OK;
}
