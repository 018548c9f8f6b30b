#include "sim/disk.h"

#include "base/check.h"
#include "base/err.h"
#include "base/os/heap.h"
#include "sim/disk_private.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- names ---- */

static void set_path(char out[PATH_SIZE_MAX], const char *path)
{
    const size_t size = strlen(path);
    Q_CHECK(size < PATH_SIZE_MAX);
    memcpy(out, path, size + 1);
}

struct name *disk_names_find(const struct names *names, const char *path)
{
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->items[i].path, path) == 0) {
            return &names->items[i];
        }
    }
    return NULL;
}

void disk_names_remove(struct names *names, const char *path)
{
    struct name *name = disk_names_find(names, path);
    if (name != NULL) {
        *name = names->items[--names->count];
    }
}

void disk_names_put(struct names *names, const char *path, struct inode *inode)
{
    disk_names_remove(names, path);
    Q_CHECK(names->count < NAMES_MAX);
    if (names->count == names->capacity) {
        names->capacity = names->capacity == 0 ? 16 : names->capacity * 2;
        names->items = heap_realloc(names->items, names->capacity * sizeof *names->items);
    }
    struct name *name = &names->items[names->count++];
    set_path(name->path, path);
    name->inode = inode;
}

static void names_apply(struct names *names, const struct change *change)
{
    const struct name *name = NULL;
    switch (change->kind) {
    case CHANGE_CREATE: disk_names_put(names, change->path, change->inode); break;
    case CHANGE_REMOVE: disk_names_remove(names, change->path); break;
    case CHANGE_RENAME:
        name = disk_names_find(names, change->path);
        if (name != NULL) {
            struct inode *inode = name->inode;
            disk_names_remove(names, change->path);
            disk_names_put(names, change->to, inode);
        }
        break;
    }
}

bool disk_path_is_in(const char *path, const char *directory)
{
    const char *slash = strrchr(path, '/');
    const size_t size = slash == NULL ? 0 : (size_t)(slash - path);
    return strlen(directory) == size && memcmp(path, directory, size) == 0;
}

static void mark_names(const struct names *names)
{
    for (size_t i = 0; i < names->count; i++) {
        names->items[i].inode->marked = true;
    }
}

void disk_collect(struct disk *disk)
{
    for (struct inode *inode = disk->inodes; inode != NULL; inode = inode->next) {
        inode->marked = inode->open_count > 0;
    }
    mark_names(&disk->seen);
    mark_names(&disk->durable);
    for (size_t i = 0; i < disk->change_count; i++) {
        if (disk->changes[i].inode != NULL) {
            disk->changes[i].inode->marked = true;
        }
    }
    struct inode **link = &disk->inodes;
    while (*link != NULL) {
        struct inode *inode = *link;
        if (inode->marked) {
            link = &inode->next;
            continue;
        }
        *link = inode->next;
        disk_image_deinit(&inode->image);
        heap_free(inode);
    }
}

static void change_names(struct disk *disk, const struct change *change)
{
    if (disk->change_count == disk->change_capacity) {
        disk->change_capacity = disk->change_capacity == 0 ? 8 : disk->change_capacity * 2;
        disk->changes = heap_realloc(disk->changes, disk->change_capacity * sizeof *disk->changes);
    }
    disk->changes[disk->change_count++] = *change;
    names_apply(&disk->seen, change);
}

struct inode *disk_inode_new(struct disk *disk)
{
    struct inode *inode = heap_alloc(sizeof *inode);
    inode->next = disk->inodes;
    disk->inodes = inode;
    return inode;
}

/* ---- struct files ---- */

/* Asked at the start of every operation, which is what disk_die_after counts. */
static bool is_off(struct disk *disk)
{
    if (disk->operations_left > 0 && --disk->operations_left == 0) {
        disk->is_down = true;
    }
    disk->has_failed |= disk->is_down;
    return disk->is_down;
}

/* A fault strikes. */
static int fail(struct disk *disk, int err)
{
    disk->has_failed = true;
    return err;
}

