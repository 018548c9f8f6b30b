/* What the files of the simulated disk share. */
#ifndef Q_SIM_DISK_PRIVATE_H
#define Q_SIM_DISK_PRIVATE_H

#include "base/prng.h"
#include "sim/disk.h"
#include "sim/disk_image.h"

#define PATH_SIZE_MAX 128
#define NAMES_MAX     4096

struct inode {
    struct disk_image image;
    bool is_directory;
    uint32_t open_count;
    bool marked; /* During collect. */
    struct inode *next;
};

struct name {
    char path[PATH_SIZE_MAX];
    struct inode *inode;
};

struct names {
    struct name *items; /* Owned. */
    size_t count;
    size_t capacity;
};

enum change_kind { CHANGE_CREATE, CHANGE_REMOVE, CHANGE_RENAME };

/* A directory operation that its sync_directory has not made durable yet. */
struct change {
    enum change_kind kind;
    char path[PATH_SIZE_MAX];
    char to[PATH_SIZE_MAX]; /* RENAME. */
    struct inode *inode;    /* CREATE. */
};

struct file {
    struct inode *inode;
    uint64_t incarnation;
};

struct disk {
    struct files files;
    struct disk_faults faults;
    struct prng prng;
    bool is_down;
    bool has_failed;          /* An operation failed since the last boot. */
    uint64_t operations_left; /* Until it is down; 0 = it stays up. */
    uint64_t incarnation;     /* Counts processes; open files belong to one. */
    uint64_t sync_count;
    uint64_t open_count;
    /* Owned. */
    struct inode *inodes;
    struct names seen;
    struct names durable;
    struct change *changes;
    size_t change_count;
    size_t change_capacity;
};

/* NULL when there is no such name. */
struct name *disk_names_find(const struct names *names, const char *path);
void disk_names_put(struct names *names, const char *path, struct inode *inode);
void disk_names_remove(struct names *names, const char *path);
/* "a/b" is in "a"; "a" is in "". */
bool disk_path_is_in(const char *path, const char *directory);
struct inode *disk_inode_new(struct disk *disk);
/* Frees the inodes nobody can reach any more. */
void disk_collect(struct disk *disk);

#endif
