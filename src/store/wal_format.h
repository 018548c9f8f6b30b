/* Bytes of the write-ahead log: batch headers and records (docs/formats/wal.md).
 *
 * Internal to store/wal*. Pure functions, no state.
 */
#ifndef Q_STORE_WAL_FORMAT_H
#define Q_STORE_WAL_FORMAT_H

#include "base/bytes.h"
#include "base/cursor.h"
#include "store/wal.h"

/* Batches start at multiples of this, so that no two batches share a sector of the disk and a
 * sector spoilt by a power cut during one write cannot take an older, durable batch with it. */
#define WAL_ALIGN              ((uint64_t)512)
#define WAL_BATCH_HEADER_SIZE  ((size_t)64)
#define WAL_RECORD_HEADER_SIZE ((size_t)36)
/* Body of one batch; the field is 32 bits wide. */
#define WAL_BATCH_BODY_MAX ((size_t)1 << 31)

/* Above this is no segment number: a name that says so was not made by us. */
#define WAL_SEGMENT_LAST (UINT64_MAX >> 1)

/* Grows monotonically over the whole life of a log. Segment 0 does not exist. */
struct wal_position {
    uint64_t segment;
    uint64_t offset;
};

struct wal_batch {
    struct wal_position at;
    struct wal_position durable; /* Everything before it was synced when this was written. */
    uint32_t body_size;          /* Records, without the padding. */
    uint32_t record_count;
    uint64_t checksum; /* Of the body and its padding, seeded with `at`. */
};

enum wal_record_kind { WAL_RECORD_ENTRY = 1, WAL_RECORD_STATE = 2, WAL_RECORD_RESET = 3 };

struct wal_record {
    enum wal_record_kind kind;
    struct wal_entry entry; /* STATE: stream and payload only. RESET: stream only. */
};

/* <0, 0, >0. */
int wal_position_compare(struct wal_position a, struct wal_position b);

/* Bytes a batch takes in its segment: header, body, zeros up to WAL_ALIGN. */
uint64_t wal_batch_size(uint64_t body_size);

/* The checksum of body and padding at a position. */
uint64_t wal_body_checksum(struct bytes body_and_padding, struct wal_position at);

void wal_batch_encode(const struct wal_batch *batch, uint8_t *out);

/* Reads the header of a batch that claims to be at `at` from the bytes there. False when it is not
 * one: too short, another position, a wrong checksum. Says nothing about the body. */
bool wal_batch_decode(struct bytes bytes, struct wal_position at, struct wal_batch *out_batch);

/* Writes WAL_RECORD_HEADER_SIZE bytes; the payload follows them. */
void wal_record_encode(const struct wal_record *record, uint8_t *out);

/* Takes the next record from a body. Q_ECORRUPT when it is not well formed. The payload is
 * borrowed from the reader's bytes. */
int wal_record_decode(struct reader *reader, struct wal_record *out_record);

#endif
