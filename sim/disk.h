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
 * failure may still take it. A sync that fails drops its writes in one of three ways, as Linux
 * does.
 */
#ifndef Q_SIM_DISK_H
#define Q_SIM_DISK_H

#include "base/prng.h"
#include "store/file.h"

struct disk;

/* What becomes of the pages of a sync that failed ("Can applications recover from fsync failures?",
 * ATC'20). The error is reported once in each case. */
enum sync_failure {
    SYNC_FORGETS, /* They count as clean: never written, and reads see the new bytes (ext4). */
    SYNC_KEEPS,   /* They stay dirty: a later sync would write them. */
    SYNC_REVERTS, /* They are read from the disk again: the old bytes (Btrfs). */
    SYNC_FAILURES
};

enum read_failure {
    READ_WORKS,
    READ_FAILS_ONCE,   /* Q_EIO. */
    READ_FAILS_ALWAYS, /* Q_EIO, each time. */
    READ_FAILS_SHORT,  /* Once, fewer bytes than there are, and no error. */
    READ_FAILURES
};

/* Faults that are on now. */
struct disk_faults {
    bool sync_fails; /* The next sync fails with Q_EIO; once. */
    enum sync_failure sync_failure;
    bool write_fails; /* The next write fails with Q_EIO after a part of it; once. */
    enum read_failure reads;
    uint32_t reads_before; /* Reads that work before. */
    bool full;             /* Writes and creations fail with Q_ENOSPC while set. */
};

static inline bool disk_faults_are_on(const struct disk_faults *faults)
{
    return faults->sync_fails || faults->write_fails || faults->reads != READ_WORKS || faults->full;
}

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
/* A copy of what processes see now, all of it durable, as a snapshot of the volume would be; it is
 * down until disk_boot. The caller owns it. */
struct disk *disk_copy(const struct disk *disk);
/* True when a fault has made an operation fail since the last disk_boot: only then may the process
 * on this machine fail. */
bool disk_has_failed(const struct disk *disk);
/* Everything is lost: a new disk. */
void disk_wipe(struct disk *disk);

/* ---- damage, while no process runs (disk_damage.c) ---- */

/* The paths of all regular files, sorted by name, the spares of the log left out: their contents
 * mean nothing. */
void disk_visit(const struct disk *disk, void (*visit)(void *, const char *path), void *context);
/* Flips one bit of a file, at most where its last synced write ends. False when it is empty. */
bool disk_rot(struct disk *disk, const char *path, struct prng *prng);
/* One of the last synced writes of the file, `back` from the newest, never reached the platter,
 * though that was reported: the bytes before it are there. False when there is no such write or a
 * later one has covered it. */
bool disk_lose_write(struct disk *disk, const char *path, size_t back);
/* As disk_lose_write; and its bytes are in another place, of this file or another one. */
bool disk_misdirect_write(struct disk *disk, const char *path, size_t back, struct prng *prng);
/* The file ends there. */
void disk_cut(struct disk *disk, const char *path, uint64_t size);
/* The file, or the directory with all that is in it, is gone. */
void disk_delete(struct disk *disk, const char *path);
uint64_t disk_file_size(const struct disk *disk, const char *path);

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
