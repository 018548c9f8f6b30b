/* The Raft log in memory: entry descriptors in a ring that the caller owns.
 *
 * DESIGN
 *
 * The whole retained log of a group (everything after the compaction point) is in memory and
 * bounded by bytes; disk is read at recovery only. The core stores descriptors; payload bytes
 * belong to the node and are never dereferenced here. The ring does not grow by itself: the caller
 * asks raft_log_room before feeding entries and hands over a larger ring with raft_log_grow.
 *
 * Index 0 does not exist; `start_index` / `start_term` describe the entry just before the first one
 * held (the snapshot's last entry), 0/0 for a log that holds everything.
 */
#ifndef Q_CORE_RAFT_LOG_H
#define Q_CORE_RAFT_LOG_H

#include "base/bytes.h"
#include "base/ids.h"

typedef uint64_t raft_term;
typedef uint64_t raft_index;

enum raft_entry_kind {
    RAFT_ENTRY_NOOP = 1,   /* First entry of each term (section 8 of the paper); empty payload. */
    RAFT_ENTRY_COMMAND = 2 /* A client command; the payload is the node's business. */
};

struct raft_entry {
    raft_term term;
    hlc_time hlc; /* Leader's clock, larger than every earlier entry's. */
    enum raft_entry_kind kind;
    struct bytes payload; /* Borrowed from the node until it leaves the log. */
};

struct raft_log {
    struct raft_entry *slots; /* Borrowed: `capacity` entries, a power of two. */
    size_t capacity;
    raft_index start_index;
    raft_term start_term;
    raft_index last_index; /* start_index when empty. */
    uint64_t bytes;        /* Sum of raft_entry_size over the entries held. */
};

/* Bytes an entry counts for in every window and limit: its payload plus a fixed overhead. */
#define RAFT_ENTRY_OVERHEAD 32
static inline size_t raft_entry_size(const struct raft_entry *entry)
{
    return entry->payload.size + RAFT_ENTRY_OVERHEAD;
}

void raft_log_init(struct raft_log *log, struct raft_entry *slots, size_t capacity);
/* How many entries fit before the ring must grow. One slot is kept back for the no-op of a new
 * leader, which is appended without asking: grow as soon as this is 0, not only before feeding. */
size_t raft_log_room(const struct raft_log *log);
/* Moves to a larger ring; returns the old one for the caller to free. */
struct raft_entry *raft_log_grow(struct raft_log *log, struct raft_entry *slots, size_t capacity);
/* The entry at an index held, start_index < index <= last_index. Borrowed until the next change. */
const struct raft_entry *raft_log_at(const struct raft_log *log, raft_index index);
/* Term of an index in [start_index, last_index]; false when it is compacted away or not there. */
bool raft_log_term(const struct raft_log *log, raft_index index, raft_term *out_term);
raft_term raft_log_last_term(const struct raft_log *log);
/* The largest index in [start_index, from] whose term is <= `term`, or start_index: where two logs
 * may at best agree when one of them has `term` at `from` (section 5.3 of the paper, last
 * paragraphs). `from` is clamped to last_index; one below start_index is returned as it is. */
raft_index raft_log_floor(const struct raft_log *log, raft_index from, raft_term term);
/* Appends after last_index. Room is the caller's duty. */
void raft_log_append(struct raft_log *log, const struct raft_entry *entry);
/* Drops every entry with an index > last. */
void raft_log_truncate_after(struct raft_log *log, raft_index last);
/* Drops every entry with an index <= upto; upto must be held or equal start_index. */
void raft_log_compact(struct raft_log *log, raft_index upto);
/* Forgets everything and starts after (index, term): a snapshot was installed. */
void raft_log_reset(struct raft_log *log, raft_index index, raft_term term);

#endif
