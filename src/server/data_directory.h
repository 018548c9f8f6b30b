/* The data directory: who may use it, and which format it has.
 *
 * Mode 0700. LOCK is held with flock and names its holder, so a second process fails at once and
 * says who is there. VERSION is the first file ever written: a directory with data but without it
 * is not one of ours, or not whole, and is refused rather than taken for empty.
 */
#ifndef Q_SERVER_DATA_DIRECTORY_H
#define Q_SERVER_DATA_DIRECTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DATA_DIRECTORY_SPACE_MIN ((uint64_t)16 * 1024 * 1024)
#define DATA_DIRECTORY_VERSION   1

struct data_directory {
    int lock_fd; /* Owned; the lock goes with the process. */
};

/* Makes the directory (and its parents) if needed, locks it and checks its version. `path` is
 * absolute. Q_OK; Q_ELOCKED, Q_EINVAL (not ours, or another version), Q_EIO, Q_ENOSPC: `error` says
 * what and what to do. */
int data_directory_open(const char *path,
                        struct data_directory *out_directory,
                        char *error,
                        size_t error_size);
/* False when less than DATA_DIRECTORY_SPACE_MIN is free there: RocksDB must not even be opened then
 * (the library aborts the process when it cannot write while it opens). True when that cannot be
 * told, as for a directory that is not there yet. */
bool data_directory_has_space(const char *path);
void data_directory_close(struct data_directory *directory);

#endif
