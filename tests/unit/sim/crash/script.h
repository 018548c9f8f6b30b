/* Tapes by hand, for tests of what crashes leave. */
#ifndef Q_TESTS_UNIT_SIM_CRASH_SCRIPT_H
#define Q_TESTS_UNIT_SIM_CRASH_SCRIPT_H

#include "base/os/heap.h"
#include "harness/test.h"
#include "sim/crash/tape.h"

static inline void script_name(struct tape *tape,
                               enum tape_op_kind kind,
                               const char *path,
                               size_t inode)
{
    struct tape_op op = {.kind = kind, .inode = inode};
    (void)snprintf(op.path, sizeof op.path, "%s", path);
    tape_add(tape, op);
}

static inline void script_rename(struct tape *tape, const char *from, const char *to)
{
    struct tape_op op = {.kind = TAPE_RENAME};
    (void)snprintf(op.path, sizeof op.path, "%s", from);
    (void)snprintf(op.to, sizeof op.to, "%s", to);
    tape_add(tape, op);
}

static inline void script_write(struct tape *tape, size_t inode, uint64_t offset, const char *text)
{
    struct tape_op op = {
        .kind = TAPE_WRITE, .inode = inode, .offset = offset, .size = strlen(text)};
    op.data = heap_alloc_raw(op.size + 1);
    memcpy(op.data, text, op.size);
    tape_add(tape, op);
}

static inline void script_sync(struct tape *tape, enum tape_op_kind kind, size_t inode)
{
    tape_add(tape, (struct tape_op){.kind = kind, .inode = inode});
}

/* One batch: puts a key that tells its number. */
static inline void script_batch(struct tape *tape, char number)
{
    struct engine *engine = memory_engine_branch(tape->versions[tape->version_count - 1]);
    const struct engine_operation operation = {
        .kind = ENGINE_PUT, .key = bytes_of(&number, 1), .value = bytes_of(&number, 1)};
    REQUIRE(engine->ops->write(engine, &operation, 1) == 0);
    tape_add_engine_write(tape, engine);
    engine->ops->close(engine);
}

/* The contents of a file on the platter; NULL data = it is not there. */
static inline struct bytes script_contents(struct tape *tape, const char *path)
{
    const struct tape_name *name = tape_names_find(&tape->image.names, path);
    if (name == NULL) {
        return (struct bytes){.data = NULL};
    }
    const struct tape_inode *inode = &tape->image.inodes[name->inode];
    return bytes_of(inode->size == 0 ? (const uint8_t *)"" : inode->data, inode->size);
}

static inline bool script_holds(struct tape *tape, const char *path, const char *text, size_t size)
{
    const struct bytes contents = script_contents(tape, path);
    return contents.data != NULL && bytes_equal(contents, bytes_of(text, size));
}

#endif
