#include "sim/crash/machine.h"

#include "base/check.h"
#include "base/err.h"
#include "base/os/heap.h"
#include "sim/wrapped_engine.h"

#include <stdlib.h>

struct file {
    size_t inode;
    char path[TAPE_PATH_SIZE]; /* It was opened by; for people. */
};

struct recording_engine {
    struct wrapped_engine wrapped; /* Owns a memory engine. */
    struct crash_machine *machine;
    uint32_t unflushed;
    uint32_t flush_after; /* Looks at the persisted state until a flush is done; 0 = none is due. */
};

struct crash_machine {
    struct files files;
    struct recording_engine engine;
    struct tape tape;
    struct tape_names seen;
    struct tape_inode *cached; /* Owned. By inode: as reads see them. */
    size_t cached_count;
    uint64_t open_count;
    uint32_t flush_every;
    bool fails_sync;
};

static void set_path(char out[TAPE_PATH_SIZE], const char *path)
{
    const size_t size = strlen(path);
    Q_CHECK(size < TAPE_PATH_SIZE);
    memset(out, 0, TAPE_PATH_SIZE);
    memcpy(out, path, size);
}

static size_t add_inode(struct crash_machine *machine, bool is_directory)
{
    const size_t count = machine->cached_count + 1;
    machine->cached = heap_realloc(machine->cached, count * sizeof *machine->cached);
    machine->cached[count - 1] = (struct tape_inode){.is_directory = is_directory};
    machine->cached_count = count;
    return count - 1;
}

static void change_names(struct crash_machine *machine, struct tape_op op)
{
    tape_names_apply(&machine->seen, &op);
    tape_add(&machine->tape, op);
}

/* ---- struct files ---- */

static int files_open(void *context, const char *path, bool create, struct file **out_file)
{
    struct crash_machine *machine = context;
    const struct tape_name *name = tape_names_find(&machine->seen, path);
    if (name != NULL && create) {
        return Q_EEXIST;
    }
    if (name == NULL && !create) {
        return Q_ENOTFOUND;
    }
    struct file *file = heap_alloc(sizeof *file);
    set_path(file->path, path);
    if (create) {
        struct tape_op op = {.kind = TAPE_CREATE, .inode = add_inode(machine, false)};
        set_path(op.path, path);
        change_names(machine, op);
        file->inode = op.inode;
    } else {
        file->inode = name->inode;
    }
    machine->open_count++;
    *out_file = file;
    return Q_OK;
}

static void files_close(void *context, struct file *file)
{
    struct crash_machine *machine = context;
    Q_CHECK(machine->open_count > 0);
    machine->open_count--;
    heap_free(file);
}

static int files_size(void *context, struct file *file, uint64_t *out_size)
{
    const struct crash_machine *machine = context;
    *out_size = machine->cached[file->inode].size;
    return Q_OK;
}

static int files_read(
    void *context, struct file *file, uint64_t offset, void *out, size_t size, size_t *out_read)
{
    const struct crash_machine *machine = context;
    const struct tape_inode *inode = &machine->cached[file->inode];
    const size_t left = offset >= inode->size ? 0 : inode->size - (size_t)offset;
    const size_t count = size < left ? size : left;
    if (count > 0) {
        memcpy(out, inode->data + offset, count);
    }
    *out_read = count;
    return Q_OK;
}

static int files_write(void *context, struct file *file, uint64_t offset, struct bytes bytes)
{
    struct crash_machine *machine = context;
    struct tape_op op = {
        .kind = TAPE_WRITE, .inode = file->inode, .offset = offset, .size = bytes.size};
    memcpy(op.path, file->path, sizeof op.path);
    op.data = heap_alloc_raw(bytes.size + 1);
    if (bytes.size > 0) {
        memcpy(op.data, bytes.data, bytes.size);
    }
    tape_inode_apply(&machine->cached[file->inode], &op);
    tape_add(&machine->tape, op);
    return Q_OK;
}

