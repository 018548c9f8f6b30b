/* The staged file of a snapshot: what the leader sent, in pieces that vouch for themselves.
 *
 * A node may install it after a restart, when nobody is there any more to compare it with. So each
 * piece carries a checksum chained over all data so far, and an empty piece marks the end: a file
 * that is short, torn, damaged or mixed with another is noticed before its records count.
 *
 *   magic u64, index u64, term u64, checksum of these u64
 *   pieces: size u32, checksum chained over all data up to its end u64, data
 *   the end: size 0, checksum of all data
 */
#ifndef Q_NODE_SNAPSHOT_FILE_H
#define Q_NODE_SNAPSHOT_FILE_H

#include "base/os/buf.h"
#include "core/raft/log.h"
#include "store/file.h"

struct snapshot_file {
    struct files *files; /* Borrowed. */
    struct file *file;   /* Owned; NULL = not open. */
    uint64_t offset;     /* Of the next write or read. */
    uint64_t checksum;
    struct buf raw; /* Owned: read, not yet a whole piece. */
};

/* Makes the file anew; whatever has the name is removed. Q_OK, or what the file table says. */
int snapshot_file_create(struct snapshot_file *file,
                         struct files *files,
                         const char *path,
                         raft_index index,
                         raft_term term);
int snapshot_file_append(struct snapshot_file *file, struct bytes data);
/* Marks the end; the caller syncs `file`. */
int snapshot_file_finish(struct snapshot_file *file);

/* Q_OK, Q_ENOTFOUND, Q_EIO, Q_ECORRUPT. */
int snapshot_file_open(struct snapshot_file *file,
                       struct files *files,
                       const char *path,
                       raft_index *out_index,
                       raft_term *out_term);
/* Back to the first piece. */
void snapshot_file_rewind(struct snapshot_file *file);
/* Appends the data of the next piece to `out_data`; *out_done at the end. Q_ECORRUPT: damaged. */
int snapshot_file_next(struct snapshot_file *file, struct buf *out_data, bool *out_done);

/* Fine on a zeroed one. */
void snapshot_file_close(struct snapshot_file *file);

#endif
