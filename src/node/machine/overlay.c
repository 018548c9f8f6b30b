#include "node/machine/overlay.h"

#include "base/check.h"
#include "base/hash.h"
#include "base/os/heap.h"

#define BLOCK_SIZE       ((size_t)64 * 1024)
#define OPERATIONS_FIRST 256
#define TABLE_FIRST      1024

struct overlay_block {
    struct overlay_block *next;
    size_t used;
    size_t size;
    uint8_t data[];
};

static const uint8_t *keep(struct overlay *overlay, struct bytes bytes)
{
    struct overlay_block *block = overlay->blocks;
    if (block == NULL || block->size - block->used < bytes.size) {
        const size_t size = bytes.size > BLOCK_SIZE ? bytes.size : BLOCK_SIZE;
        block = heap_alloc_raw(sizeof *block + size);
        block->next = overlay->blocks;
        block->used = 0;
        block->size = size;
        overlay->blocks = block;
    }
    uint8_t *at = block->data + block->used;
    if (bytes.size > 0) {
        memcpy(at, bytes.data, bytes.size);
    }
    block->used += bytes.size;
    overlay->bytes += bytes.size;
    return at;
}

static size_t slot_of(const struct overlay *overlay, struct bytes key)
{
    const size_t mask = overlay->table_size - 1;
    size_t slot = (size_t)hash_bytes(key) & mask;
    while (overlay->table[slot] != 0 &&
           !bytes_equal(overlay->operations[overlay->table[slot] - 1].key, key)) {
        slot = (slot + 1) & mask;
    }
    return slot;
}

static void grow(struct overlay *overlay)
{
    if (overlay->operation_count == overlay->operation_capacity) {
        const size_t capacity =
            overlay->operation_capacity > 0 ? overlay->operation_capacity * 2 : OPERATIONS_FIRST;
        overlay->operations =
            heap_realloc(overlay->operations, capacity * sizeof *overlay->operations);
        overlay->operation_capacity = capacity;
    }
    if ((overlay->operation_count + 1) * 2 <= overlay->table_size) {
        return;
    }
    overlay->table_size = overlay->table_size > 0 ? overlay->table_size * 2 : TABLE_FIRST;
    heap_free(overlay->table);
    overlay->table = heap_alloc(overlay->table_size * sizeof *overlay->table);
    for (size_t i = 0; i < overlay->operation_count; i++) {
        if (overlay->operations[i].kind != ENGINE_DELETE_RANGE) {
            overlay->table[slot_of(overlay, overlay->operations[i].key)] = (uint32_t)(i + 1);
        }
    }
}

static void add(struct overlay *overlay,
                enum engine_operation_kind kind,
                struct bytes key,
                struct bytes value)
{
    grow(overlay);
    const struct engine_operation operation = {
        .kind = kind,
        .key = {.data = keep(overlay, key), .size = key.size},
        .value = {.data = keep(overlay, value), .size = value.size},
    };
    overlay->operations[overlay->operation_count++] = operation;
    if (kind != ENGINE_DELETE_RANGE) {
        overlay->table[slot_of(overlay, key)] = (uint32_t)overlay->operation_count;
    }
}

void overlay_clear(struct overlay *overlay)
{
    struct overlay_block *block = overlay->blocks;
    /* One ordinary block is kept, so that a steady load allocates nothing. */
    struct overlay_block *kept = NULL;
    while (block != NULL) {
        struct overlay_block *next = block->next;
        if (kept == NULL && block->size == BLOCK_SIZE) {
            kept = block;
        } else {
            heap_free(block);
        }
        block = next;
    }
    if (kept != NULL) {
        kept->next = NULL;
        kept->used = 0;
    }
    overlay->blocks = kept;
    overlay->operation_count = 0;
    overlay->bytes = 0;
    if (overlay->table_size > 0) {
        memset(overlay->table, 0, overlay->table_size * sizeof *overlay->table);
    }
}

void overlay_deinit(struct overlay *overlay)
{
    overlay_clear(overlay);
    heap_free(overlay->blocks);
    heap_free(overlay->operations);
    heap_free(overlay->table);
    *overlay = (struct overlay){0};
}

void overlay_put(struct overlay *overlay, struct bytes key, struct bytes value)
{
    add(overlay, ENGINE_PUT, key, value);
}

void overlay_delete(struct overlay *overlay, struct bytes key)
{
    add(overlay, ENGINE_DELETE, key, (struct bytes){0});
}

void overlay_delete_range(struct overlay *overlay, struct bytes from, struct bytes to)
{
    Q_CHECK(bytes_compare(from, to) < 0);
    add(overlay, ENGINE_DELETE_RANGE, from, to);
}

enum overlay_found overlay_get(const struct overlay *overlay,
                               struct bytes key,
                               struct bytes *out_value)
{
    if (overlay->operation_count == 0) {
        return OVERLAY_UNKNOWN;
    }
    const uint32_t found = overlay->table[slot_of(overlay, key)];
    if (found == 0) {
        return OVERLAY_UNKNOWN;
    }
    const struct engine_operation *operation = &overlay->operations[found - 1];
    if (operation->kind == ENGINE_DELETE) {
        return OVERLAY_DELETED;
    }
    *out_value = operation->value;
    return OVERLAY_VALUE;
}
