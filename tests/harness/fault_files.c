#include "harness/fault_files.h"

#include "base/check.h"
#include "base/err.h"
#include "base/os/heap.h"

#include <stdio.h>
#include <stdlib.h>

static struct fault_inode *fault_inode_new(struct fault_files *f, bool is_directory)
{
    struct fault_inode *inode = heap_alloc(sizeof *inode);
    inode->is_directory = is_directory;
    inode->next = f->inodes;
    f->inodes = inode;
    return inode;
}

struct fault_name *fault_find(struct fault_namespace *space, const char *path)
{
    for (size_t i = 0; i < space->count; i++) {
        if (strcmp(space->names[i].path, path) == 0) {
            return &space->names[i];
        }
    }
    return NULL;
}

static void fault_path_copy(char out[FAULT_PATH_SIZE], const char *path)
{
    Q_CHECK(strlen(path) < FAULT_PATH_SIZE);
    (void)snprintf(out, FAULT_PATH_SIZE, "%s", path);
}

static void fault_apply_change(struct fault_namespace *space, const struct fault_change *change)
{
    if (change->from[0] != '\0') {
        struct fault_name *old = fault_find(space, change->from);
        if (old != NULL) {
            *old = space->names[--space->count];
        }
    }
    if (change->to[0] != '\0') {
        struct fault_name *name = fault_find(space, change->to);
        if (name == NULL) {
            Q_CHECK(space->count < FAULT_NAMES_MAX);
            name = &space->names[space->count++];
        }
        fault_path_copy(name->path, change->to);
        name->inode = change->inode;
    }
}

static void fault_change_names(struct fault_files *f,
                               const char *from,
                               const char *to,
                               struct fault_inode *inode)
{
    f->changes = heap_realloc(f->changes, (f->change_count + 1) * sizeof *f->changes);
    struct fault_change *change = &f->changes[f->change_count++];
    fault_path_copy(change->from, from);
    fault_path_copy(change->to, to);
    change->inode = inode;
    if (!f->is_dead) {
        fault_apply_change(&f->cache, change);
    }
}

/* Counts a call: Q_OK to go on. At the moment of the crash the call still goes on (its effect may
 * or may not reach the disk), but the world is dead. */
static int fault_enter(struct fault_files *f, struct fault_call call)
{
    f->is_late = false;
    if (f->is_dead) {
        return Q_EIO;
    }
    f->operations++;
    if (f->operations == f->crash_at) {
        f->is_dead = true;
        return Q_OK;
    }
    const bool fails = f->fail_at != 0 && (f->operations == f->fail_at ||
                                           (f->fail_sticky && f->operations > f->fail_at));
    if (f->calls != NULL) {
        fault_calls_note(f->calls, &call, fails);
    }
    f->is_late = fails && f->fail_late;
    return fails && !f->fail_late ? f->fail_err : Q_OK;
}

/* What a call that went through says: a dead world confirms nothing. */
static int fault_leave(const struct fault_files *f)
{
    if (f->is_late) {
        return f->fail_err;
    }
    return f->is_dead ? Q_EIO : Q_OK;
}

/* Evaluated in the function that the program called: the site is the program's. */
#define CALL(kind_, path_)                                                                         \
    ((struct fault_call){.kind = (kind_), .path = (path_), .site = __builtin_return_address(0)})

static int fault_open(void *context, const char *path, bool create, struct file **out_file)
{
    struct fault_files *f = context;
    const int err = fault_enter(f, CALL(FAULT_OPEN, path));
    if (err != Q_OK) {
        return err;
    }
    struct fault_name *name = fault_find(&f->cache, path);
    if (create && name != NULL) {
        return Q_EEXIST;
    }
    if (!create && (name == NULL || name->inode->is_directory)) {
        return Q_ENOTFOUND;
    }
    struct fault_inode *inode = create ? fault_inode_new(f, false) : name->inode;
    if (create) {
        fault_change_names(f, "", path, inode);
    }
    if (fault_leave(f) != Q_OK) {
        return fault_leave(f);
    }
    struct file *file = heap_alloc(sizeof *file);
    file->inode = inode;
    fault_path_copy(file->path, path);
    f->open_count++;
    *out_file = file;
    return Q_OK;
}

