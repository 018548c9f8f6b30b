/* How much disk and memory a run may need: what follows from its options and what it has written.
 *
 * DESIGN
 *
 * The sum over all that is to be kept, with each part at its limit, is about twice what 1,000 seeds
 * have needed, so a part that grows without an end stands out: a log that was not cut off any more
 * (seed 408) needed seven times as much. Caps of single queues are in check/bounds.c.
 */
#ifndef Q_SIM_FOOTPRINT_H
#define Q_SIM_FOOTPRINT_H

#include "sim/check/violation.h"
#include "sim/options.h"

/* What the run has written so far. */
struct footprint_load {
    uint64_t operations;
    uint32_t filler_size;
    uint32_t filler_keys;
    uint64_t request_size_max; /* Of what one client sent in one go. */
};

struct footprint {
    uint64_t disk_max; /* Bytes of all files of one machine. */
    uint64_t heap_max; /* Of the whole simulation: machines, network, histories. */
};

void footprint_of(const struct sim_options *options,
                  const struct footprint_load *load,
                  struct footprint *out);
/* [13] Reports when a machine's files are larger than they may be. */
void footprint_check_disk(struct violation *violation,
                          const struct footprint *footprint,
                          node_id node,
                          uint64_t used);
/* [13] Likewise of the heap's peak. */
void footprint_check_heap(struct violation *violation,
                          const struct footprint *footprint,
                          uint64_t peak);

#endif
