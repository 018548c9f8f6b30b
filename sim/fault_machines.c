/* Faults of processes, machines and their clocks. */
#include "sim/fault_kinds.h"

void fault_kill(struct world *world)
{
    struct host *host = fault_pick_host(world);
    if (host != NULL) {
        host_crash(host, false, fault_draw_length(world));
    }
}

void fault_power(struct world *world)
{
    struct host *host = fault_pick_host(world);
    if (host != NULL) {
        host_crash(host, true, fault_draw_length(world));
    }
}

void fault_power_all(struct world *world)
{
    for (node_id id = 1; id <= world->options.node_count; id++) {
        host_crash(&world->hosts[id], true, prng_between(&world->prng, 1, 3000) * MILLISECOND);
    }
}

void fault_pause(struct world *world)
{
    struct host *host = fault_pick_host(world);
    if (host == NULL) {
        return;
    }
    const uint64_t takes_us = fault_draw_length(world);
    world_trace(world, "node %u stands still for %llu ms", host->id,
                (unsigned long long)(takes_us / MILLISECOND));
    host_pause(host, takes_us);
}

void fault_clock(struct world *world)
{
    struct host *host = fault_pick_host(world);
    if (host != NULL) {
        host->clock.wall_offset_ms +=
            (int64_t)prng_below(&world->prng, 80000) - 40000 - host->clock.wall_offset_ms / 2;
    }
}

void fault_resign(struct world *world)
{
    struct host *host = fault_pick_host(world);
    if (host != NULL) {
        node_resign(host->node);
        host_touch(host);
    }
}
