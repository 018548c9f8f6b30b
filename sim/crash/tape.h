/* What a machine did to its disk, in order, and what a crash at any point of it may leave.
 *
 * DESIGN
 *
 * A tape is a durable image plus the operations done on it since: writes, truncations, syncs,
 * operations on names, batches and flushes of the storage engine. Nothing is judged while it is
 * recorded; a cursor that walks along the tape knows at each point what is on the platter and what
 * is outstanding. A *cut* then decides the fate of each outstanding operation and gives the tape of
 * a machine on which a process may start again (ALICE, OSDI'14; the crash tests of SQLite):
 *
 *   - a write or truncation whose file was not synced since is kept, lost or torn;
 *   - of the outstanding operations on the names of one directory a prefix is kept (journaling file
 *     systems keep their order), and what lies below a directory that was lost is lost with it;
 *   - of the engine's batches since its last flush a prefix is kept;
 *   - when the process was killed and the machine lives on, only the engine loses something, but
 *     nothing has become durable: it stays outstanding on the new tape;
 *   - what a failed sync was to make durable is lost, whatever comes, though reads see it until the
 *     machine loses power (fsync failures, ATC'20).
 *
 * That fsync of a file makes its name durable is not relied on: POSIX does not say so.
 */
#ifndef Q_SIM_CRASH_TAPE_H
#define Q_SIM_CRASH_TAPE_H

#include "base/bytes.h"
#include "store/engine.h"

#define TAPE_PATH_SIZE   48
#define TAPE_NAMES_MAX   64
#define TAPE_PENDING_MAX 256
#define TAPE_SECTOR_SIZE 512

enum tape_op_kind {
    TAPE_WRITE,
    TAPE_TRUNCATE,
    TAPE_SYNC,
    TAPE_SYNC_FAILED,
    TAPE_CREATE,
    TAPE_MAKE_DIRECTORY,
    TAPE_RENAME,
    TAPE_REMOVE,
    TAPE_SYNC_DIRECTORY,
    TAPE_ENGINE_WRITE,
    TAPE_ENGINE_FLUSH
};

struct tape_op {
    enum tape_op_kind kind;
    size_t inode;    /* WRITE, TRUNCATE, SYNC, SYNC_FAILED, CREATE, MAKE_DIRECTORY. */
    uint64_t offset; /* WRITE; TRUNCATE: the new size. */
    uint8_t *data;   /* Owned. WRITE. */
    size_t size;
    char path[TAPE_PATH_SIZE];
    char to[TAPE_PATH_SIZE]; /* RENAME. */
    bool is_forgotten;       /* WRITE: only reads still see it, as after a failed sync. */
};

struct tape_inode {
    uint8_t *data; /* Owned. */
    size_t size;
    bool is_directory;
};

struct tape_name {
    char path[TAPE_PATH_SIZE];
    size_t inode;
};

struct tape_names {
    struct tape_name items[TAPE_NAMES_MAX];
    size_t count;
};

/* What is on the platter. Inodes keep their numbers; those without a name may be empty. */
struct tape_image {
    struct tape_inode *inodes; /* Owned. */
    size_t inode_count;
    struct tape_names names;
};

struct tape {
    struct tape_image image;
    struct tape_op *ops; /* Owned. */
    size_t op_count;
    size_t op_capacity;
    /* What the engine held at first and after each of its batches. Owned; all of it persisted. */
    struct engine **versions;
    uint64_t *version_hashes; /* 0 = not computed yet. */
    size_t version_count;
};

/* An empty machine: no files, no state. */
void tape_init(struct tape *tape);
void tape_deinit(struct tape *tape);
/* Adds an operation, taking over its data. */
void tape_add(struct tape *tape, struct tape_op op);
/* Adds a batch after which the engine holds what `engine` holds now. */
void tape_add_engine_write(struct tape *tape, const struct engine *engine);
/* One line for people. */
void tape_op_text(const struct tape_op *op, char *out, size_t size);

struct tape_name *tape_names_find(struct tape_names *names, const char *path);
/* Carries out CREATE, MAKE_DIRECTORY, RENAME or REMOVE. */
void tape_names_apply(struct tape_names *names, const struct tape_op *op);
/* Carries out WRITE or TRUNCATE; a gap is filled with zeros. */
void tape_inode_apply(struct tape_inode *inode, const struct tape_op *op);
/* "a/b" is in "a"; "a" is in "". */
bool tape_is_in_directory(const char *path, const char *directory);
bool tape_op_is_data(const struct tape_op *op);
bool tape_op_is_name(const struct tape_op *op);

/* ---- walking along ---- */

/* A part of a write. */
struct tape_part {
    size_t op;
    size_t from; /* Bytes [from, to) of its data. */
    size_t to;
};

struct tape_cursor {
    const struct tape *tape;
    size_t at; /* Operations done. */
    struct tape_image durable;
    size_t pending[TAPE_PENDING_MAX]; /* Outstanding data and name operations, in order. */
    size_t pending_count;
    struct tape_part forgotten[TAPE_PENDING_MAX]; /* Lost by failed syncs, by operation. */
    size_t forgotten_count;
    size_t version; /* Of the engine: newest written ... */
    size_t flushed; /* ... and what is persisted for certain. */
};

/* Before the first operation. The tape is borrowed, and must not change meanwhile. */
void tape_cursor_init(struct tape_cursor *cursor, const struct tape *tape);
void tape_cursor_deinit(struct tape_cursor *cursor);
/* One operation further. Only when cursor->at < op_count. */
void tape_cursor_advance(struct tape_cursor *cursor);

/* ---- cutting ---- */

enum tape_fate { FATE_LOST, FATE_KEPT, FATE_TORN, FATE_SECTORS };

struct tape_cut {
    bool is_kill;   /* Only the process died: fates are not looked at. */
    bool is_sized;  /* Files are as long as lost writes would have made them: zeros there. */
    size_t version; /* Of the engine: flushed <= version <= newest. */
    uint8_t fates[TAPE_PENDING_MAX]; /* By place in cursor->pending. */
    size_t tear_size;                /* FATE_TORN: so many bytes of it are kept. */
    uint64_t sectors;                /* FATE_SECTORS: bit i = sector i of the write is kept. */
};

/* The machine after the crash, for tape_deinit. */
void tape_cut(const struct tape_cursor *cursor, const struct tape_cut *cut, struct tape *out_tape);
/* Of a tape that was just cut. Equal for equal machines: names, contents, engine, and what is
 * outstanding. */
uint64_t tape_hash(const struct tape *tape);
/* Of everything an engine holds; not 0. */
uint64_t tape_hash_engine(struct engine *engine);

#endif
