#include "sim/crash/tape.h"

#include "base/check.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/os/heap.h"

#include <inttypes.h>
#include <stdio.h>

/* ---- contents and names ---- */

static void resize(struct tape_inode *inode, size_t size)
{
    if (size > inode->size) {
        inode->data = heap_realloc(inode->data, size);
        memset(inode->data + inode->size, 0, size - inode->size);
    }
    inode->size = size;
}

static void put(struct tape_inode *inode, uint64_t offset, struct bytes bytes)
{
    if (bytes.size == 0) {
        return;
    }
    if (offset + bytes.size > inode->size) {
        resize(inode, (size_t)offset + bytes.size);
    }
    memcpy(inode->data + offset, bytes.data, bytes.size);
}

void tape_inode_apply(struct tape_inode *inode, const struct tape_op *op)
{
    Q_CHECK(tape_op_is_data(op));
    if (op->kind == TAPE_TRUNCATE) {
        resize(inode, (size_t)op->offset);
    } else {
        put(inode, op->offset, bytes_of(op->data, op->size));
    }
}

struct tape_name *tape_names_find(struct tape_names *names, const char *path)
{
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->items[i].path, path) == 0) {
            return &names->items[i];
        }
    }
    return NULL;
}

static void remove_name(struct tape_names *names, const char *path)
{
    struct tape_name *name = tape_names_find(names, path);
    if (name != NULL) {
        *name = names->items[--names->count];
    }
}

static void put_name(struct tape_names *names, const char *path, size_t inode)
{
    remove_name(names, path);
    Q_CHECK(names->count < TAPE_NAMES_MAX);
    struct tape_name *name = &names->items[names->count++];
    memcpy(name->path, path, TAPE_PATH_SIZE);
    name->inode = inode;
}

void tape_names_apply(struct tape_names *names, const struct tape_op *op)
{
    Q_CHECK(tape_op_is_name(op));
    const struct tape_name *name = tape_names_find(names, op->path);
    if (op->kind == TAPE_REMOVE) {
        remove_name(names, op->path);
    } else if (op->kind != TAPE_RENAME) {
        put_name(names, op->path, op->inode);
    } else if (name != NULL) {
        const size_t inode = name->inode;
        remove_name(names, op->path);
        put_name(names, op->to, inode);
    }
}

bool tape_is_in_directory(const char *path, const char *directory)
{
    const char *slash = strrchr(path, '/');
    const size_t size = slash == NULL ? 0 : (size_t)(slash - path);
    return strlen(directory) == size && memcmp(path, directory, size) == 0;
}

bool tape_op_is_data(const struct tape_op *op)
{
    return op->kind == TAPE_WRITE || op->kind == TAPE_TRUNCATE;
}

bool tape_op_is_name(const struct tape_op *op)
{
    return op->kind == TAPE_CREATE || op->kind == TAPE_MAKE_DIRECTORY || op->kind == TAPE_RENAME ||
           op->kind == TAPE_REMOVE;
}

/* ---- images ---- */

static void image_deinit(struct tape_image *image)
{
    for (size_t i = 0; i < image->inode_count; i++) {
        heap_free(image->inodes[i].data);
    }
    heap_free(image->inodes);
    *image = (struct tape_image){.inode_count = 0};
}

static uint8_t *copy_of(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return NULL;
    }
    uint8_t *copy = heap_alloc_raw(size);
    memcpy(copy, data, size);
    return copy;
}

static void image_copy(struct tape_image *out, const struct tape_image *from)
{
    *out = *from;
    out->inodes = heap_alloc((from->inode_count + 1) * sizeof *out->inodes);
    for (size_t i = 0; i < from->inode_count; i++) {
        out->inodes[i] = from->inodes[i];
        out->inodes[i].data = copy_of(from->inodes[i].data, from->inodes[i].size);
    }
}

