#include "sim/ddmin.h"

#include "base/os/heap.h"

#include <string.h>

struct search {
    uint32_t *items; /* The caller's. */
    uint32_t *rest;  /* Owned: what is tried. */
    size_t count;
    ddmin_fn still_fails;
    void *context;
};

/* Leaves the `size` items from `at` out, if it fails without them. */
static bool drop(struct search *search, size_t at, size_t size)
{
    const size_t behind = search->count - at - size;
    uint32_t *rest = search->rest;
    memcpy(rest, search->items, at * sizeof *rest);
    memcpy(rest + at, search->items + at + size, behind * sizeof *rest);
    if (!search->still_fails(search->context, rest, at + behind)) {
        return false;
    }
    search->count = at + behind;
    memcpy(search->items, rest, search->count * sizeof *rest);
    return true;
}

/* Tries to leave out each piece of that size once. True when one went. */
static bool sweep(struct search *search, size_t size)
{
    bool dropped = false;
    size_t at = 0;
    while (at < search->count) {
        const size_t left = search->count - at;
        const size_t piece = left < size ? left : size;
        if (drop(search, at, piece)) {
            dropped = true;
        } else {
            at += piece;
        }
    }
    return dropped;
}

size_t ddmin(uint32_t *items, size_t count, ddmin_fn still_fails, void *context)
{
    if (count == 0) {
        return 0;
    }
    struct search search = {.items = items,
                            .rest = heap_alloc_raw(count * sizeof *items),
                            .count = count,
                            .still_fails = still_fails,
                            .context = context};
    for (size_t size = count; size > 1; size = (size + 1) / 2) {
        (void)sweep(&search, size);
    }
    while (search.count > 0 && sweep(&search, 1)) {
        /* What was needed for something that went may go now. */
    }
    heap_free(search.rest);
    return search.count;
}
