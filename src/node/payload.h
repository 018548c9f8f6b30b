/* Shared, immutable bytes with a reference count: what log entries are made of.
 *
 * An encoded request is written once into a payload and then referenced by the log, by the request
 * that waits for it, and by nobody else's copy. One thread only, so the count is plain.
 */
#ifndef Q_NODE_PAYLOAD_H
#define Q_NODE_PAYLOAD_H

#include "base/bytes.h"

struct payload {
    uint32_t references;
    size_t size;
    uint8_t data[];
};

/* One reference, contents not initialised. The caller gives it back with payload_unref. */
struct payload *payload_new(size_t size);
struct payload *payload_ref(struct payload *payload);
/* NULL is fine. */
void payload_unref(struct payload *payload);

/* The payload whose bytes these are: they must begin where a payload's do. */
static inline struct payload *payload_of(struct bytes bytes)
{
    return (struct payload *)((uintptr_t)bytes.data - offsetof(struct payload, data));
}

static inline struct bytes payload_bytes(const struct payload *payload)
{
    return (struct bytes){.data = payload->data, .size = payload->size};
}

#endif
