/* A file system in memory that fails on demand, for tests of store/wal: see struct files.
 *
 * It keeps what a program sees (the page cache) apart from what a power cut leaves (the disk).
 * Unsynced writes reach the disk whole, torn or in any order, or never, as fault_crash is told;
 * names become durable with sync_directory only. Every call is counted, so that a test can stop
 * the world at each of them in turn. A failed sync behaves as on Linux: the pages count as clean
 * afterwards although they never reached the disk.
 * A test includes the .c file, as it has no library of its own.
 */
#ifndef Q_TESTS_HARNESS_FAULT_FILES_H
#define Q_TESTS_HARNESS_FAULT_FILES_H

#include "base/os/buf.h"
#include "base/prng.h"
#include "harness/fault_call.h"
#include "store/file.h"

#define FAULT_NAMES_MAX 64
#define FAULT_PATH_SIZE 48
#define FAULT_SECTOR    512

struct fault_write {
    bool is_truncation; /* To `offset`. */
    uint64_t offset;
    struct buf bytes;
};

struct fault_inode {
    struct fault_inode *next;
    bool is_directory;
    struct buf cache;
    struct buf disk;
    struct fault_write *writes; /* Unsynced, in order. */
    size_t write_count;
};

struct fault_name {
    char path[FAULT_PATH_SIZE];
    struct fault_inode *inode;
};

struct fault_namespace {
    struct fault_name names[FAULT_NAMES_MAX];
    size_t count;
};

struct fault_change {
    char from[FAULT_PATH_SIZE]; /* "" for a creation. */
    char to[FAULT_PATH_SIZE];   /* "" for a removal. */
    struct fault_inode *inode;
};

enum fault_crash_mode {
    FAULT_LOSE_ALL, /* Nothing unsynced reached the disk. */
    FAULT_KEEP_ALL,
    FAULT_TEAR,      /* In order, up to some byte. */
    FAULT_SECTORS,   /* Any sectors. */
    FAULT_SPLINTERS, /* Any small runs of bytes. */
    FAULT_MODES
};

struct file {
    struct fault_inode *inode;
    char path[FAULT_PATH_SIZE]; /* By which it was opened. */
};

struct fault_files {
    struct files files;
    struct fault_inode *inodes;
    struct fault_namespace cache;
    struct fault_namespace disk;
    struct fault_change *changes; /* Of names, not durable yet. */
    size_t change_count;
    size_t open_count;

    uint64_t operations; /* Calls so far. */
    uint64_t crash_at;   /* The power fails during this call; 0 = never. */
    uint64_t fail_at;    /* This call fails with `fail_err`... */
    bool fail_sticky;    /* ...and all after it... */
    bool fail_late;      /* ...having had their effect. */
    int fail_err;
    bool is_dead;
    bool is_late;              /* The call under way will fail at its end. */
    struct fault_calls *calls; /* Borrowed: told of every call; NULL = nobody is. */
};

/* The entry of a path, or NULL. */
struct fault_name *fault_find(struct fault_namespace *space, const char *path);
/* Writes into contents, filling a gap with zeros. */
void fault_put(struct buf *contents, uint64_t offset, struct bytes bytes);
/* Cuts contents, or lengthens them with zeros. */
void fault_resize(struct buf *contents, uint64_t size);
/* An empty world. `files.files` is the table to hand to the code under test. */
void fault_files_init(struct fault_files *f);
/* Frees everything; every file must be closed. */
void fault_files_deinit(struct fault_files *f);
/* The power fails and comes back. Every file must be closed (the program is gone). Counters and
 * planned failures start anew. */
void fault_crash(struct fault_files *f, enum fault_crash_mode mode, struct prng *prng);
/* Makes `to` a copy of a world in which nothing is unsynced, as after fault_crash. */
void fault_clone(struct fault_files *to, const struct fault_files *from);
/* Changes a stored byte behind everybody's back. */
void fault_damage(struct fault_files *f, const char *path, size_t at, uint8_t mask);

#endif
