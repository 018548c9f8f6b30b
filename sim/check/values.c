#include "sim/check/values.h"

#include "base/check.h"
#include "base/hash.h"
#include "base/os/heap.h"

#define CAPACITY_FIRST 64

void values_init(struct values *values)
{
    *values = (struct values){.count = 1, .capacity = CAPACITY_FIRST};
    values->starts = heap_alloc((CAPACITY_FIRST + 1) * sizeof *values->starts);
    values->slot_count = (size_t)CAPACITY_FIRST * 2;
    values->slots = heap_alloc(values->slot_count * sizeof *values->slots);
}

void values_deinit(struct values *values)
{
    buf_deinit(&values->bytes);
    heap_free(values->starts);
    heap_free(values->slots);
    *values = (struct values){0};
}

struct bytes values_text(const struct values *values, uint32_t number)
{
    Q_CHECK(number < values->count);
    if (number == VALUE_ABSENT) {
        return bytes_of(NULL, 0);
    }
    const size_t start = values->starts[number];
    return bytes_of(buf_bytes(&values->bytes).data + start, values->starts[number + 1] - start);
}

/* The slot that holds `bytes`, or the free one where they belong. */
static size_t slot_of(const struct values *values, struct bytes bytes)
{
    size_t slot = hash_bytes(bytes) & (values->slot_count - 1);
    while (values->slots[slot] != 0 &&
           !bytes_equal(values_text(values, values->slots[slot]), bytes)) {
        slot = (slot + 1) & (values->slot_count - 1);
    }
    return slot;
}

static void grow(struct values *values)
{
    values->capacity *= 2;
    values->starts = heap_realloc(values->starts, (values->capacity + 1) * sizeof *values->starts);
    heap_free(values->slots);
    values->slot_count = values->capacity * 2;
    values->slots = heap_alloc(values->slot_count * sizeof *values->slots);
    for (uint32_t i = 1; i < values->count; i++) {
        values->slots[slot_of(values, values_text(values, i))] = i;
    }
}

uint32_t values_number(struct values *values, struct bytes bytes)
{
    size_t slot = slot_of(values, bytes);
    if (values->slots[slot] != 0) {
        return values->slots[slot];
    }
    if (values->count == values->capacity) {
        grow(values);
        slot = slot_of(values, bytes);
    }
    const uint32_t number = (uint32_t)values->count++;
    values->starts[number] = buf_size(&values->bytes);
    buf_append(&values->bytes, bytes);
    values->starts[number + 1] = buf_size(&values->bytes);
    values->slots[slot] = number;
    return number;
}