static int files_open(void *context, const char *path, bool create, struct file **out_file)
{
    struct disk *disk = context;
    if (is_off(disk)) {
        return Q_EIO;
    }
    const struct name *name = disk_names_find(&disk->seen, path);
    if (name != NULL && create) {
        return Q_EEXIST;
    }
    if (name == NULL && !create) {
        return Q_ENOTFOUND;
    }
    if (create && disk->faults.full) {
        return fail(disk, Q_ENOSPC);
    }
    struct inode *inode = name == NULL ? disk_inode_new(disk) : name->inode;
    if (name == NULL) {
        struct change change = {.kind = CHANGE_CREATE, .inode = inode};
        set_path(change.path, path);
        change_names(disk, &change);
    }
    struct file *file = heap_alloc(sizeof *file);
    *file = (struct file){.inode = inode, .incarnation = disk->incarnation};
    inode->open_count++;
    disk->open_count++;
    *out_file = file;
    return Q_OK;
}

static void files_close(void *context, struct file *file)
{
    struct disk *disk = context;
    Q_CHECK(file->inode->open_count > 0);
    file->inode->open_count--;
    disk->open_count--;
    heap_free(file);
    disk_collect(disk);
}

static bool is_stale(struct disk *disk, const struct file *file)
{
    return is_off(disk) || file->incarnation != disk->incarnation;
}

static int files_size(void *context, struct file *file, uint64_t *out_size)
{
    struct disk *disk = context;
    if (is_stale(disk, file)) {
        return Q_EIO;
    }
    *out_size = file->inode->image.cached.size;
    return Q_OK;
}

static int files_read(
    void *context, struct file *file, uint64_t offset, void *out, size_t size, size_t *out_read)
{
    struct disk *disk = context;
    struct disk_faults *faults = &disk->faults;
    if (is_stale(disk, file)) {
        return Q_EIO;
    }
    const struct disk_bytes *cached = &file->inode->image.cached;
    const size_t left = offset >= cached->size ? 0 : cached->size - (size_t)offset;
    size_t count = size < left ? size : left;
    if (faults->reads != READ_WORKS && faults->reads_before == 0) {
        if (faults->reads != READ_FAILS_SHORT) {
            faults->reads = faults->reads == READ_FAILS_ONCE ? READ_WORKS : faults->reads;
            return fail(disk, Q_EIO);
        }
        faults->reads = READ_WORKS;
        disk->has_failed = true;
        count = (size_t)prng_below(&disk->prng, (uint64_t)count + 1);
    } else if (faults->reads != READ_WORKS) {
        faults->reads_before--;
    }
    if (count > 0) {
        memcpy(out, cached->data + offset, count);
    }
    *out_read = count;
    return Q_OK;
}

static int files_write(void *context, struct file *file, uint64_t offset, struct bytes bytes)
{
    struct disk *disk = context;
    if (is_stale(disk, file)) {
        return Q_EIO;
    }
    const bool fails = disk->faults.write_fails || disk->faults.full;
    if (fails) {
        bytes.size = (size_t)prng_below(&disk->prng, (uint64_t)bytes.size + 1);
    }
    disk_image_write(&file->inode->image, offset, bytes);
    if (fails) {
        const int err = disk->faults.write_fails ? Q_EIO : Q_ENOSPC;
        disk->faults.write_fails = false;
        return fail(disk, err);
    }
    return Q_OK;
}

static int files_sync(void *context, struct file *file)
{
    struct disk *disk = context;
    if (is_stale(disk, file)) {
        return Q_EIO;
    }
    if (disk->faults.sync_fails) {
        disk_image_sync_failed(&file->inode->image, disk->faults.sync_failure);
        disk->faults.sync_fails = false;
        disk->faults.sync_failure = SYNC_FORGETS;
        return fail(disk, Q_EIO);
    }
    disk_image_sync(&file->inode->image);
    disk->sync_count++;
    return Q_OK;
}