static void fault_close(void *context, struct file *file)
{
    ((struct fault_files *)context)->open_count--;
    heap_free(file);
}

static int fault_size(void *context, struct file *file, uint64_t *out_size)
{
    const int err = fault_enter(context, CALL(FAULT_SIZE, file->path));
    *out_size = buf_size(&file->inode->cache);
    return err != Q_OK ? err : fault_leave(context);
}

static int fault_read(
    void *context, struct file *file, uint64_t offset, void *out, size_t size, size_t *out_read)
{
    const int err = fault_enter(context, CALL(FAULT_READ, file->path));
    if (err != Q_OK) {
        return err;
    }
    const struct bytes all = buf_bytes(&file->inode->cache);
    const size_t left = offset < all.size ? all.size - (size_t)offset : 0;
    *out_read = left < size ? left : size;
    if (*out_read > 0) {
        memcpy(out, all.data + offset, *out_read);
    }
    return fault_leave(context);
}

void fault_put(struct buf *contents, uint64_t offset, struct bytes bytes)
{
    const size_t end = (size_t)offset + bytes.size;
    const size_t old = buf_size(contents);
    if (end > old) {
        memset(buf_reserve(contents, end - old), 0, end - old);
        buf_added(contents, end - old);
    }
    if (bytes.size > 0 && bytes.data != NULL) {
        memcpy(contents->data + contents->start + offset, bytes.data, bytes.size);
    }
}

void fault_resize(struct buf *contents, uint64_t size)
{
    if (size < buf_size(contents)) {
        buf_chop_to(contents, (size_t)size);
    } else {
        fault_put(contents, size, bytes_of("", 0));
    }
}

static struct fault_write *fault_remember(struct fault_inode *inode, uint64_t offset)
{
    inode->writes = heap_realloc(inode->writes, (inode->write_count + 1) * sizeof *inode->writes);
    struct fault_write *write = &inode->writes[inode->write_count++];
    *write = (struct fault_write){.offset = offset};
    return write;
}

static int fault_write(void *context, struct file *file, uint64_t offset, struct bytes bytes)
{
    struct fault_files *f = context;
    const int err = fault_enter(f, CALL(FAULT_WRITE, file->path));
    if (err == Q_EIO && f->is_dead) {
        return err;
    }
    if (err != Q_OK) {
        bytes.size /= 2; /* Some of it was written nevertheless. */
    }
    buf_append(&fault_remember(file->inode, offset)->bytes, bytes);
    fault_put(&file->inode->cache, offset, bytes);
    return err != Q_OK ? err : fault_leave(f);
}

static void fault_forget_writes(struct fault_inode *inode)
{
    for (size_t i = 0; i < inode->write_count; i++) {
        buf_deinit(&inode->writes[i].bytes);
    }
    heap_free(inode->writes);
    inode->writes = NULL;
    inode->write_count = 0;
}

static void fault_settle(struct buf *contents, const struct fault_write *write)
{
    if (write->is_truncation) {
        fault_resize(contents, write->offset);
    } else {
        fault_put(contents, write->offset, buf_bytes(&write->bytes));
    }
}

static int fault_sync(void *context, struct file *file)
{
    struct fault_files *f = context;
    const int err = fault_enter(f, CALL(FAULT_SYNC, file->path));
    if (f->is_dead) {
        return Q_EIO;
    }
    for (size_t i = 0; err == Q_OK && i < file->inode->write_count; i++) {
        fault_settle(&file->inode->disk, &file->inode->writes[i]);
    }
    fault_forget_writes(file->inode); /* After an error too: the pages count as clean. */
    return err != Q_OK ? err : fault_leave(f);
}

static int fault_truncate(void *context, struct file *file, uint64_t size)
{
    const int err = fault_enter(context, CALL(FAULT_TRUNCATE, file->path));
    if (err != Q_OK) {
        return err;
    }
    fault_remember(file->inode, size)->is_truncation = true;
    fault_resize(&file->inode->cache, size);
    return fault_leave(context);
}

