/* The in-memory engine: a persistent (never changed in place) treap.
 *
 * Every batch makes a new root that shares almost all nodes with the one before, so a snapshot, an
 * iterator and each step of the undo journal are one counted reference. A node's priority is the
 * hash of its key: the same contents always have the same shape, whatever the history.
 */
#include "base/check.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/os/heap.h"
#include "store/engine.h"

/* A key with its value, shared by all nodes that copy each other. */
struct pair {
    size_t references;
    uint64_t priority;
    size_t key_size;
    size_t value_size;
    uint8_t data[]; /* Key, then value. */
};

struct tree {
    size_t references;
    struct pair *pair;
    struct tree *left;
    struct tree *right;
    struct tree *next_dead; /* Used while a tree is taken apart. */
};

struct memory {
    struct engine engine; /* First, so that a struct engine is a struct memory. */
    struct tree *now;
    struct tree *persisted;
    struct tree **journal; /* Owned. The state after each batch since the last flush. */
    size_t journal_count;
    size_t journal_capacity;
};

struct engine_snapshot {
    struct tree *root;
};

struct engine_iterator {
    struct tree *root;
    struct pair *at; /* NULL before the first key. */
    bool is_done;
    uint8_t *from; /* Owned. */
    size_t from_size;
    uint8_t *to; /* Owned. */
    size_t to_size;
};

static struct bytes key_of(const struct pair *pair)
{
    return bytes_of(pair->data, pair->key_size);
}

static struct pair *pair_new(struct bytes key, struct bytes value)
{
    struct pair *pair = heap_alloc_raw(sizeof *pair + key.size + value.size);
    *pair = (struct pair){.references = 1,
                          .priority = hash_bytes(key),
                          .key_size = key.size,
                          .value_size = value.size};
    if (key.size > 0) {
        memcpy(pair->data, key.data, key.size);
    }
    if (value.size > 0) {
        memcpy(pair->data + key.size, value.data, value.size);
    }
    return pair;
}

static void pair_unref(struct pair *pair)
{
    if (pair != NULL && --pair->references == 0) {
        heap_free(pair);
    }
}

static struct tree *tree_ref(struct tree *tree)
{
    if (tree != NULL) {
        tree->references++;
    }
    return tree;
}

/* Takes dead nodes apart from a list instead of recursing: a tree's depth has no hard limit. */
static void tree_unref(struct tree *tree)
{
    if (tree == NULL || --tree->references > 0) {
        return;
    }
    tree->next_dead = NULL;
    struct tree *dead = tree;
    while (dead != NULL) {
        struct tree *gone = dead;
        dead = gone->next_dead;
        struct tree *children[2] = {gone->left, gone->right};
        for (size_t i = 0; i < 2; i++) {
            if (children[i] != NULL && --children[i]->references == 0) {
                children[i]->next_dead = dead;
                dead = children[i];
            }
        }
        pair_unref(gone->pair);
        heap_free(gone);
    }
}

/* A node like `tree` with one reference and no children yet. */
static struct tree *tree_copy(const struct tree *tree)
{
    struct tree *copy = heap_alloc(sizeof *copy);
    copy->references = 1;
    copy->pair = tree->pair;
    copy->pair->references++;
    return copy;
}

/* Two new trees of the keys below `key` and of the others. `tree` stays as it is. */
static void tree_split(struct tree *tree,
                       struct bytes key,
                       struct tree **out_below,
                       struct tree **out_others)
{
    struct tree **below = out_below;
    struct tree **others = out_others;
    while (tree != NULL) {
        struct tree *copy = tree_copy(tree);
        if (bytes_compare(key_of(tree->pair), key) < 0) {
            copy->left = tree_ref(tree->left);
            *below = copy;
            below = &copy->right;
            tree = tree->right;
        } else {
            copy->right = tree_ref(tree->right);
            *others = copy;
            others = &copy->left;
            tree = tree->left;
        }
    }
    *below = NULL;
    *others = NULL;
}

/* Is `a` above `b` in the heap order? Keys break ties, so that the shape depends on nothing else.
 */
static bool is_above(const struct tree *a, const struct tree *b)
{
    if (a->pair->priority != b->pair->priority) {
        return a->pair->priority > b->pair->priority;
    }
    return bytes_compare(key_of(a->pair), key_of(b->pair)) < 0;
}

/* A new tree of both, every key of `a` being below every key of `b`. They stay as they are. */
static struct tree *tree_join(struct tree *a, struct tree *b)
{
    struct tree *root = NULL;
    struct tree **hook = &root;
    while (a != NULL && b != NULL) {
        if (is_above(a, b)) {
            struct tree *copy = tree_copy(a);
            copy->left = tree_ref(a->left);
            *hook = copy;
            hook = &copy->right;
            a = a->right;
        } else {
            struct tree *copy = tree_copy(b);
            copy->right = tree_ref(b->right);
            *hook = copy;
            hook = &copy->left;
            b = b->left;
        }
    }
    *hook = tree_ref(a != NULL ? a : b);
    return root;
}

