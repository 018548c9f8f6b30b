/* What the parts of the write-ahead log share: wal.c, wal_index.c, wal_device.c, wal_recovery.c.
 *
 * Two owners: while a job is in flight, `job` and `device` belong to whoever executes it, and all
 * else to the owner thread; at all other times everything belongs to the owner thread.
 */
#ifndef Q_STORE_WAL_INTERNAL_H
#define Q_STORE_WAL_INTERNAL_H

#include "base/os/buf.h"
#include "store/wal.h"
#include "store/wal_format.h"

#define WAL_DIRECTORY       "wal"
#define WAL_PATH_SIZE       32
#define WAL_SPARE_MAX       2    /* The default of wal_options.spare_max. */
#define WAL_STREAM_SLOTS    8192 /* Of the hash table: twice WAL_STREAMS_MAX. */
#define WAL_SEGMENT_MINIMUM 4096

struct wal_stream {
    group_id id;
    uint64_t last_index; /* Of the newest ENTRY appended; 0 = none. */
    uint64_t released;
    uint64_t pending_newest; /* Highest index among the pending entries; 0 = none. */
    bool is_touched;         /* Is in wal.touched. */
    wal_ticket state_ticket; /* Of the latest STATE. */
    bool has_state;
    uint16_t state_size;
    uint8_t *state; /* Owned: WAL_STATE_SIZE_MAX bytes, made with the first STATE. */
};

/* What the owner knows of a segment. */
struct wal_segment {
    uint64_t number;
    uint64_t size;    /* Of the file. */
    uint64_t *newest; /* Owned. By stream slot: highest live index, 0 = none. */
    size_t newest_count;
};

struct wal_retired {
    uint64_t number;
    bool is_oversized; /* Not fit for a spare. */
};

/* The files, as the executor of jobs sees them. */
struct wal_device {
    const struct files *files;
    uint64_t segment_size;
    uint32_t spare_max;
    struct file *file; /* Owned. The newest segment, NULL before the first. */
    uint64_t file_size;
    uint32_t *spares; /* Owned. Numbers of the spare files. */
    uint32_t spare_count;
    uint32_t spare_next; /* Above every number in use. */
};

struct wal_job {
    struct buf buffer; /* Room for the header, then the body, padded. */
    struct wal_batch batch;
    bool rolls;                  /* The batch is the first of a new segment. */
    struct wal_retired *retired; /* Owned. Segments nobody needs once this job is synced. */
    size_t retired_count;
    wal_ticket ticket;
};

struct wal {
    struct wal_device device;
    struct wal_job job;
    struct buf pending; /* As job.buffer, without padding. Empty when nothing is pending. */
    uint32_t pending_count;
    wal_ticket appended;
    wal_ticket durable;
    bool in_flight;
    bool failed;

    struct wal_position durable_at; /* End of the last batch known to be synced. */
    struct wal_position write_at;   /* Where the next batch goes, if it fits. */
    uint64_t number_next;           /* Of the next segment. */
    struct wal_segment *segments;   /* Owned. Oldest first. */
    size_t segment_count;
    size_t segment_capacity;

    struct wal_stream *streams; /* Owned. Slots are never given back. */
    size_t stream_count;
    size_t stream_capacity;
    uint16_t *stream_table; /* Owned. Slot + 1 by hash of the id, 0 = free. */
    size_t stream_last;     /* Slot found last: most lookups ask for the same one again. */
    uint16_t *touched;      /* Owned. Slots with pending entries. */
    size_t touched_count;

    uint64_t syncs;
    uint64_t batches_bytes;
    uint32_t spare_count; /* The owner's copy of the device's. */
};

/* wal_index.c: which segments still hold entries somebody needs. */

#define WAL_SLOT_NONE SIZE_MAX

/* The slot of a stream, or WAL_SLOT_NONE. */
size_t wal_slot_find(struct wal *wal, group_id stream);
/* The same, made when missing; WAL_SLOT_NONE when there are WAL_STREAMS_MAX already. */
size_t wal_slot_get(struct wal *wal, group_id stream);
void wal_index_entry(struct wal *wal, size_t slot, uint64_t index);
void wal_index_state(struct wal *wal, size_t slot, struct bytes state);
void wal_index_reset(struct wal *wal, size_t slot);
/* What was pending now is in the newest segment. */
void wal_index_settle(struct wal *wal);
struct wal_segment *wal_segment_add(struct wal *wal, uint64_t number);
/* Forgets the `count` oldest. */
void wal_segments_drop(struct wal *wal, size_t count);
/* How many of the oldest segments, never the newest, hold nothing that is needed. */
size_t wal_segments_free_count(const struct wal *wal);
void wal_index_deinit(struct wal *wal);

/* wal_device.c: called by the executor of a job, and by recovery. */

void wal_segment_path(uint64_t number, char out_path[WAL_PATH_SIZE]);
void wal_spare_path(uint32_t number, char out_path[WAL_PATH_SIZE]);
int wal_device_write(struct wal_device *device, struct wal_job *job);
int wal_device_sync(struct wal_device *device, const struct wal_job *job);
void wal_device_deinit(struct wal_device *device);

/* wal_recovery.c */

int wal_recover(struct wal *wal, const struct wal_visitor *visitor, char *error, size_t error_size);

#endif