static struct tape_inode *image_inode(struct tape_image *image, size_t number)
{
    if (number >= image->inode_count) {
        image->inodes = heap_realloc(image->inodes, (number + 1) * sizeof *image->inodes);
        memset(&image->inodes[image->inode_count], 0,
               (number + 1 - image->inode_count) * sizeof *image->inodes);
        image->inode_count = number + 1;
    }
    return &image->inodes[number];
}

/* A file below a directory whose creation was lost is lost with it. */
static void drop_orphans(struct tape_names *names)
{
    size_t i = 0;
    while (i < names->count) {
        char parent[TAPE_PATH_SIZE];
        memcpy(parent, names->items[i].path, sizeof parent);
        char *slash = strrchr(parent, '/');
        if (slash != NULL) {
            *slash = '\0';
        }
        if (slash != NULL && tape_names_find(names, parent) == NULL) {
            names->items[i] = names->items[--names->count];
            i = 0; /* It may have been a directory itself. */
        } else {
            i++;
        }
    }
}

/* Empties the inodes that have no name any more. */
static void drop_unnamed(struct tape_image *image)
{
    for (size_t i = 0; i < image->inode_count; i++) {
        bool is_named = false;
        for (size_t n = 0; n < image->names.count && !is_named; n++) {
            is_named = image->names.items[n].inode == i;
        }
        if (!is_named) {
            heap_free(image->inodes[i].data);
            image->inodes[i] = (struct tape_inode){.data = NULL};
        }
    }
}

/* ---- the tape ---- */

static void add_version(struct tape *tape, struct engine *engine)
{
    const size_t count = tape->version_count + 1;
    tape->versions = heap_realloc(tape->versions, count * sizeof(struct engine *));
    tape->version_hashes = heap_realloc(tape->version_hashes, count * sizeof(uint64_t));
    tape->versions[tape->version_count] = engine;
    tape->version_hashes[tape->version_count] = 0;
    tape->version_count = count;
}

void tape_init(struct tape *tape)
{
    *tape = (struct tape){.op_count = 0};
    add_version(tape, memory_engine_new());
}

void tape_deinit(struct tape *tape)
{
    image_deinit(&tape->image);
    for (size_t i = 0; i < tape->op_count; i++) {
        heap_free(tape->ops[i].data);
    }
    heap_free(tape->ops);
    for (size_t i = 0; i < tape->version_count; i++) {
        tape->versions[i]->ops->close(tape->versions[i]);
    }
    heap_free(tape->versions);
    heap_free(tape->version_hashes);
    *tape = (struct tape){.op_count = 0};
}

void tape_add(struct tape *tape, struct tape_op op)
{
    if (tape->op_count == tape->op_capacity) {
        tape->op_capacity = tape->op_capacity == 0 ? 32 : tape->op_capacity * 2;
        tape->ops = heap_realloc(tape->ops, tape->op_capacity * sizeof *tape->ops);
    }
    tape->ops[tape->op_count++] = op;
}

void tape_add_engine_write(struct tape *tape, const struct engine *engine)
{
    add_version(tape, memory_engine_branch(engine));
    tape_add(tape, (struct tape_op){.kind = TAPE_ENGINE_WRITE});
}

void tape_op_text(const struct tape_op *op, char *out, size_t size)
{
    switch (op->kind) {
    case TAPE_WRITE:
        (void)snprintf(out, size, "write %s [%" PRIu64 ", +%zu)", op->path, op->offset, op->size);
        return;
    case TAPE_TRUNCATE:
        (void)snprintf(out, size, "truncate %s to %" PRIu64, op->path, op->offset);
        return;
    case TAPE_SYNC: (void)snprintf(out, size, "sync %s", op->path); return;
    case TAPE_SYNC_FAILED: (void)snprintf(out, size, "failed sync %s", op->path); return;
    case TAPE_CREATE: (void)snprintf(out, size, "create %s", op->path); return;
    case TAPE_MAKE_DIRECTORY: (void)snprintf(out, size, "mkdir %s", op->path); return;
    case TAPE_RENAME: (void)snprintf(out, size, "rename %s to %s", op->path, op->to); return;
    case TAPE_REMOVE: (void)snprintf(out, size, "remove %s", op->path); return;
    case TAPE_SYNC_DIRECTORY: (void)snprintf(out, size, "sync directory '%s'", op->path); return;
    case TAPE_ENGINE_WRITE: (void)snprintf(out, size, "engine batch"); return;
    case TAPE_ENGINE_FLUSH: (void)snprintf(out, size, "engine flush"); return;
    }
}

