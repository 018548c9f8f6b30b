/* The write-ahead log: the one log device of a node, shared by all replication groups.
 *
 * DESIGN (format and recovery algorithm: docs/formats/wal.md)
 *
 * Records are appended to a buffer in memory; a *job* takes the buffer, writes it as one batch and
 * syncs it. One job is in flight at a time, so group commit happens by itself: what is appended
 * during a job forms the next batch. The owner (the cell's thread) calls everything except
 * wal_job_write and wal_job_sync, which block and are called by whoever executes the job: the log
 * thread in the server, the simulator's disk in the simulator. They touch nothing but the job.
 *
 * Two kinds of record: ENTRY (stream, index): a later one with a lower or equal index replaces the
 * tail from there on; STATE (stream): small, the latest wins, and the log itself rewrites the
 * latest STATE of every stream at the head of each new segment, so that old segments can be
 * recycled once wal_release said that their entries are not needed.
 *
 * A failed write or sync is final: the wal refuses everything afterwards and the node must stop.
 */
#ifndef Q_STORE_WAL_H
#define Q_STORE_WAL_H

#include "base/bytes.h"
#include "base/ids.h"
#include "store/file.h"

struct wal;

/* A place in the log that only grows: bytes of records ever appended by this process. A record is
 * durable when wal_durable() >= the value returned by its append. */
typedef uint64_t wal_ticket;

#define WAL_SEGMENT_SIZE_DEFAULT ((uint64_t)64 * 1024 * 1024)
#define WAL_STREAMS_MAX          4096
#define WAL_STATE_SIZE_MAX       1024

struct wal_entry {
    group_id stream;
    uint64_t index;
    uint64_t term;
    hlc_time hlc;
    uint8_t kind;
    struct bytes payload;
};

/* Recovery hands over what the log holds, in log order. Borrowed during the call. */
struct wal_visitor {
    void *context;
    void (*entry)(void *context, const struct wal_entry *entry);
    void (*state)(void *context, group_id stream, struct bytes state);
    /* Every earlier entry of the stream is void. */
    void (*reset)(void *context, group_id stream);
};

struct wal_options {
    uint64_t segment_size; /* Simulator and tests use small ones. */
    uint32_t spare_max;    /* Recycled segments kept; default 2. */
    uint64_t seed;         /* Segment sequence numbers start from it only in an empty directory. */
};

/* Opens (creating directory `wal/` if needed) and recovers. Returns Q_OK; Q_ECORRUPT when a record
 * below the known durable point is bad, Q_EIO, Q_ENOSPC: `error` (size bytes) then says which file,
 * which offset and what to do. A torn last batch is cut and zeroed, not an error. */
int wal_open(struct files *files,
             const struct wal_options *options,
             const struct wal_visitor *visitor,
             struct wal **out_wal,
             char *error,
             size_t error_size);
/* Must not be called while a job is being executed. NULL is fine. */
void wal_close(struct wal *wal);

/* Copies the record into the pending batch. Cannot fail. */
wal_ticket wal_append_entry(struct wal *wal, const struct wal_entry *entry);
wal_ticket wal_append_state(struct wal *wal, group_id stream, struct bytes state);
/* Voids every earlier entry of the stream (a snapshot replaced them). */
wal_ticket wal_append_reset(struct wal *wal, group_id stream);
/* Entries of the stream with an index <= upto are not needed any more. */
void wal_release(struct wal *wal, group_id stream, uint64_t upto);

wal_ticket wal_appended(const struct wal *wal); /* Everything appended so far. */
wal_ticket wal_durable(const struct wal *wal);
bool wal_has_pending(const struct wal *wal);
bool wal_in_flight(const struct wal *wal);
bool wal_has_failed(const struct wal *wal);

/* Starts a job from what is pending; false when nothing is, or one is in flight, or it failed. */
bool wal_job_begin(struct wal *wal);
/* Blocking. Returns Q_OK, Q_EIO or Q_ENOSPC. Write also makes the next segment when it is full. */
int wal_job_write(struct wal *wal);
int wal_job_sync(struct wal *wal);
/* Owner thread: the job ended with `result` (of write, else of sync). Advances wal_durable. */
void wal_job_end(struct wal *wal, int result);

struct wal_stats {
    uint64_t syncs;
    uint64_t batches_bytes;
    uint32_t segments;
    uint32_t spares;
    uint64_t disk_bytes;
};
struct wal_stats wal_stats(const struct wal *wal);

#endif