static int fault_rename(void *context, const char *from, const char *to)
{
    struct fault_files *f = context;
    const int err = fault_enter(f, CALL(FAULT_RENAME, from));
    if (err != Q_OK) {
        return err;
    }
    struct fault_name *name = fault_find(&f->cache, from);
    if (name == NULL) {
        return Q_ENOTFOUND;
    }
    fault_change_names(f, from, to, name->inode);
    return fault_leave(f);
}

static int fault_remove(void *context, const char *path)
{
    struct fault_files *f = context;
    const int err = fault_enter(f, CALL(FAULT_REMOVE, path));
    if (err != Q_OK) {
        return err;
    }
    if (fault_find(&f->cache, path) == NULL) {
        return Q_ENOTFOUND;
    }
    fault_change_names(f, path, "", NULL);
    return fault_leave(f);
}

static int fault_make_directory(void *context, const char *path)
{
    struct fault_files *f = context;
    const int err = fault_enter(f, CALL(FAULT_MAKE_DIRECTORY, path));
    if (err != Q_OK) {
        return err;
    }
    if (fault_find(&f->cache, path) == NULL) {
        fault_change_names(f, "", path, fault_inode_new(f, true));
    }
    return fault_leave(f);
}

/* Is `path` directly in `directory`? */
static bool fault_is_in(const char *path, const char *directory)
{
    const char *slash = strrchr(path, '/');
    const size_t size = slash == NULL ? 0 : (size_t)(slash - path);
    return size == strlen(directory) && strncmp(path, directory, size) == 0;
}

static int fault_sync_directory(void *context, const char *directory)
{
    struct fault_files *f = context;
    const int err = fault_enter(f, CALL(FAULT_SYNC_DIRECTORY, directory));
    if (err != Q_OK || f->is_dead) {
        return err != Q_OK ? err : Q_EIO;
    }
    size_t left = 0;
    for (size_t i = 0; i < f->change_count; i++) {
        const struct fault_change change = f->changes[i];
        if (fault_is_in(change.to[0] != '\0' ? change.to : change.from, directory)) {
            fault_apply_change(&f->disk, &change);
        } else {
            f->changes[left++] = change;
        }
    }
    f->change_count = left;
    return fault_leave(f);
}

static int fault_compare_names(const void *a, const void *b)
{
    return strcmp(((const struct fault_name *)a)->path, ((const struct fault_name *)b)->path);
}

static int fault_list(void *context,
                      const char *directory,
                      void (*visit)(void *, const char *name),
                      void *visit_context)
{
    struct fault_files *f = context;
    const int err = fault_enter(f, CALL(FAULT_LIST, directory));
    if (err != Q_OK || f->is_dead) {
        return err != Q_OK ? err : Q_EIO;
    }
    qsort(f->cache.names, f->cache.count, sizeof f->cache.names[0], fault_compare_names);
    for (size_t i = 0; i < f->cache.count; i++) {
        const struct fault_name *name = &f->cache.names[i];
        if (!name->inode->is_directory && fault_is_in(name->path, directory)) {
            const char *slash = strrchr(name->path, '/');
            visit(visit_context, slash == NULL ? name->path : slash + 1);
        }
    }
    return fault_leave(f);
}

void fault_files_init(struct fault_files *f)
{
    *f = (struct fault_files){.fail_err = Q_EIO};
    f->files = (struct files){.context = f,
                              .open = fault_open,
                              .close = fault_close,
                              .size = fault_size,
                              .read = fault_read,
                              .write = fault_write,
                              .sync = fault_sync,
                              .truncate = fault_truncate,
                              .rename = fault_rename,
                              .remove = fault_remove,
                              .make_directory = fault_make_directory,
                              .sync_directory = fault_sync_directory,
                              .list = fault_list};
}

void fault_files_deinit(struct fault_files *f)
{
    Q_CHECK(f->open_count == 0);
    while (f->inodes != NULL) {
        struct fault_inode *inode = f->inodes;
        f->inodes = inode->next;
        fault_forget_writes(inode);
        buf_deinit(&inode->cache);
        buf_deinit(&inode->disk);
        heap_free(inode);
    }
    heap_free(f->changes);
    f->changes = NULL;
}