/* ---- the cursor ---- */

void tape_cursor_init(struct tape_cursor *cursor, const struct tape *tape)
{
    *cursor = (struct tape_cursor){.tape = tape};
    image_copy(&cursor->durable, &tape->image);
}

void tape_cursor_deinit(struct tape_cursor *cursor)
{
    image_deinit(&cursor->durable);
    *cursor = (struct tape_cursor){.tape = NULL};
}

static void await(struct tape_cursor *cursor)
{
    Q_CHECK(cursor->pending_count < TAPE_PENDING_MAX);
    cursor->pending[cursor->pending_count++] = cursor->at;
}

static void forget(struct tape_cursor *cursor, struct tape_part part)
{
    Q_CHECK(cursor->tape->ops[part.op].kind == TAPE_WRITE);
    Q_CHECK(cursor->forgotten_count < TAPE_PENDING_MAX);
    size_t at = cursor->forgotten_count++;
    while (at > 0 && cursor->forgotten[at - 1].op > part.op) {
        cursor->forgotten[at] = cursor->forgotten[at - 1];
        at--;
    }
    cursor->forgotten[at] = part;
}

static void forget_all(struct tape_cursor *cursor, size_t op)
{
    forget(cursor, (struct tape_part){.op = op, .to = cursor->tape->ops[op].size});
}

/* Where forgotten bytes were written over, durably now, reads see what is on the platter. */
static void remember(struct tape_cursor *cursor, const struct tape_op *write)
{
    struct tape_part parts[TAPE_PENDING_MAX];
    const size_t count = cursor->forgotten_count;
    memcpy(parts, cursor->forgotten, count * sizeof *parts);
    cursor->forgotten_count = 0;
    for (size_t i = 0; i < count; i++) {
        const struct tape_op *op = &cursor->tape->ops[parts[i].op];
        const uint64_t start = op->offset + parts[i].from;
        const uint64_t end = op->offset + parts[i].to;
        const uint64_t write_end = write->offset + write->size;
        if (op->inode != write->inode || write_end <= start || write->offset >= end) {
            forget(cursor, parts[i]);
            continue;
        }
        if (start < write->offset) {
            forget(cursor, (struct tape_part){.op = parts[i].op,
                                              .from = parts[i].from,
                                              .to = (size_t)(write->offset - op->offset)});
        }
        if (write_end < end) {
            forget(cursor, (struct tape_part){.op = parts[i].op,
                                              .from = (size_t)(write_end - op->offset),
                                              .to = parts[i].to});
        }
    }
}

/* Does `op`, a sync, concern this outstanding operation? */
static bool is_synced_by(const struct tape_op *outstanding, const struct tape_op *op)
{
    if (op->kind == TAPE_SYNC_DIRECTORY) {
        return tape_op_is_name(outstanding) && tape_is_in_directory(outstanding->path, op->path);
    }
    return tape_op_is_data(outstanding) && outstanding->inode == op->inode;
}