/* The smallest key >= `key`, or > when `is_strict`; NULL when there is none. */
static struct pair *tree_seek(const struct tree *tree, struct bytes key, bool is_strict)
{
    struct pair *best = NULL;
    while (tree != NULL) {
        const int order = bytes_compare(key_of(tree->pair), key);
        if (order > 0 || (order == 0 && !is_strict)) {
            best = tree->pair;
            tree = tree->left;
        } else {
            tree = tree->right;
        }
    }
    return best;
}

/* A new tree without [from, to) and with `pair` (may be NULL; taken over) in its place.  Gives up
 * the reference to `tree`. */
static struct tree *tree_replace(struct tree *tree,
                                 struct bytes from,
                                 struct bytes to,
                                 struct pair *pair)
{
    struct tree *below = NULL;
    struct tree *others = NULL;
    struct tree *inside = NULL;
    struct tree *above = NULL;
    tree_split(tree, from, &below, &others);
    tree_split(others, to, &inside, &above);
    struct tree *root = NULL;
    if (pair != NULL) {
        struct tree node = {.references = 1, .pair = pair};
        struct tree *middle = tree_copy(&node);
        pair_unref(pair);
        struct tree *lower = tree_join(below, middle);
        root = tree_join(lower, above);
        tree_unref(lower);
        tree_unref(middle);
    } else {
        root = tree_join(below, above);
    }
    tree_unref(tree);
    tree_unref(below);
    tree_unref(others);
    tree_unref(inside);
    tree_unref(above);
    return root;
}

/* Replaces one key. Its successor is the key with a zero byte behind it. */
static struct tree *tree_replace_one(struct tree *tree, struct bytes key, struct pair *pair)
{
    uint8_t small[128];
    uint8_t *after = key.size < sizeof small ? small : heap_alloc_raw(key.size + 1);
    if (key.size > 0) {
        memcpy(after, key.data, key.size);
    }
    after[key.size] = 0;
    struct tree *root = tree_replace(tree, key, bytes_of(after, key.size + 1), pair);
    if (after != small) {
        heap_free(after);
    }
    return root;
}

static struct memory *memory_of(struct engine *engine)
{
    return (struct memory *)(void *)engine;
}

static int get_from(const struct tree *root, struct bytes key, struct engine_value *out_value)
{
    struct pair *pair = tree_seek(root, key, false);
    if (pair == NULL || !bytes_equal(key_of(pair), key)) {
        return Q_ENOTFOUND;
    }
    pair->references++;
    *out_value = (struct engine_value){
        .bytes = bytes_of(pair->data + pair->key_size, pair->value_size), .pin = pair};
    return Q_OK;
}

static int memory_get(struct engine *engine, struct bytes key, struct engine_value *out_value)
{
    return get_from(memory_of(engine)->now, key, out_value);
}

static int memory_get_persisted(struct engine *engine,
                                struct bytes key,
                                struct engine_value *out_value)
{
    return get_from(memory_of(engine)->persisted, key, out_value);
}

static void memory_value_release(struct engine_value *value)
{
    pair_unref(value->pin);
    *value = (struct engine_value){.pin = NULL};
}

static int memory_write(struct engine *engine,
                        const struct engine_operation *operations,
                        size_t count)
{
    struct memory *memory = memory_of(engine);
    struct tree *root = memory->now;
    for (size_t i = 0; i < count; i++) {
        const struct engine_operation *o = &operations[i];
        switch (o->kind) {
        case ENGINE_PUT: root = tree_replace_one(root, o->key, pair_new(o->key, o->value)); break;
        case ENGINE_DELETE: root = tree_replace_one(root, o->key, NULL); break;
        case ENGINE_DELETE_RANGE:
            if (bytes_compare(o->key, o->value) < 0) {
                root = tree_replace(root, o->key, o->value, NULL);
            }
            break;
        }
    }
    memory->now = root;
    if (memory->journal_count == memory->journal_capacity) {
        memory->journal_capacity =
            memory->journal_capacity == 0 ? 64 : memory->journal_capacity * 2;
        memory->journal =
            heap_realloc(memory->journal, memory->journal_capacity * sizeof(struct tree *));
    }
    memory->journal[memory->journal_count++] = tree_ref(root);
    return Q_OK;
}

static void clear_journal(struct memory *memory)
{
    for (size_t i = 0; i < memory->journal_count; i++) {
        tree_unref(memory->journal[i]);
    }
    memory->journal_count = 0;
}

static int memory_flush(struct engine *engine, bool wait)
{
    (void)wait; /* Done at once either way: the simulator chooses when a flush happens. */
    struct memory *memory = memory_of(engine);
    clear_journal(memory);
    tree_unref(memory->persisted);
    memory->persisted = tree_ref(memory->now);
    return Q_OK;
}

