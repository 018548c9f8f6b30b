#include "node/payload.h"

#include "base/check.h"
#include "base/os/heap.h"

struct payload *payload_new(size_t size)
{
    struct payload *payload = heap_alloc_raw(sizeof *payload + size);
    payload->references = 1;
    payload->size = size;
    return payload;
}

struct payload *payload_ref(struct payload *payload)
{
    Q_CHECK(payload->references > 0);
    payload->references++;
    return payload;
}

void payload_unref(struct payload *payload)
{
    if (payload == NULL) {
        return;
    }
    Q_CHECK(payload->references > 0);
    payload->references--;
    if (payload->references == 0) {
        heap_free(payload);
    }
}
