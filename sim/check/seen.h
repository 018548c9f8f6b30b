/* A set of configurations that a search has met, each known by a 128-bit mark.
 *
 * A mark is made of random numbers, one or more for each part of the configuration, so that two
 * configurations are taken for one with a probability of about 2^-80 even after 2^24 of them.
 */
#ifndef Q_SIM_CHECK_SEEN_H
#define Q_SIM_CHECK_SEEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A zeroed struct is an empty set. */
struct seen {
    /* Owned. */
    uint64_t (*slots)[2]; /* The second one is 0 when free. */
    size_t slot_count;    /* A power of two. */
    size_t count;
};

void seen_deinit(struct seen *seen);
/* False when the configuration was there already. The lowest bit of `b` does not count. */
bool seen_add(struct seen *seen, uint64_t a, uint64_t b);

#endif