/* Applies any chunks of a write to the disk. */
static void fault_scatter(struct fault_inode *inode,
                          const struct fault_write *write,
                          size_t chunk,
                          struct prng *prng)
{
    const struct bytes all = buf_bytes(&write->bytes);
    size_t at = 0;
    while (at < all.size) {
        const size_t boundary = chunk - (size_t)((write->offset + at) % chunk);
        const size_t size = boundary < all.size - at ? boundary : all.size - at;
        if (prng_chance(prng, 1, 2)) {
            fault_put(&inode->disk, write->offset + at, bytes_of(all.data + at, size));
        }
        at += size;
    }
}

static void fault_crash_inode(struct fault_inode *inode,
                              enum fault_crash_mode mode,
                              struct prng *prng)
{
    size_t whole = 0; /* Writes that reach the disk for certain. */
    if (mode == FAULT_KEEP_ALL) {
        whole = inode->write_count;
    } else if (mode == FAULT_TEAR && inode->write_count > 0) {
        whole = (size_t)prng_below(prng, inode->write_count);
    }
    for (size_t i = 0; i < inode->write_count; i++) {
        struct fault_write *write = &inode->writes[i];
        if (i < whole) {
            fault_settle(&inode->disk, write);
        } else if (mode == FAULT_TEAR && i == whole && !write->is_truncation) {
            buf_chop_to(&write->bytes, (size_t)prng_between(prng, 0, buf_size(&write->bytes)));
            fault_settle(&inode->disk, write);
        } else if (mode == FAULT_SECTORS || mode == FAULT_SPLINTERS) {
            fault_scatter(inode, write,
                          mode == FAULT_SECTORS ? FAULT_SECTOR : (size_t)prng_between(prng, 1, 64),
                          prng);
        }
    }
    fault_forget_writes(inode);
    buf_clear(&inode->cache);
    buf_append(&inode->cache, buf_bytes(&inode->disk));
}

void fault_crash(struct fault_files *f, enum fault_crash_mode mode, struct prng *prng)
{
    Q_CHECK(f->open_count == 0);
    size_t kept = f->change_count;
    if (mode == FAULT_LOSE_ALL) {
        kept = 0;
    } else if (mode != FAULT_KEEP_ALL) {
        kept = (size_t)prng_between(prng, 0, f->change_count);
    }
    for (size_t i = 0; i < kept; i++) {
        fault_apply_change(&f->disk, &f->changes[i]);
    }
    f->change_count = 0;
    /* A file in a directory that is not there is not there either. */
    for (size_t i = f->disk.count; i > 0; i--) {
        char parent[FAULT_PATH_SIZE];
        fault_path_copy(parent, f->disk.names[i - 1].path);
        char *slash = strrchr(parent, '/');
        if (slash != NULL) {
            *slash = '\0';
            if (fault_find(&f->disk, parent) == NULL) {
                f->disk.names[i - 1] = f->disk.names[--f->disk.count];
            }
        }
    }
    f->cache = f->disk;
    for (struct fault_inode *inode = f->inodes; inode != NULL; inode = inode->next) {
        fault_crash_inode(inode, mode, prng);
    }
    f->is_dead = false;
    f->crash_at = 0;
    f->fail_at = 0;
    f->operations = 0;
}

void fault_clone(struct fault_files *to, const struct fault_files *from)
{
    Q_CHECK(from->change_count == 0 && from->open_count == 0);
    fault_files_init(to);
    to->cache = from->cache;
    for (size_t i = 0; i < to->cache.count; i++) {
        const struct fault_inode *old = from->cache.names[i].inode;
        struct fault_inode *inode = fault_inode_new(to, old->is_directory);
        buf_append(&inode->cache, buf_bytes(&old->cache));
        buf_append(&inode->disk, buf_bytes(&old->disk));
        to->cache.names[i].inode = inode;
    }
    to->disk = to->cache;
}

void fault_damage(struct fault_files *f, const char *path, size_t at, uint8_t mask)
{
    struct fault_name *name = fault_find(&f->cache, path);
    Q_CHECK(name != NULL);
    Q_CHECK(at < buf_size(&name->inode->cache));
    name->inode->cache.data[name->inode->cache.start + at] ^= mask;
    if (at < buf_size(&name->inode->disk)) {
        name->inode->disk.data[name->inode->disk.start + at] ^= mask;
    }
}