static int files_sync(void *context, struct file *file)
{
    struct crash_machine *machine = context;
    const bool fails = machine->fails_sync;
    struct tape_op op = {.kind = fails ? TAPE_SYNC_FAILED : TAPE_SYNC, .inode = file->inode};
    memcpy(op.path, file->path, sizeof op.path);
    tape_add(&machine->tape, op);
    machine->fails_sync = false;
    return fails ? Q_EIO : Q_OK;
}

static int files_truncate(void *context, struct file *file, uint64_t size)
{
    struct crash_machine *machine = context;
    struct tape_op op = {.kind = TAPE_TRUNCATE, .inode = file->inode, .offset = size};
    memcpy(op.path, file->path, sizeof op.path);
    tape_inode_apply(&machine->cached[file->inode], &op);
    tape_add(&machine->tape, op);
    return Q_OK;
}

static int files_rename(void *context, const char *from, const char *to)
{
    struct crash_machine *machine = context;
    if (tape_names_find(&machine->seen, from) == NULL) {
        return Q_ENOTFOUND;
    }
    struct tape_op op = {.kind = TAPE_RENAME};
    set_path(op.path, from);
    set_path(op.to, to);
    change_names(machine, op);
    return Q_OK;
}

static int files_remove(void *context, const char *path)
{
    struct crash_machine *machine = context;
    if (tape_names_find(&machine->seen, path) == NULL) {
        return Q_ENOTFOUND;
    }
    struct tape_op op = {.kind = TAPE_REMOVE};
    set_path(op.path, path);
    change_names(machine, op);
    return Q_OK;
}

static int files_make_directory(void *context, const char *path)
{
    struct crash_machine *machine = context;
    if (tape_names_find(&machine->seen, path) != NULL) {
        return Q_OK;
    }
    struct tape_op op = {.kind = TAPE_MAKE_DIRECTORY, .inode = add_inode(machine, true)};
    set_path(op.path, path);
    change_names(machine, op);
    return Q_OK;
}

static int files_sync_directory(void *context, const char *path)
{
    struct crash_machine *machine = context;
    struct tape_op op = {.kind = TAPE_SYNC_DIRECTORY};
    set_path(op.path, path);
    tape_add(&machine->tape, op);
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
    struct crash_machine *machine = context;
    if (directory[0] != '\0' && tape_names_find(&machine->seen, directory) == NULL) {
        return Q_ENOTFOUND;
    }
    /* The visitor may change the directory: it walks over a sorted copy. */
    char paths[TAPE_NAMES_MAX][TAPE_PATH_SIZE];
    size_t count = 0;
    for (size_t i = 0; i < machine->seen.count; i++) {
        const struct tape_name *name = &machine->seen.items[i];
        if (!machine->cached[name->inode].is_directory &&
            tape_is_in_directory(name->path, directory)) {
            const char *slash = strrchr(name->path, '/');
            set_path(paths[count++], slash == NULL ? name->path : slash + 1);
        }
    }
    qsort(paths, count, sizeof *paths, compare_paths);
    for (size_t i = 0; i < count; i++) {
        visit(visit_context, paths[i]);
    }
    return Q_OK;
}

/* ---- struct engine ---- */

static struct recording_engine *of(struct engine *engine)
{
    return (struct recording_engine *)(void *)engine;
}

static int do_flush(struct recording_engine *recording)
{
    recording->unflushed = 0;
    recording->flush_after = 0;
    tape_add(&recording->machine->tape, (struct tape_op){.kind = TAPE_ENGINE_FLUSH});
    return recording->wrapped.inner->ops->flush(recording->wrapped.inner, true);
}

static int engine_flush(struct engine *engine, bool wait)
{
    if (wait) {
        return do_flush(of(engine));
    }
    of(engine)->flush_after = 2;
    return Q_OK;
}

static int engine_get_persisted(struct engine *engine, struct bytes key, struct engine_value *out)
{
    struct recording_engine *recording = of(engine);
    if (recording->flush_after > 0 && --recording->flush_after == 0) {
        const int err = do_flush(recording);
        Q_CHECK(err == Q_OK);
    }
    return recording->wrapped.inner->ops->get_persisted(recording->wrapped.inner, key, out);
}

