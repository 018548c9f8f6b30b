/* The state machine of one shard: applies log entries to the storage engine and answers reads.
 *
 * DESIGN
 *
 * Deterministic: state after entry i depends on entries 1..i alone, so every replica holds the
 * same. Entries are applied into an overlay; machine_commit writes it as one engine batch together
 * with the applied index, so that a crash leaves a consistent prefix. Reads (machine_read) are
 * answered from committed state only.
 *
 * Exactly once: a request with an idempotency id leaves a row id -> first reply, written with its
 * effect. Rows expire by shard time (the largest leader stamp applied), never by a local clock.
 */
#ifndef Q_NODE_MACHINE_MACHINE_H
#define Q_NODE_MACHINE_MACHINE_H

#include "core/raft/log.h"
#include "node/machine/keys.h"
#include "node/machine/overlay.h"
#include "node/reply.h"
#include "node/request.h"

/* Rows of idempotency ids: how long, how many, how large in sum (docs/reference/limits.md). */
#define ID_KEEP_MS   ((uint64_t)10 * 60 * 1000)
#define ID_AHEAD_MS  ((uint64_t)60 * 1000)
#define ID_ROWS_MAX  ((uint64_t)1 << 20)
#define ID_BYTES_MAX ((uint64_t)64 * 1024 * 1024)
/* One reply may not be larger; a client asks for a smaller range then. */
#define REPLY_SIZE_MAX ((size_t)64 * 1024 * 1024)
/* A write's reply is also kept with its request id, as one record of a snapshot: it must leave room
 * in a frame. */
#define WRITE_REPLY_SIZE_MAX ((size_t)32 * 1024 * 1024)
/* SCAN returns at most this many keys a call, whatever COUNT says. */
#define SCAN_COUNT_MAX 10000

/* What is stored under META, little endian in this order, 8 bytes each. */
struct shard_meta {
    uint64_t applied_index;
    uint64_t applied_term;
    hlc_time shard_time; /* Largest leader stamp applied. */
    uint64_t list_count; /* Keys holding lists: plain SET needs no read while it is 0. */
    uint64_t id_rows;
    uint64_t id_bytes;
    uint64_t id_evicted_ms; /* Ids at or below this time may have been forgotten. */
};

struct machine {
    struct engine *engine; /* Borrowed. */
    group_id group;
    struct shard_meta meta;
    struct overlay overlay;
    bool overlay_has_ids; /* Rows of request ids are among what is not committed yet. */
    struct bytes *args;   /* Owned scratch of REQUEST_ARGS_MAX for decoding. */
    struct buf value;     /* Scratch for values under construction. */
    hlc_time entry_hlc;   /* Of the entry being applied. */
};

/* Reads META. Q_OK or the engine's error. */
int machine_init(struct machine *machine, struct engine *engine, group_id group);
void machine_deinit(struct machine *machine);

/* Applies one entry into the overlay; the reply is appended to `reply`. Returns Q_OK, or the
 * engine's error, after which the node must stop: the state is not to be trusted. */
int machine_apply(struct machine *machine,
                  raft_index index,
                  const struct raft_entry *entry,
                  struct buf *reply);
/* Writes what was applied as one batch. */
int machine_commit(struct machine *machine);

/* Answers a read from committed state; an engine error becomes an error reply, and is returned. Not
 * OP_DBSIZE. */
int machine_read(struct machine *machine, const struct request *request, struct buf *reply);

/* Applied index that would be found after a crash now. */
int machine_persisted(struct machine *machine, uint64_t *out_index);

/* Hash over everything the shard holds, META included. O(n). */
uint64_t machine_hash(struct machine *machine);

#endif