static int files_truncate(void *context, struct file *file, uint64_t size)
{
    struct disk *disk = context;
    if (is_stale(disk, file)) {
        return Q_EIO;
    }
    if (disk->faults.full && size > file->inode->image.cached.size) {
        return fail(disk, Q_ENOSPC);
    }
    disk_image_truncate(&file->inode->image, size);
    return Q_OK;
}

static int files_rename(void *context, const char *from, const char *to)
{
    struct disk *disk = context;
    if (is_off(disk)) {
        return Q_EIO;
    }
    if (disk_names_find(&disk->seen, from) == NULL) {
        return Q_ENOTFOUND;
    }
    struct change change = {.kind = CHANGE_RENAME};
    set_path(change.path, from);
    set_path(change.to, to);
    change_names(disk, &change);
    disk_collect(disk);
    return Q_OK;
}

static int files_remove(void *context, const char *path)
{
    struct disk *disk = context;
    if (is_off(disk)) {
        return Q_EIO;
    }
    if (disk_names_find(&disk->seen, path) == NULL) {
        return Q_ENOTFOUND;
    }
    struct change change = {.kind = CHANGE_REMOVE};
    set_path(change.path, path);
    change_names(disk, &change);
    disk_collect(disk);
    return Q_OK;
}

static int files_make_directory(void *context, const char *path)
{
    struct disk *disk = context;
    if (is_off(disk)) {
        return Q_EIO;
    }
    if (disk_names_find(&disk->seen, path) != NULL) {
        return Q_OK;
    }
    if (disk->faults.full) {
        return fail(disk, Q_ENOSPC);
    }
    struct change change = {.kind = CHANGE_CREATE, .inode = disk_inode_new(disk)};
    change.inode->is_directory = true;
    set_path(change.path, path);
    change_names(disk, &change);
    return Q_OK;
}

static int files_sync_directory(void *context, const char *path)
{
    struct disk *disk = context;
    if (is_off(disk)) {
        return Q_EIO;
    }
    size_t kept = 0;
    for (size_t i = 0; i < disk->change_count; i++) {
        if (disk_path_is_in(disk->changes[i].path, path)) {
            names_apply(&disk->durable, &disk->changes[i]);
        } else {
            disk->changes[kept++] = disk->changes[i];
        }
    }
    disk->change_count = kept;
    disk->sync_count++;
    disk_collect(disk);
    return Q_OK;
}

static int compare_paths(const void *a, const void *b)
{
    return strcmp(a, b);
}

static int files_list(void *context,
                      const char *directory,
                      void (*visit)(void *, const char *name),
                      void *visit_context)
{
    struct disk *disk = context;
    if (is_off(disk)) {
        return Q_EIO;
    }
    const struct name *found = disk_names_find(&disk->seen, directory);
    if (directory[0] != '\0' && (found == NULL || !found->inode->is_directory)) {
        return Q_ENOTFOUND;
    }
    /* The visitor may change the directory: it walks over a sorted copy. */
    char(*paths)[PATH_SIZE_MAX] = heap_alloc((disk->seen.count + 1) * sizeof *paths);
    size_t count = 0;
    for (size_t i = 0; i < disk->seen.count; i++) {
        const struct name *name = &disk->seen.items[i];
        if (!name->inode->is_directory && disk_path_is_in(name->path, directory)) {
            const char *slash = strrchr(name->path, '/');
            set_path(paths[count++], slash == NULL ? name->path : slash + 1);
        }
    }
    qsort(paths, count, sizeof *paths, compare_paths);
    for (size_t i = 0; i < count; i++) {
        visit(visit_context, paths[i]);
    }
    heap_free(paths);
    return Q_OK;
}

/* ---- the machine ---- */

