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
    host_pause(host, fault_draw_length(world));
}

void fault_clock(struct world *world)
{
    struct host *host = fault_pick_host(world);
    if (host != NULL) {
        host->clock.wall_offset_ms +=
            (int64_t)prng_below(&world->prng, 80000) - 40000 - host->clock.wall_offset_ms / 2;
    }
}

/* The first leader at or after the machine drawn: there may be two for a while. */
void fault_resign(struct world *world)
{
    const node_id count = world->options.node_count;
    const node_id first = (node_id)prng_between(&world->prng, 1, count);
    for (node_id i = 0; i < count && count > 1; i++) {
        struct host *host = &world->hosts[(first - 1 + i) % count + 1];
        const struct raft *raft = host_raft(host);
        if (raft != NULL && raft->role == RAFT_LEADER && !host_is_paused(host)) {
            world_trace(world, "node %u is asked to give its leadership away", host->id);
            node_resign(host->node);
            host_touch(host);
            return;
        }
    }
    fault_found_nothing(world);
}
