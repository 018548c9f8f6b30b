/* Writes of the batch being applied, readable before they reach the engine.
 *
 * Many log entries are applied in one engine batch; a later entry must see what an earlier one
 * wrote. The overlay keeps every operation in order (for the engine) and the newest value of each
 * key (for reads). Range deletes are not visible to reads through the overlay: the caller must only
 * read keys it knows to be outside of them (machine/lists.c says why that holds).
 */
#ifndef Q_NODE_MACHINE_OVERLAY_H
#define Q_NODE_MACHINE_OVERLAY_H

#include "store/engine.h"

struct overlay_block; /* Memory that lives until the overlay is cleared. */

struct overlay {
    struct engine_operation *operations; /* Owned; keys and values point into blocks. */
    size_t operation_count;
    size_t operation_capacity;
    uint32_t *table; /* Owned: open addressing, operation index + 1; 0 = free. */
    size_t table_size;
    struct overlay_block *blocks; /* Owned. */
    size_t bytes;
};

/* A zeroed struct is an empty overlay. */
void overlay_deinit(struct overlay *overlay);
void overlay_clear(struct overlay *overlay);

void overlay_put(struct overlay *overlay, struct bytes key, struct bytes value);
void overlay_delete(struct overlay *overlay, struct bytes key);
void overlay_delete_range(struct overlay *overlay, struct bytes from, struct bytes to);

enum overlay_found {
    OVERLAY_UNKNOWN, /* Ask the engine. */
    OVERLAY_DELETED,
    OVERLAY_VALUE
};
/* `out_value` is borrowed until the overlay is cleared. */
enum overlay_found overlay_get(const struct overlay *overlay,
                               struct bytes key,
                               struct bytes *out_value);

#endif