struct disk *disk_new(uint64_t seed)
{
    struct disk *disk = heap_alloc(sizeof *disk);
    prng_init(&disk->prng, seed);
    disk->incarnation = 1;
    disk->files = (struct files){.context = disk,
                                 .open = files_open,
                                 .close = files_close,
                                 .size = files_size,
                                 .read = files_read,
                                 .write = files_write,
                                 .sync = files_sync,
                                 .truncate = files_truncate,
                                 .rename = files_rename,
                                 .remove = files_remove,
                                 .make_directory = files_make_directory,
                                 .sync_directory = files_sync_directory,
                                 .list = files_list};
    return disk;
}

void disk_free(struct disk *disk)
{
    if (disk == NULL) {
        return;
    }
    Q_CHECK(disk->open_count == 0);
    disk_wipe(disk);
    heap_free(disk->seen.items);
    heap_free(disk->durable.items);
    heap_free(disk->changes);
    heap_free(disk);
}

struct files *disk_files(struct disk *disk)
{
    return &disk->files;
}

struct disk_faults *disk_faults(struct disk *disk)
{
    return &disk->faults;
}

void disk_kill(struct disk *disk)
{
    disk->incarnation++;
    disk->is_down = true;
}

/* A file below a directory whose creation was lost is lost with it. */
static void drop_orphans(struct disk *disk)
{
    bool changed = true;
    while (changed) {
        changed = false;
        for (size_t i = 0; i < disk->durable.count; i++) {
            char path[PATH_SIZE_MAX];
            set_path(path, disk->durable.items[i].path);
            char *slash = strrchr(path, '/');
            if (slash == NULL) {
                continue;
            }
            *slash = '\0';
            if (disk_names_find(&disk->durable, path) == NULL) {
                *slash = '/';
                disk_names_remove(&disk->durable, path);
                changed = true;
                break;
            }
        }
    }
}

void disk_power_loss(struct disk *disk)
{
    disk_kill(disk);
    const size_t kept = (size_t)prng_below(&disk->prng, (uint64_t)disk->change_count + 1);
    for (size_t i = 0; i < kept; i++) {
        names_apply(&disk->durable, &disk->changes[i]);
    }
    disk->change_count = 0;
    drop_orphans(disk);
    disk->seen.count = 0;
    for (size_t i = 0; i < disk->durable.count; i++) {
        disk_names_put(&disk->seen, disk->durable.items[i].path, disk->durable.items[i].inode);
    }
    disk_collect(disk);
    for (struct inode *inode = disk->inodes; inode != NULL; inode = inode->next) {
        disk_image_power_loss(&inode->image, &disk->prng);
    }
}

void disk_boot(struct disk *disk)
{
    disk->is_down = false;
    disk->has_failed = false;
    disk->operations_left = 0;
}

void disk_die_after(struct disk *disk, uint64_t operations)
{
    disk->operations_left = operations;
}

bool disk_is_down(const struct disk *disk)
{
    return disk->is_down;
}

bool disk_has_failed(const struct disk *disk)
{
    return disk->has_failed;
}

void disk_wipe(struct disk *disk)
{
    Q_CHECK(disk->open_count == 0);
    disk->seen.count = 0;
    disk->durable.count = 0;
    disk->change_count = 0;
    disk_collect(disk);
    Q_CHECK(disk->inodes == NULL);
}

bool disk_is_clean(const struct disk *disk, const char *directory)
{
    for (size_t i = 0; i < disk->seen.count; i++) {
        const struct name *name = &disk->seen.items[i];
        if (disk_path_is_in(name->path, directory) && !disk_image_is_clean(&name->inode->image)) {
            return false;
        }
    }
    for (size_t i = 0; i < disk->change_count; i++) {
        if (disk_path_is_in(disk->changes[i].path, directory)) {
            return false;
        }
    }
    return true;
}

uint64_t disk_sync_count(const struct disk *disk)
{
    return disk->sync_count;
}

uint64_t disk_open_count(const struct disk *disk)
{
    return disk->open_count;
}

uint64_t disk_used_bytes(const struct disk *disk)
{
    uint64_t used = 0;
    for (size_t i = 0; i < disk->seen.count; i++) {
        used += disk->seen.items[i].inode->image.cached.size;
    }
    return used;
}
