#include "sim/check/seen.h"

#include "base/os/heap.h"

#define SLOTS_FIRST 1024

void seen_deinit(struct seen *seen)
{
    heap_free(seen->slots);
    *seen = (struct seen){0};
}

/* The slot that holds the configuration, or the free one where it belongs. */
static size_t slot_of(const struct seen *seen, uint64_t a, uint64_t b)
{
    size_t slot = a & (seen->slot_count - 1);
    while (seen->slots[slot][1] != 0 && (seen->slots[slot][0] != a || seen->slots[slot][1] != b)) {
        slot = (slot + 1) & (seen->slot_count - 1);
    }
    return slot;
}

static void grow(struct seen *seen)
{
    const struct seen old = *seen;
    seen->slot_count = old.slot_count == 0 ? SLOTS_FIRST : old.slot_count * 2;
    seen->slots = heap_alloc(seen->slot_count * sizeof *seen->slots);
    for (size_t i = 0; i < old.slot_count; i++) {
        if (old.slots[i][1] != 0) {
            const size_t slot = slot_of(seen, old.slots[i][0], old.slots[i][1]);
            seen->slots[slot][0] = old.slots[i][0];
            seen->slots[slot][1] = old.slots[i][1];
        }
    }
    heap_free(old.slots);
}

bool seen_add(struct seen *seen, uint64_t a, uint64_t b)
{
    if (seen->count * 2 >= seen->slot_count) {
        grow(seen);
    }
    b |= 1; /* 0 stands for a free slot. */
    const size_t slot = slot_of(seen, a, b);
    if (seen->slots[slot][1] != 0) {
        return false;
    }
    seen->slots[slot][0] = a;
    seen->slots[slot][1] = b;
    seen->count++;
    return true;
}