static void settle(struct tape_cursor *cursor, const struct tape_op *sync)
{
    size_t kept = 0;
    for (size_t i = 0; i < cursor->pending_count; i++) {
        const struct tape_op *op = &cursor->tape->ops[cursor->pending[i]];
        if (!is_synced_by(op, sync)) {
            cursor->pending[kept++] = cursor->pending[i];
        } else if (sync->kind == TAPE_SYNC_FAILED) {
            forget_all(cursor, cursor->pending[i]);
        } else if (tape_op_is_data(op)) {
            tape_inode_apply(image_inode(&cursor->durable, op->inode), op);
            remember(cursor, op);
        } else {
            tape_names_apply(&cursor->durable.names, op);
        }
    }
    cursor->pending_count = kept;
}

void tape_cursor_advance(struct tape_cursor *cursor)
{
    Q_CHECK(cursor->at < cursor->tape->op_count);
    const struct tape_op *op = &cursor->tape->ops[cursor->at];
    switch (op->kind) {
    case TAPE_CREATE:
    case TAPE_MAKE_DIRECTORY:
        image_inode(&cursor->durable, op->inode)->is_directory = op->kind == TAPE_MAKE_DIRECTORY;
        await(cursor);
        break;
    case TAPE_WRITE:
        if (op->is_forgotten) {
            forget_all(cursor, cursor->at);
        } else {
            await(cursor);
        }
        break;
    case TAPE_TRUNCATE:
    case TAPE_RENAME:
    case TAPE_REMOVE: await(cursor); break;
    case TAPE_SYNC:
    case TAPE_SYNC_FAILED:
    case TAPE_SYNC_DIRECTORY: settle(cursor, op); break;
    case TAPE_ENGINE_WRITE: cursor->version++; break;
    case TAPE_ENGINE_FLUSH: cursor->flushed = cursor->version; break;
    }
    cursor->at++;
}

/* ---- cutting ---- */

static void put_sectors(struct tape_inode *inode, const struct tape_op *op, uint64_t sectors)
{
    size_t at = 0;
    for (size_t i = 0; at < op->size; i++) {
        const size_t room = TAPE_SECTOR_SIZE - (size_t)((op->offset + at) % TAPE_SECTOR_SIZE);
        const size_t size = room < op->size - at ? room : op->size - at;
        if ((sectors >> (i % 64) & 1) != 0) {
            put(inode, op->offset + at, bytes_of(op->data + at, size));
        }
        at += size;
    }
}

static void carry_out(struct tape_image *image,
                      const struct tape_op *op,
                      const struct tape_cut *cut,
                      enum tape_fate fate)
{
    if (tape_op_is_name(op)) {
        if (fate == FATE_KEPT) {
            tape_names_apply(&image->names, op);
        }
        return;
    }
    struct tape_inode *inode = image_inode(image, op->inode);
    if (fate == FATE_KEPT) {
        tape_inode_apply(inode, op);
    } else if (fate == FATE_TORN) {
        Q_CHECK(op->kind == TAPE_WRITE && cut->tear_size <= op->size);
        put(inode, op->offset, bytes_of(op->data, cut->tear_size));
    } else if (fate == FATE_SECTORS) {
        Q_CHECK(op->kind == TAPE_WRITE);
        put_sectors(inode, op, cut->sectors);
    }
    if (cut->is_sized && op->kind == TAPE_WRITE && op->offset + op->size > inode->size) {
        resize(inode, (size_t)op->offset + op->size);
    }
}

/* Everything that is outstanding or forgotten goes on, in its order. The process is gone, and with
 * it the files it had open under no name; but an outstanding removal may bring a name back, so
 * inodes stay. */
static void cut_by_kill(const struct tape_cursor *cursor, struct tape *out_tape)
{
    size_t forgotten = 0;
    size_t pending = 0;
    while (forgotten < cursor->forgotten_count || pending < cursor->pending_count) {
        const bool is_forgotten = pending == cursor->pending_count ||
                                  (forgotten < cursor->forgotten_count &&
                                   cursor->forgotten[forgotten].op < cursor->pending[pending]);
        const size_t at =
            is_forgotten ? cursor->forgotten[forgotten].op : cursor->pending[pending++];
        struct tape_op op = cursor->tape->ops[at];
        if (is_forgotten) {
            const struct tape_part *part = &cursor->forgotten[forgotten++];
            op.is_forgotten = true;
            op.offset += part->from;
            op.data += part->from;
            op.size = part->to - part->from;
        }
        op.data = copy_of(op.data, op.size);
        tape_add(out_tape, op);
    }
}