static int engine_write(struct engine *engine,
                        const struct engine_operation *operations,
                        size_t count)
{
    struct recording_engine *recording = of(engine);
    struct crash_machine *machine = recording->machine;
    const int err =
        recording->wrapped.inner->ops->write(recording->wrapped.inner, operations, count);
    Q_CHECK(err == Q_OK);
    tape_add_engine_write(&machine->tape, recording->wrapped.inner);
    recording->unflushed++;
    if (machine->flush_every > 0 && recording->unflushed >= machine->flush_every) {
        return do_flush(recording);
    }
    return Q_OK;
}

/* The machine closes it. */
static void engine_close(struct engine *engine)
{
    (void)engine;
}

static void init_engine(struct crash_machine *machine)
{
    struct recording_engine *engine = &machine->engine;
    engine->machine = machine;
    struct wrapped_engine *wrapped = &engine->wrapped;
    wrapped_engine_init(wrapped, memory_engine_branch(machine->tape.versions[0]));
    wrapped->ops.get_persisted = engine_get_persisted;
    wrapped->ops.write = engine_write;
    wrapped->ops.flush = engine_flush;
    wrapped->ops.close = engine_close;
}

/* ---- life ---- */

static void init_cache(struct crash_machine *machine)
{
    const struct tape_image *image = &machine->tape.image;
    machine->seen = image->names;
    for (size_t i = 0; i < image->inode_count; i++) {
        const struct tape_inode *from = &image->inodes[i];
        const size_t number = add_inode(machine, from->is_directory);
        const struct tape_op whole = {.kind = TAPE_WRITE, .data = from->data, .size = from->size};
        tape_inode_apply(&machine->cached[number], &whole);
    }
    /* What is outstanding since before the process was killed is in the page cache. */
    for (size_t i = 0; i < machine->tape.op_count; i++) {
        const struct tape_op *op = &machine->tape.ops[i];
        if (tape_op_is_data(op)) {
            tape_inode_apply(&machine->cached[op->inode], op);
        } else {
            tape_names_apply(&machine->seen, op);
        }
    }
}

struct crash_machine *crash_machine_new(struct tape *tape, uint32_t flush_every)
{
    struct crash_machine *machine = heap_alloc(sizeof *machine);
    machine->tape = *tape;
    *tape = (struct tape){.op_count = 0};
    machine->flush_every = flush_every;
    machine->files = (struct files){.context = machine,
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
    init_cache(machine);
    init_engine(machine);
    return machine;
}

void crash_machine_free(struct crash_machine *machine)
{
    if (machine == NULL) {
        return;
    }
    Q_CHECK(machine->open_count == 0);
    machine->engine.wrapped.inner->ops->close(machine->engine.wrapped.inner);
    for (size_t i = 0; i < machine->cached_count; i++) {
        heap_free(machine->cached[i].data);
    }
    heap_free(machine->cached);
    tape_deinit(&machine->tape);
    heap_free(machine);
}

void crash_machine_fail_sync(struct crash_machine *machine)
{
    machine->fails_sync = true;
}

void crash_machine_kill(struct crash_machine *machine)
{
    struct recording_engine *engine = &machine->engine;
    memory_engine_crash(engine->wrapped.inner, 0);
    engine->unflushed = 0;
    engine->flush_after = 0;
    tape_add_engine_write(&machine->tape, engine->wrapped.inner);
    tape_add(&machine->tape, (struct tape_op){.kind = TAPE_ENGINE_FLUSH});
}

struct files *crash_machine_files(struct crash_machine *machine)
{
    return &machine->files;
}

struct engine *crash_machine_engine(struct crash_machine *machine)
{
    return &machine->engine.wrapped.base;
}

const struct tape *crash_machine_tape(const struct crash_machine *machine)
{
    return &machine->tape;
}

size_t crash_machine_at(const struct crash_machine *machine)
{
    return machine->tape.op_count;
}

uint64_t crash_machine_open_count(const struct crash_machine *machine)
{
    return machine->open_count;
}