static struct engine_snapshot *memory_snapshot_new(struct engine *engine)
{
    struct engine_snapshot *snapshot = heap_alloc(sizeof *snapshot);
    snapshot->root = tree_ref(memory_of(engine)->now);
    return snapshot;
}

static void memory_snapshot_free(struct engine *engine, struct engine_snapshot *snapshot)
{
    (void)engine;
    if (snapshot != NULL) {
        tree_unref(snapshot->root);
        heap_free(snapshot);
    }
}

static uint8_t *copy_of(struct bytes bytes)
{
    uint8_t *copy = heap_alloc_raw(bytes.size);
    if (bytes.size > 0) {
        memcpy(copy, bytes.data, bytes.size);
    }
    return copy;
}

static struct engine_iterator *memory_iterator_new(struct engine *engine,
                                                   struct engine_snapshot *snapshot,
                                                   struct bytes from,
                                                   struct bytes to)
{
    struct engine_iterator *iterator = heap_alloc(sizeof *iterator);
    iterator->root = tree_ref(snapshot != NULL ? snapshot->root : memory_of(engine)->now);
    iterator->from = copy_of(from);
    iterator->from_size = from.size;
    iterator->to = copy_of(to);
    iterator->to_size = to.size;
    return iterator;
}

static bool memory_iterator_next(struct engine_iterator *iterator)
{
    if (iterator->is_done) {
        return false;
    }
    const bool is_first = iterator->at == NULL;
    const struct bytes after =
        is_first ? bytes_of(iterator->from, iterator->from_size) : key_of(iterator->at);
    iterator->at = tree_seek(iterator->root, after, !is_first);
    const struct bytes to = bytes_of(iterator->to, iterator->to_size);
    iterator->is_done =
        iterator->at == NULL || (to.size > 0 && bytes_compare(key_of(iterator->at), to) >= 0);
    return !iterator->is_done;
}

static struct bytes memory_iterator_key(const struct engine_iterator *iterator)
{
    Q_CHECK(iterator->at != NULL && !iterator->is_done);
    return key_of(iterator->at);
}

static struct bytes memory_iterator_value(const struct engine_iterator *iterator)
{
    Q_CHECK(iterator->at != NULL && !iterator->is_done);
    const struct pair *pair = iterator->at;
    return bytes_of(pair->data + pair->key_size, pair->value_size);
}

static int memory_iterator_error(const struct engine_iterator *iterator)
{
    (void)iterator;
    return Q_OK;
}

static void memory_iterator_free(struct engine_iterator *iterator)
{
    if (iterator != NULL) {
        tree_unref(iterator->root);
        heap_free(iterator->from);
        heap_free(iterator->to);
        heap_free(iterator);
    }
}

static const char *memory_error_text(const struct engine *engine)
{
    (void)engine;
    return ""; /* Nothing fails here. */
}

static void memory_close(struct engine *engine)
{
    if (engine != NULL) {
        struct memory *memory = memory_of(engine);
        clear_journal(memory);
        heap_free(memory->journal);
        tree_unref(memory->now);
        tree_unref(memory->persisted);
        heap_free(memory);
    }
}

struct engine *memory_engine_new(void)
{
    static const struct engine_ops ops = {
        .get = memory_get,
        .value_release = memory_value_release,
        .write = memory_write,
        .get_persisted = memory_get_persisted,
        .flush = memory_flush,
        .snapshot_new = memory_snapshot_new,
        .snapshot_free = memory_snapshot_free,
        .iterator_new = memory_iterator_new,
        .iterator_next = memory_iterator_next,
        .iterator_key = memory_iterator_key,
        .iterator_value = memory_iterator_value,
        .iterator_error = memory_iterator_error,
        .iterator_free = memory_iterator_free,
        .error_text = memory_error_text,
        .close = memory_close,
    };
    struct memory *memory = heap_alloc(sizeof *memory);
    memory->engine.ops = &ops;
    return &memory->engine;
}

void memory_engine_crash(struct engine *engine, size_t keep)
{
    struct memory *memory = memory_of(engine);
    if (keep > memory->journal_count) {
        keep = memory->journal_count;
    }
    struct tree *left = tree_ref(keep == 0 ? memory->persisted : memory->journal[keep - 1]);
    clear_journal(memory);
    tree_unref(memory->persisted);
    tree_unref(memory->now);
    memory->persisted = left;
    memory->now = tree_ref(left);
}

struct engine *memory_engine_branch(const struct engine *engine)
{
    const struct memory *from = (const struct memory *)(const void *)engine;
    struct engine *branch = memory_engine_new();
    memory_of(branch)->now = tree_ref(from->now);
    memory_of(branch)->persisted = tree_ref(from->now);
    return branch;
}

size_t memory_engine_unflushed(const struct engine *engine)
{
    return ((const struct memory *)(const void *)engine)->journal_count;
}
