/* Numbers for byte strings, so that a search compares and hashes a state as one integer. */
#ifndef Q_SIM_CHECK_VALUES_H
#define Q_SIM_CHECK_VALUES_H

#include "base/bytes.h"
#include "base/os/buf.h"

/* The number of "no such key". */
#define VALUE_ABSENT 0u

struct values {
    /* Owned. */
    struct buf bytes; /* All strings, one after another. */
    size_t *starts;   /* Of string i at starts[i], its end at starts[i + 1]. */
    uint32_t *slots;  /* Open addressing; 0 = free, else a number. */
    size_t count;     /* Numbers given so far, VALUE_ABSENT included. */
    size_t capacity;
    size_t slot_count; /* A power of two. */
};

void values_init(struct values *values);
void values_deinit(struct values *values);
/* The same number for the same bytes, never VALUE_ABSENT. `bytes` may be borrowed from `values`. */
uint32_t values_number(struct values *values, struct bytes bytes);
/* Borrowed until the next values_number. Empty for VALUE_ABSENT. */
struct bytes values_text(const struct values *values, uint32_t number);

#endif
