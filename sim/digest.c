#include "sim/digest.h"

#include "base/err.h"
#include "base/hash.h"
#include "base/os/heap.h"

#include <stdlib.h>

/* Keys that a batch touches; owns their bytes. */
struct touched {
    struct bytes *keys;
    size_t count;
    size_t capacity;
};

static uint64_t hash_pair(struct bytes key, struct bytes value)
{
    return hash_bytes_seeded(value, hash_bytes(key));
}

static void touch(struct touched *touched, struct bytes key)
{
    if (touched->count == touched->capacity) {
        touched->capacity = touched->capacity == 0 ? 16 : touched->capacity * 2;
        touched->keys = heap_realloc(touched->keys, touched->capacity * sizeof *touched->keys);
    }
    uint8_t *copy = heap_alloc_raw(key.size);
    if (key.size > 0) {
        memcpy(copy, key.data, key.size);
    }
    touched->keys[touched->count++] = bytes_of(copy, key.size);
}

static void touch_range(struct touched *touched,
                        struct engine *engine,
                        const struct engine_operation *operation)
{
    if (bytes_compare(operation->key, operation->value) >= 0) {
        return;
    }
    struct engine_iterator *iterator =
        engine->ops->iterator_new(engine, NULL, operation->key, operation->value);
    while (engine->ops->iterator_next(iterator)) {
        touch(touched, engine->ops->iterator_key(iterator));
    }
    engine->ops->iterator_free(iterator);
}

static int by_bytes(const void *left, const void *right)
{
    return bytes_compare(*(const struct bytes *)left, *(const struct bytes *)right);
}

/* What the keys touched contribute now; each counts once. They are sorted. */
static uint64_t sum_of(struct engine *engine, const struct touched *touched)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < touched->count; i++) {
        const struct bytes key = touched->keys[i];
        struct engine_value value;
        if ((i > 0 && bytes_equal(key, touched->keys[i - 1])) ||
            engine_get(engine, key, &value) != Q_OK) {
            continue;
        }
        sum += hash_pair(key, value.bytes);
        engine_value_release(engine, &value);
    }
    return sum;
}

uint64_t digest_of(struct engine *engine)
{
    struct engine_iterator *iterator =
        engine->ops->iterator_new(engine, NULL, bytes_of(NULL, 0), bytes_of(NULL, 0));
    uint64_t sum = 0;
    while (engine->ops->iterator_next(iterator)) {
        sum +=
            hash_pair(engine->ops->iterator_key(iterator), engine->ops->iterator_value(iterator));
    }
    engine->ops->iterator_free(iterator);
    return sum;
}

int digest_write(uint64_t *digest,
                 struct engine *engine,
                 const struct engine_operation *operations,
                 size_t count)
{
    struct touched touched = {0};
    for (size_t i = 0; i < count; i++) {
        if (operations[i].kind == ENGINE_DELETE_RANGE) {
            touch_range(&touched, engine, &operations[i]);
        } else {
            touch(&touched, operations[i].key);
        }
    }
    if (touched.count > 0) {
        qsort(touched.keys, touched.count, sizeof *touched.keys, by_bytes);
    }
    const uint64_t before = sum_of(engine, &touched);
    const int err = engine->ops->write(engine, operations, count);
    if (err == Q_OK) {
        *digest += sum_of(engine, &touched) - before;
    }
    for (size_t i = 0; i < touched.count; i++) {
        heap_free((void *)(uintptr_t)touched.keys[i].data);
    }
    heap_free(touched.keys);
    return err;
}
