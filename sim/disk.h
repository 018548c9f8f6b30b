/* The simulated disk of one machine: struct files over bytes that are durable or not yet.
 *
 * DESIGN
 *
 * Each file has two images: what reads see (the page cache) and what is on the platter, plus the
 * list of writes between the two. A sync moves the list to the platter. Names work alike: what
 * open sees, what the platter's directories hold, and the pending operations of each directory
 * until sync_directory.
 *
 * When the power fails, every unsynced write is independently kept, lost or torn, and of each
 * directory's pending operations a prefix survives (journaling file systems keep their order).
 * When only the process dies, nothing is lost, but nothing has become durable either: a later power
 * failure may still take it. A sync that fails drops its writes for good while reads go on seeing
 * them, as Linux does (fsync failures, ATC'20).
 */
#ifndef Q_SIM_DISK_H
#define Q_SIM_DISK_H

#include "store/file.h"

struct disk;

/* Faults that are on now. */
struct disk_faults {
    bool sync_fails;  /* The next sync fails with Q_EIO and loses what it was to sync; once. */
    bool write_fails; /* The next write fails with Q_EIO after a part of it; once. */
    bool read_fails;  /* The next read fails with Q_EIO; once. */
    bool full;        /* Writes and creations fail with Q_ENOSPC while set. */
};

/* The caller owns it: disk_free. */
struct disk *disk_new(uint64_t seed);
void disk_free(struct disk *disk);

/* What a process on this machine uses. Borrowed for the disk's life. */
struct files *disk_files(struct disk *disk);
struct disk_faults *disk_faults(struct disk *disk);

/* The process died: its open files fail from now on, and so does everything else until disk_boot.
 */
void disk_kill(struct disk *disk);
/* As disk_kill, and unsynced writes and names are partly lost. */
void disk_power_loss(struct disk *disk);
void disk_boot(struct disk *disk);
/* The process dies in the middle of what it does: the operation of that number (from 1) and all
 * that follow fail; whoever asked for it goes on with disk_kill or disk_power_loss. 0 takes that
 * back. */
void disk_die_after(struct disk *disk, uint64_t operations);
bool disk_is_down(const struct disk *disk);
/* Flips one bit of the durable contents of a file, before the place of its last synced write: what
 * was written later can prove that it was right once. False when there is nothing such. */
bool disk_rot(struct disk *disk, const char *path);
/* Everything is lost: a new disk. */
void disk_wipe(struct disk *disk);

/* A power failure now would take nothing of this directory, but for zeros written ahead of the
 * data.
 */
bool disk_is_clean(const struct disk *disk, const char *directory);
/* Syncs that succeeded so far. */
uint64_t disk_sync_count(const struct disk *disk);
/* Open files: a process that has gone must have left none. */
uint64_t disk_open_count(const struct disk *disk);
uint64_t disk_used_bytes(const struct disk *disk);

#endif
