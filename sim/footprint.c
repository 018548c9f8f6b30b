#include "sim/footprint.h"

#define MEGABYTE UINT64_C(1000000)

/* How many entries may be waiting: what all clients have under way, and what comes while a flush of
 * the engine is looked at every 100 ms. */
static uint64_t waiting(const struct sim_options *options, uint64_t operations)
{
    const uint64_t flush_us = (uint64_t)options->engine_flush_polls * 150000;
    const uint64_t meanwhile = flush_us >= options->duration_us
                                   ? operations
                                   : operations * flush_us / options->duration_us;
    return (uint64_t)options->client_count * options->pipeline_max + meanwhile;
}

/* Of a machine's disk and state: what it had before it was damaged, and an old copy for later. */
static uint64_t copies(const struct sim_options *options)
{
    static const enum fault_class DAMAGE[] = {FAULT_ROT,        FAULT_LOST, FAULT_MISDIRECT,
                                              FAULT_FILES,      FAULT_WIPE, FAULT_BACKUP,
                                              FAULT_ENGINE_ROT, FAULT_SWAP};
    for (size_t i = 0; i < sizeof DAMAGE / sizeof DAMAGE[0]; i++) {
        if (options->fault_interval_us[DAMAGE[i]] > 0) {
            return 2;
        }
    }
    return 0;
}

void footprint_of(const struct sim_options *options,
                  const struct footprint_load *load,
                  struct footprint *out)
{
    const uint64_t entry = load->filler_size / 8 + options->value_padding_max + 64; /* Mean. */
    /* What a snapshot holds: fillers, registers, and elements that only become more. */
    const uint64_t data = (uint64_t)load->filler_size * load->filler_keys +
                          (uint64_t)options->keys_per_class * 4 * options->value_padding_max +
                          load->operations * 24;
    const uint64_t keep = options->log_keep_bytes << (options->log_keep_differs ? 4 : 0);
    const uint64_t log = 3 * keep + 3 * options->wal_segment_size +
                         waiting(options, load->operations) * entry + load->filler_size +
                         load->operations * 16;
    out->disk_max = 2 * log + 2 * data;
    /* A file is there twice, as cached and as durable; data also in states not flushed yet. */
    const uint64_t machine = 3 * MEGABYTE + 3 * out->disk_max + 6 * data + 3 * log +
                             copies(options) * (2 * out->disk_max + 2 * data);
    /* Each client keeps its buffer, which may be twice as large as what it needed, and its session
     * another one. */
    const uint64_t clients = (uint64_t)options->client_count * 3 * load->request_size_max;
    out->heap_max = 10 * MEGABYTE + options->node_count * machine + clients;
}

void footprint_check_disk(struct violation *violation,
                          const struct footprint *footprint,
                          node_id node,
                          uint64_t used)
{
    if (used > footprint->disk_max) {
        violation_report(violation, "footprint", "the files of node %u have %llu bytes, limit %llu",
                         node, (unsigned long long)used, (unsigned long long)footprint->disk_max);
    }
}

void footprint_check_heap(struct violation *violation,
                          const struct footprint *footprint,
                          uint64_t peak)
{
    if (peak > footprint->heap_max) {
        violation_report(violation, "footprint", "the heap had %llu bytes, limit %llu",
                         (unsigned long long)peak, (unsigned long long)footprint->heap_max);
    }
}