void tape_cut(const struct tape_cursor *cursor, const struct tape_cut *cut, struct tape *out_tape)
{
    Q_CHECK(cut->version >= cursor->flushed && cut->version <= cursor->version);
    *out_tape = (struct tape){.op_count = 0};
    image_copy(&out_tape->image, &cursor->durable);
    add_version(out_tape, memory_engine_branch(cursor->tape->versions[cut->version]));
    uint64_t *known = &cursor->tape->version_hashes[cut->version];
    if (*known == 0) {
        *known = tape_hash_engine(cursor->tape->versions[cut->version]);
    }
    out_tape->version_hashes[0] = *known;
    if (cut->is_kill) {
        cut_by_kill(cursor, out_tape);
        return;
    }
    for (size_t i = 0; i < cursor->pending_count; i++) {
        carry_out(&out_tape->image, &cursor->tape->ops[cursor->pending[i]], cut,
                  (enum tape_fate)cut->fates[i]);
    }
    drop_orphans(&out_tape->image.names);
    drop_unnamed(&out_tape->image);
}

/* ---- hashes ---- */

static uint64_t hash_numbers(uint64_t a, uint64_t b, uint64_t c)
{
    const uint64_t numbers[3] = {a, b, c};
    return hash_bytes(bytes_of(numbers, sizeof numbers));
}

uint64_t tape_hash_engine(struct engine *engine)
{
    struct engine_iterator *iterator =
        engine->ops->iterator_new(engine, NULL, bytes_of("", 0), bytes_of("", 0));
    uint64_t hash = 1;
    while (engine->ops->iterator_next(iterator)) {
        const struct bytes key = engine->ops->iterator_key(iterator);
        hash = hash_bytes_seeded(key, hash + key.size);
        hash = hash_bytes_seeded(engine->ops->iterator_value(iterator), hash);
    }
    engine->ops->iterator_free(iterator);
    return hash == 0 ? 1 : hash;
}

static uint64_t hash_inode(const struct tape_inode *inode)
{
    return hash_numbers(hash_bytes(bytes_of(inode->data, inode->size)), inode->size,
                        inode->is_directory);
}

/* What is outstanding, and the inodes by number because it speaks of them. */
static uint64_t hash_outstanding(const struct tape *tape)
{
    uint64_t hash = 2;
    for (size_t i = 0; i < tape->image.inode_count; i++) {
        hash = hash_numbers(hash, i, hash_inode(&tape->image.inodes[i]));
    }
    for (size_t i = 0; i < tape->op_count; i++) {
        const struct tape_op *op = &tape->ops[i];
        hash = hash_numbers(hash, (uint64_t)op->kind, op->inode * 2 + op->is_forgotten);
        hash = hash_numbers(hash, op->offset, hash_bytes(bytes_of(op->data, op->size)));
        hash = hash_bytes_seeded(bytes_of_text(op->path), hash);
        hash = hash_bytes_seeded(bytes_of_text(op->to), hash);
    }
    return hash;
}

uint64_t tape_hash(const struct tape *tape)
{
    /* A sum: the order of names means nothing. */
    uint64_t names = 0;
    for (size_t i = 0; i < tape->image.names.count; i++) {
        const struct tape_name *name = &tape->image.names.items[i];
        names += hash_numbers(hash_bytes(bytes_of_text(name->path)),
                              hash_inode(&tape->image.inodes[name->inode]), 0);
    }
    const uint64_t outstanding = tape->op_count == 0 ? 0 : hash_outstanding(tape);
    return hash_numbers(names, tape->version_hashes[0], outstanding);
}
